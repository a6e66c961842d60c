"""What a database holds, and what of it is no more: counted and summed, not believed from the statements."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from lastgood.model.database import Column
from lastgood.model.descent import Loss
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.schema import What
from lastgood.postgres import facts
from lastgood.postgres.asking import ask
from lastgood.postgres.client import Client
from lastgood.postgres.quoting import ident, literal

_ROOM: Final = 1.1
"""How much more may be there when the writers are stopped than the rehearsal counted, before nothing is done."""
# One number for all values of a column, whatever their order: where it changes, values changed.
_SUM: Final = "sum(hashtextextended({0}::text, 0))::text"
_LONG: Final = 3600.0


class Contents(msgspec.Struct, frozen=True):
    """What a database holds, by quoted table: its rows, and of each column how many values, and a sum over them."""

    rows: dict[str, int]
    values: dict[str, dict[str, tuple[int, str | None]]]


def contents(client: Client) -> Fact[Contents]:
    """What the client's database holds. It should not be written to meanwhile."""
    columns, rows = facts.columns(client), facts.counts(client)
    if isinstance(columns, Unknown):
        return columns
    if isinstance(rows, Unknown):
        return rows
    values: dict[str, dict[str, tuple[int, str | None]]] = {}
    for (schema, table), each in columns.value.items():
        name = f"{ident(schema)}.{ident(table)}"
        found = ask(client, _summed(name, each), dict[str, tuple[int, str | None]], timeout=_LONG)
        if isinstance(found, Unknown):
            return found
        values[name] = found.value
    return Known(Contents({_always(name): count for name, count in rows.value.items()}, values))


def _always(name: str) -> str:
    """A name as the server quotes it, where that is needed, quoted always."""
    from lastgood.sql import parts, quoted

    return quoted(*parts(name))


def _name(table: str) -> str:
    """A quoted table's name without its schema and quotes."""
    from lastgood.sql import parts

    return parts(table)[-1]


def _plain(name: str) -> str:
    """A quoted name as people write it."""
    from lastgood.sql import parts

    return ".".join(parts(name))


def _summed(table: str, columns: Sequence[Column]) -> str:
    """By arrays: a function takes no more than 100 arguments, and a table may have more columns."""
    names = ", ".join(literal(one.name) for one in columns)
    quoted = [ident(one.name) for one in columns]
    sums = ", ".join(f"json_build_array(count({name}), {_SUM.format(name)})" for name in quoted)
    each = f"SELECT unnest(ARRAY[{names}]::text[]) AS name, unnest(ARRAY[{sums}]::json[]) AS said FROM {table}"  # noqa: S608 - quoted names
    return f"SELECT coalesce(json_object_agg(name, said), '{{}}') FROM ({each}) AS summed"  # noqa: S608 - built of the above


def losses(
    first: Contents, then: Contents, without: str = "", altered: frozenset[tuple[str, str]] = frozenset()
) -> Iterator[Loss]:
    """What the first had and the second has not; `without` is a quoted table that does not count.

    An empty table or column is no loss. Where rows are deleted, nobody can tell from the numbers whether values of the
    others changed: all those count that a statement changes, `altered` (table and column, without a schema).
    """
    for table, columns in first.values.items():
        if table == without:
            continue
        count = first.rows.get(table, 0)
        if table not in then.values:
            if count:
                yield _loss(What.TABLE, table, count, "the table is dropped")
            continue
        gone = count - then.rows.get(table, 0)
        if gone > 0:
            yield _loss(What.ROWS, table, gone, "rows are deleted")
        mine = frozenset(column for name, column in altered if name == _name(table)) if gone > 0 else None
        yield from _values(table, columns, then.values[table], mine)


def vacant(first: Contents, then: Contents, without: str = "") -> Iterator[Loss]:
    """Tables and columns that the first had and the second has not, and that held nothing: they still have to.

    `without` is a quoted table that does not count. What is written there later would be a loss that nobody accepted.
    """
    for table, columns in first.values.items():
        if table == without:
            continue
        if table not in then.values:
            if not first.rows.get(table, 0):
                yield _empty(_loss(What.TABLE, table, 0, "the table is dropped"))
            continue
        for column, (count, _) in columns.items():
            if column not in then.values[table] and not count:
                yield _empty(_loss(What.COLUMN, table, 0, "the column is dropped", column))


def _empty(loss: Loss) -> Loss:
    return msgspec.structs.replace(loss, most=0)


def _values(
    table: str,
    columns: dict[str, tuple[int, str | None]],
    then: dict[str, tuple[int, str | None]],
    altered: frozenset[str] | None,
) -> Iterator[Loss]:
    """Of a table that stays. `altered` are the columns that statements change; None: the numbers tell."""
    for column, (count, total) in columns.items():
        if column not in then and count:
            yield _loss(What.COLUMN, table, count, "the column is dropped", column)
        elif column in then and (column in altered if altered is not None else then[column] != (count, total)):
            yield _loss(What.VALUES, table, count, "values are changed: cut off, rounded or overwritten", column)


def _loss(what: What, table: str, count: int, because: str, column: str = "") -> Loss:
    name = f"{_plain(table)}.{column}" if column else _plain(table)
    since = Unknown("nobody noted the moment of the deploy")
    return Loss(what, name, count, most(count), since, because, table, ident(column) if column else "")


def most(count: int) -> int:
    """The largest number that a plan goes on with: a tenth more, in two digits, so that a row more is no other plan."""
    room = count * _ROOM + 10
    unit: int = 10 ** max(0, math.floor(math.log10(room)) - 1)
    return math.ceil(room / unit) * unit
