"""Names of tables as people write them and as PostgreSQL quotes them, and which of a database's tables is a tool's."""

import re
from collections.abc import Callable
from typing import TypeAlias, TypeVar

import msgspec

Columns: TypeAlias = dict[tuple[str, str], tuple[tuple[str, str], ...]]
"""(name, type) of every column, by (schema, table)."""

T = TypeVar("T")
_PART = r'(?:"(?:[^"\0]|"")+"|[^".\s\0]+)'
_NAME = re.compile(rf"(?:({_PART})\.)?({_PART})")
_MAX_BYTES = 63  # PostgreSQL cuts longer names off, and two names become one


def parse(written: str) -> tuple[str, str]:
    """(schema, table) of a name as in lastgood.yaml; the schema is empty for a bare one. Raises ValueError."""
    found = _NAME.fullmatch(written)
    if found is None:
        message = f"{written!r} is not the name of a table: write `name`, `schema.name`, or either in double quotes"
        raise ValueError(message)
    schema, table = (_unquoted(part or "") for part in found.groups())
    if max(len(schema.encode()), len(table.encode())) > _MAX_BYTES:
        message = f"{written!r}: PostgreSQL has no names of more than {_MAX_BYTES} bytes"
        raise ValueError(message)
    return schema, table


def quoted(schema: str, table: str) -> str:
    """A table's name for SQL."""
    return f"{_identifier(schema)}.{_identifier(table)}"


def literal(text: str) -> str:
    """A text for SQL; standard_conforming_strings is on."""
    return "'" + text.replace("'", "''") + "'"


def select(table: str, row: str, order: str = "") -> str:
    """A SELECT of `row` from every row of a quoted table, as one JSON array."""
    rows = f"pg_catalog.json_agg({row}{f' ORDER BY {order}' if order else ''})"
    return f"SELECT COALESCE({rows}, '[]')::pg_catalog.text FROM {table}"  # noqa: S608 - the name is quoted


def delete(table: str, column: str, value: str) -> str:
    """A DELETE of the rows of a quoted table that have a value, which is SQL. No operator of others is found for it."""
    return f"DELETE FROM {table} WHERE {column} OPERATOR(pg_catalog.=) {value};"  # noqa: S608 - as above


def insert(table: str, columns: str, values: str) -> str:
    """An INSERT of one row into a quoted table; the values are SQL."""
    return f"INSERT INTO {table} ({columns}) VALUES ({values});"  # noqa: S608 - as above


def find(columns: Columns, key: tuple[str, str] | str, tool: str, mine: Callable[[dict[str, str]], bool]) -> str:
    """The tool's table, quoted; empty where there is none. `key` is (schema, table), or a name looked for everywhere.

    `mine` tells a table by its columns. Raises ValueError where the table at `key` is another's, or several are found.
    """
    if not isinstance(key, str):
        if key in columns and not mine(dict(columns[key])):
            message = f"{quoted(*key)} is no table of {tool}: its columns are {_listed(columns[key])}"
            raise ValueError(message)
        return quoted(*key) if key in columns else ""
    found = [quoted(*at) for at, has in sorted(columns.items()) if at[1] == key and mine(dict(has))]
    if len(found) > 1:
        message = f"each of {', '.join(found)} could be the table of {tool}: name the right one in `table`"
        raise ValueError(message)
    return found[0] if found else ""


def key_of(written: str, schema: str, default: str) -> tuple[str, str] | str:
    """What to `find`: the configured table, a bare name in `schema`; the tool's default where none is configured."""
    if not written:
        return default
    own, table = parse(written)
    return (own or schema, table)


def decoded(answer: str, kind: type[T]) -> T:
    """The JSON that a database answered with. Raises ValueError."""
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.DecodeError as error:
        message = f"what the database says of the migrations cannot be read: {error}"
        raise ValueError(message) from error


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _unquoted(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part


def _listed(columns: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in columns) or "none"
