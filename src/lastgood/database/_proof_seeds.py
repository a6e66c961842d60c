"""Generated rows for every table that takes some: parents before children, values by type, several tries for each.

What tables take is asked of the catalogue; one program then tries the statements, each in a subtransaction of its own,
because only the database knows what its constraints and triggers let in.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final, NamedTuple

import msgspec

from lastgood.database._proof_values import Draw, Type, numeric, value
from lastgood.model.database import Failed
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.postgres.asking import ask, script
from lastgood.postgres.client import Client
from lastgood.postgres.quoting import literal

ROWS: Final = 3
"""So many rows are tried for a table at a time."""

_SEEDS_SECONDS: Final = 120.0
_TEXT: Final = re.compile(r"'((?:[^']|'')*)'")
_NUMBER: Final = re.compile(r"(?<![\w'.])-?\d+(?:\.\d+)?(?![\w'.])")


class Column(msgspec.Struct, frozen=True):
    """A column; names are quoted, `type` is as `format_type` has it, `oid` is its key among the types.

    `required`: NOT NULL, and nothing fills it by itself. `computed`: nobody may write it.
    """

    name: str
    type: str
    oid: str
    mod: int
    required: bool
    computed: bool
    identity: bool


class Check(msgspec.Struct, frozen=True):
    """A CHECK of a table: the columns that it is about, and its definition."""

    columns: tuple[str, ...]
    text: str


class Key(msgspec.Struct, frozen=True):
    """A foreign key: columns of this table, and those of its parent."""

    columns: tuple[str, ...]
    parent: str
    parents: tuple[str, ...]


class Table(msgspec.Struct, frozen=True):
    """A table that rows may be put into, by quoted name with its schema."""

    name: str
    columns: tuple[Column, ...]
    checks: tuple[Check, ...]
    keys: tuple[Key, ...]


class Catalogue(msgspec.Struct, frozen=True):
    """The tables and, by number, the types that their columns have."""

    tables: tuple[Table, ...]
    types: dict[str, Type]


_LABELS: Final = "(SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid)"
_NAMES: Final = """(SELECT coalesce(json_agg(quote_ident(a.attname) ORDER BY k.at), '[]')
  FROM unnest({}) WITH ORDINALITY k (number, at)
  JOIN pg_attribute a ON a.attrelid = {} AND a.attnum = k.number)"""
_QUESTION: Final = f"""SET search_path = pg_catalog;
WITH RECURSIVE tables AS (
  SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid
                    AND e.deptype = 'e')),
columns AS (SELECT a.* FROM pg_attribute a JOIN tables ON tables.oid = a.attrelid
            WHERE a.attnum > 0 AND NOT a.attisdropped),
needed (oid) AS (
  SELECT atttypid FROM columns UNION
  SELECT CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END FROM needed JOIN pg_type t ON t.oid = needed.oid
  WHERE t.typtype = 'd' OR t.typcategory = 'A'),
types AS (
  SELECT json_object_agg(t.oid, json_build_object('name', t.typname, 'kind', t.typtype, 'category', t.typcategory,
    'base', t.typbasetype::text, 'element', t.typelem::text, 'mod', t.typtypmod, 'labels', coalesce({_LABELS}, '[]'),
    'checks', (SELECT coalesce(json_agg(pg_get_constraintdef(o.oid) ORDER BY o.conname), '[]') FROM pg_constraint o
               WHERE o.contypid = t.oid AND o.contype = 'c'))) AS said
  FROM needed JOIN pg_type t ON t.oid = needed.oid),
said AS (
  SELECT tables.name, json_build_object('name', tables.name,
    'columns', (SELECT coalesce(json_agg(json_build_object('name', quote_ident(a.attname),
        'type', format_type(a.atttypid, a.atttypmod), 'oid', a.atttypid::text, 'mod', a.atttypmod,
        'required', (a.attnotnull OR t.typnotnull) AND NOT a.atthasdef AND a.attidentity = '' AND t.typdefault IS NULL,
        'computed', a.attgenerated <> '', 'identity', a.attidentity <> '') ORDER BY a.attnum), '[]')
      FROM columns a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = tables.oid),
    'checks', (SELECT coalesce(json_agg(json_build_object('columns', {_NAMES.format("o.conkey", "o.conrelid")},
        'text', pg_get_constraintdef(o.oid)) ORDER BY o.conname), '[]')
      FROM pg_constraint o WHERE o.conrelid = tables.oid AND o.contype = 'c'),
    'keys', (SELECT coalesce(json_agg(json_build_object('columns', {_NAMES.format("o.conkey", "o.conrelid")},
        'parent', (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c
                   JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = o.confrelid),
        'parents', {_NAMES.format("o.confkey", "o.confrelid")}) ORDER BY o.conname), '[]')
      FROM pg_constraint o WHERE o.conrelid = tables.oid AND o.contype = 'f')) AS said
  FROM tables)
