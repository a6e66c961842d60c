"""What is in tables, as hashes, and what of it is gone or another later on."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from lastgood.database._linted import Read
from lastgood.model.database import Fingerprint
from lastgood.model.facts import Fact
from lastgood.model.schema import Doomed, What
from lastgood.postgres.asking import ask
from lastgood.postgres.client import Client
from lastgood.postgres.quoting import literal
from lastgood.sql import parts

MOST: Final = 20_000
"""Of tables with more rows only the number is compared."""

_SECONDS: Final = 300.0


class Rows(msgspec.Struct, frozen=True):
    """The rows of one table by hashes of their values, None for NULL; `columns` are quoted names in the rows' order.

    `rows` is None where there are more than `MOST`.
    """

    columns: tuple[str, ...]
    count: int
    rows: tuple[tuple[str | None, ...], ...] | None

    def of(self, columns: Collection[str]) -> Counter[tuple[str | None, ...]]:
        """The rows, of these columns only."""
        places = [self.columns.index(name) for name in columns]
        return Counter(tuple(row[at] for at in places) for row in self.rows or ())

    def only(self, columns: Collection[str]) -> "Rows":
        """The same without other columns than these."""
        names = tuple(name for name in self.columns if name in columns)
        rows = None if self.rows is None else tuple(self.of(names).elements())
        return Rows(names, self.count, rows)


Contents = Mapping[str, Rows]
"""By quoted name of the table with its schema."""


class Lost(NamedTuple):
    """Rows of one table that are not there any more, or not as they were: how many of how many.

    `columns` are those whose values differ; empty where whole rows are gone.
    """

    table: str
    number: int
    of: int
    columns: tuple[str, ...]

    @property
    def words(self) -> str:
        """`2 of 3 rows of public.orders are gone`."""
        rows = f"{self.number} of {self.of} rows of {self.table}"
        if not self.columns:
            return f"{rows} {_be(self.number)} gone"
        return f"{rows} {_be(self.number)} not as before: {', '.join(self.columns)}"


def _be(number: int) -> str:
    return "is" if number == 1 else "are"


def contents(client: Client, shape: Fingerprint) -> Fact[dict[str, Rows]]:
    """What is in the tables of a database whose schema is `shape`. Each table's own rows; those of others elsewhere."""
    tables = [name for name in shape.order if "foreign" not in shape.parts.get(f"table {name}", "").split()]
    if not tables:
        return ask(client, "SELECT '{}'", dict[str, Rows])
    each = " UNION ALL ".join(_question(name, shape.order[name]) for name in tables)
    question = f"SELECT json_object_agg(name, said) FROM ({each}) each (name, said)"  # noqa: S608 - quoted names
    return ask(client, question, dict[str, Rows], timeout=_SECONDS)


def _question(table: str, columns: tuple[str, ...]) -> str:
    hashes = ", ".join(f"left(md5({name}::text), 12)" for name in columns)
    names = ", ".join(map(literal, columns))
    counted = f"(SELECT count(*) FROM ONLY {table})"  # noqa: S608 - quoted names, here and below
    rows = f"(SELECT coalesce(json_agg(ARRAY[{hashes}]::text[]), '[]') FROM ONLY {table})"  # noqa: S608
    said = f"CASE WHEN {counted} <= {MOST} THEN {rows} END"
    columns_said = f"to_json(ARRAY[{names}]::text[])"
    return f"SELECT {literal(table)}, json_build_object('columns', {columns_said}, 'count', {counted}, 'rows', {said})"


def lost(before: Contents, after: Contents) -> Iterator[Lost]:
    """What was there before and is not any more, of tables and columns that are there both times."""
    for table in sorted(before.keys() & after.keys()):
        was, now = before[table], after[table]
        if was.rows is None or now.rows is None:
            if now.count < was.count:
                yield Lost(table, was.count - now.count, was.count, ())
            continue
        columns = [name for name in was.columns if name in now.columns]
        missing = (was.of(columns) - now.of(columns)).total()
        if missing:
            gone = now.count < was.count
            differing = () if gone else tuple(name for name in columns if was.of([name]) - now.of([name]))
            yield Lost(table, missing, was.count, differing if gone or differing else tuple(columns))


def more(before: Contents, after: Contents) -> Iterator[tuple[str, int]]:
    """The tables that have more rows than before, and how many more."""
    for table in sorted(before.keys() & after.keys()):
        if after[table].count > before[table].count:
            yield table, after[table].count - before[table].count


def announced(one: Lost, side: Read) -> int:
    """The line of the statement that says that this goes; 0 where none does."""
    for statement in side.statements:
        if _covered(one, statement.doomed):
            return statement.line
    return 0


def _covered(one: Lost, doomed: Iterable[Doomed]) -> bool:
    table = parts(one.table)
    whole, columns = False, set[str]()
    for each in (one for one in doomed if one.name):
        name = parts(each.name)
        if each.what in (What.TABLE, What.ROWS):
            whole = whole or name == table[-len(name) :]
        elif each.what is What.SCHEMA:
            whole = whole or name[-1] == table[0]
        elif len(name) > 1 and name[:-1] == table[-len(name[:-1]) :]:
            columns.add(name[-1])
    return whole or (bool(one.columns) and {parts(name)[0] for name in one.columns} <= columns)
