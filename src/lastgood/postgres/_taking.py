"""SQL that brings out what a way down would lose, before it does. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from lastgood.model.descent import Loss
from lastgood.model.schema import What
from lastgood.postgres._seats import Cell, Seat
from lastgood.postgres.quoting import ident

SETTINGS: Final = """SET standard_conforming_strings = on;
SET client_min_messages = warning;
SET datestyle = ISO;
SET intervalstyle = postgres;
SET extra_float_digits = 3;
SET row_security = off;
SET synchronize_seqscans = off;
"""
"""As pg_dump sets them, so that every value reads back as it was."""
END: Final = r"\echo '\\.'" + "\n"
"""What sets the parts apart in the one stream: a line that COPY itself never writes."""
_KEYLESS: Final = "its rows cannot be told apart: the table has no key that outlives the way down"
_UNSEEN: Final = "all rows of the table are kept: which of them go, only the way down itself shows"
_COMPUTED: Final = "it is generated, and computed again"
_SIFTED: Final = frozenset({What.ROWS, What.VALUES})


class Shape(msgspec.Struct, frozen=True):
    """How one loss is brought out: which columns, by which key. `sifted`: what goes is known only after the way down.

    `note` is why it is not put back later; without columns there is nothing to bring out.
    """

    loss: Loss
    columns: tuple[Cell, ...]
    keys: tuple[str, ...]
    sifted: bool = False
    note: str = ""

    @property
    def filed(self) -> bool:
        """Whether there is anything to bring out."""
        return not self.note or bool(self.columns)


def shaped(losses: Iterable[Loss], there: Mapping[str, Seat], *, sifting: bool) -> tuple[Shape, ...]:
    """How each loss is brought out, in the order in which the stream has them.

    Without `sifting` whole tables are, where only the way down itself shows what goes. Raises KeyError for a table that
    is not `there`.
    """
    known = tuple(losses)
    every = [_shape(loss, there[loss.relation], _unsteady(loss, known), sifting=sifting) for loss in known]
    return tuple(sorted(every, key=lambda one: (not one.filed, one.sifted)))


def _unsteady(loss: Loss, losses: Sequence[Loss]) -> frozenset[str]:
    """The quoted columns of the loss's table that do not stay as they are: no key can be of them."""
    return frozenset(one.column for one in losses if one.relation == loss.relation and one.column)


def _shape(loss: Loss, seat: Seat, unsteady: frozenset[str], *, sifting: bool) -> Shape:
    sifted = loss.what in _SIFTED
    whole = tuple(one for one in seat.columns if not one.generated)
    lost = tuple(one for one in seat.columns if ident(one.name) == loss.column)
    if any(one.generated for one in lost):
        return Shape(loss, (), (), note=_COMPUTED)
    keys = next((key for key in seat.keys if not unsteady & {ident(name) for name in key}), ())
    if not keys or (sifted and not sifting):
        return Shape(loss, whole, (), note=_UNSEEN if keys else _KEYLESS)
    by = tuple(one for name in keys for one in seat.columns if one.name == name)
    return Shape(loss, (*by, *lost) if lost else whole, keys, sifted)


def taking(  # noqa: PLR0913 - what is taken, from where, and within which limits
    shapes: Sequence[Shape], there: Mapping[str, Seat], down: str, *, schema: str, wait: int, secret: str
) -> str:
    """A script whose output is each shape's rows, each followed by END. Nothing remains of what it does.

    Where something is sifted, `down` is gone, and the transaction given up: the SQL of the way down, with `schema` put
    first on the search path. `wait` are milliseconds for a lock. `secret` keeps psql from obeying what is in `down`; it
    is empty where psql is too old for that.
    """
    mine = [(number, shape) for number, shape in enumerate(shapes) if shape.filed]
    plain = "".join(_copied(_plain(shape, there)) for _, shape in mine if not shape.sifted)
    sifted = [(number, shape) for number, shape in mine if shape.sifted]
    limit = f"SET LOCAL lock_timeout = {wait};\n"
    if not sifted:
        return f"{SETTINGS}BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;\n{limit}{plain}COMMIT;\n"
    path = f"SET LOCAL search_path = {ident(schema)}, public;\n" if schema else ""
    names = ", ".join(dict.fromkeys(shape.loss.relation for _, shape in mine))
    notes = "".join(_noted(number, shape, there) for number, shape in sifted)
    after = "".join(_copied(_after(number, shape, there)) for number, shape in sifted)
    tied, loose = (f"\\restrict {secret}\n", f"\\unrestrict {secret}\n") if secret else ("", "")
    return (
        f"{SETTINGS}BEGIN;\n{limit}LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE;\n{notes}{plain}"
        f"\\o /dev/null\n{tied}{path}{down}\n;\n{loose}\\o\n{after}ROLLBACK;\n"
    )


def source(relation: str, seat: Seat) -> str:
    """The table's own rows: those of tables that inherit from it are not, those of its partitions are."""
    return relation if seat.partitioned else f"ONLY {relation}"


def _copied(select: str) -> str:
    return f"COPY ({select}) TO STDOUT;\n{END}"


def _plain(shape: Shape, there: Mapping[str, Seat]) -> str:
    names = ", ".join(ident(one.name) for one in shape.columns)
    loss = shape.loss
    only = f" WHERE {loss.column} IS NOT NULL" if loss.what is What.COLUMN and shape.keys else ""
    return f"SELECT {names} FROM {source(loss.relation, there[loss.relation])}{only}"  # noqa: S608 - quoted names


def _noted(number: int, shape: Shape, there: Mapping[str, Seat]) -> str:
    """What is there before the way down, as text: the types may be dropped by it."""
    names = ", ".join(f"{ident(one.name)}::text AS c{at}" for at, one in enumerate(shape.columns))
    rows = source(shape.loss.relation, there[shape.loss.relation])
    table = f"lastgood_before_{number}"
    return f"CREATE TEMPORARY TABLE {table} AS SELECT {names} FROM {rows};\nANALYZE {table};\n"  # noqa: S608 - quoted names


def _after(number: int, shape: Shape, there: Mapping[str, Seat]) -> str:
    """What is there no more, or otherwise: with what it is then."""
    loss, many = shape.loss, len(shape.columns)
    places = {one.name: at for at, one in enumerate(shape.columns)}
    by = " AND ".join(f"t.{ident(name)}::text = b.c{places[name]}" for name in shape.keys)
    names = ", ".join(f"b.c{at}" for at in range(many))
    rows = source(loss.relation, there[loss.relation])
    if loss.what is What.ROWS:
        return (
            f"SELECT {names} FROM pg_temp.lastgood_before_{number} b WHERE NOT EXISTS (SELECT FROM {rows} t WHERE {by})"  # noqa: S608 - quoted names
        )
    left = f"t.{loss.column}::text"
    return (
        f"SELECT {names}, {left} FROM pg_temp.lastgood_before_{number} b JOIN {rows} t ON {by} "  # noqa: S608 - quoted names
        f"WHERE b.c{many - 1} IS DISTINCT FROM {left}"
    )