SELECT json_build_object('tables', (SELECT coalesce(json_agg(said ORDER BY name), '[]') FROM said),
                         'types', (SELECT coalesce(said, '{{}}') FROM types))"""  # noqa: S608 - constant

# Settings carry the statements in and the outcomes out: a table for them would be a change of the schema, which
# triggers on such might forbid.
_PROGRAM: Final = """
DECLARE each json; outcome jsonb := '{}'; made bigint; why text;
BEGIN
  FOR each IN SELECT * FROM json_array_elements({tries}::json) LOOP
    CONTINUE WHEN outcome -> (each ->> 0) ->> (each ->> 1) = '';
    why := '';
    BEGIN
      EXECUTE each ->> 2;
      GET DIAGNOSTICS made = ROW_COUNT;
      IF made = 0 THEN why := 'a trigger or a rule keeps rows out'; END IF;
      SET CONSTRAINTS ALL IMMEDIATE;
    EXCEPTION WHEN OTHERS THEN
      why := SQLERRM;
    END;
    IF why = '' OR outcome -> (each ->> 0) ->> (each ->> 1) IS NULL THEN
      outcome := outcome || jsonb_build_object(each ->> 0,
        coalesce(outcome -> (each ->> 0), '{}') || jsonb_build_object(each ->> 1, why));
    END IF;
  END LOOP;
  PERFORM set_config('lastgood.outcome', outcome::text, false);
END"""


def catalogue(client: Client) -> Fact[Catalogue]:
    """The tables that rows may be put into."""
    return ask(client, _QUESTION, Catalogue)


def seed(client: Client, found: Catalogue, names: Sequence[str], first: int) -> Fact[dict[str, str]]:
    """Put rows, numbered from `first`, into the tables of these names; by name why one took none, empty if it did."""
    tables = [table for table in _in_order(found.tables) if table.name in names]
    tries = [(t.name, n, one) for t in tables for n in range(1, ROWS + 1) for one in _tries(found, t, first, n)]
    idle = {table.name: _unknown(found, table) for table in tables} | {name: "" for name, _, _ in tries}
    if not tries:
        return Known(idle)
    program = _PROGRAM.replace("{tries}", literal(msgspec.json.encode(tries).decode()))
    text = f"DO {literal(program)};\nSELECT current_setting('lastgood.outcome')"
    ran = script(client, text, timeout=_SEEDS_SECONDS)
    if isinstance(ran, Failed):
        return Unknown(ran.reason)
    outcomes = msgspec.json.decode(ran.output, type=dict[str, dict[str, str]])
    return Known(idle | {name: "" if "" in rows.values() else rows["1"] for name, rows in outcomes.items()})


def _in_order(tables: tuple[Table, ...]) -> Iterator[Table]:
    """Parents first; where they refer to each other in a circle, by name."""
    left = {table.name: table for table in tables}
    while left:
        ready = [one for one in left.values() if not any(k.parent in left and k.parent != one.name for k in one.keys)]
        for table in ready or list(left.values()):
            yield left.pop(table.name)


class _Try(NamedTuple):
    """What to fill: every column or only those that must be; with values out of constraints, or plain ones."""

    must: bool
    hinted: bool
    plain: bool


def _tries(found: Catalogue, table: Table, first: int, nth: int) -> Iterator[str]:
    """The statements for one row, best first."""
    sorts = ((True, False), (False, False), (False, True))
    each = (_insert(found, table, first, nth, _Try(must, *sort)) for must, sort in product((False, True), sorts))
    yield from dict.fromkeys(one for one in each if one is not None)


def _insert(found: Catalogue, table: Table, first: int, nth: int, how: _Try) -> str | None:
    values = {}
    for column in table.columns:
        if column.computed or (how.must and not column.required):
            continue
        hints = _hints(found, table, column) if how.hinted else ()
        draw = Draw(first + nth - 1, nth, how.plain, hints, column.mod)
        one = _referring(table, column, nth) or value(found.types, column.oid, draw)
        if one is None and column.required:
            return None
        if one is not None:
            values[column.name] = f"{one}::{column.type}"
    if not values:
        return f"INSERT INTO {table.name} DEFAULT VALUES"
    over = " OVERRIDING SYSTEM VALUE" if any(column.identity for column in table.columns) else ""
    return f"INSERT INTO {table.name} ({', '.join(values)}){over} VALUES ({', '.join(values.values())})"  # noqa: S608 - quoted


def _referring(table: Table, column: Column, nth: int) -> str:
    """The value of a row of the parent: another one for each row while there are, so that one-to-one works as well."""
    for key in table.keys:
        if column.name in key.columns and not (key.parent == table.name and column.required):
            at = key.parents[key.columns.index(column.name)]
            rows = f"SELECT {at} FROM {key.parent} ORDER BY {', '.join(key.parents)}"  # noqa: S608 - quoted
            return f"coalesce(({rows} OFFSET {nth - 1} LIMIT 1), ({rows} LIMIT 1))"
    return ""


def _hints(found: Catalogue, table: Table, column: Column) -> tuple[str, ...]:
    """The values that constraints on this column alone speak of: `CHECK (state IN ('new', 'paid'))`."""
    said = [check.text for check in table.checks if check.columns == (column.name,)]
    oid = column.oid
    while found.types[oid].kind == "d":
        said += found.types[oid].checks
        oid = found.types[oid].base
    if numeric(found.types, column.oid):
        return tuple(dict.fromkeys(number for text in said for number in _NUMBER.findall(text)))
    return tuple(dict.fromkeys(word.replace("''", "'") for text in said for word in _TEXT.findall(text)))


def _unknown(found: Catalogue, table: Table) -> str:
    """Why there is no statement for a table."""
    draw = Draw(1, 1, plain=False, hints=(), mod=-1)
    lacking = [one for one in table.columns if one.required and value(found.types, one.oid, draw) is None]
    return f"no value of type {lacking[0].type} is known for {lacking[0].name}" if lacking else ""
