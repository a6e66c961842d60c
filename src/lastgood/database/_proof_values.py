"""Values for generated rows: odd enough not to meet what migrations insert themselves. Pure."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

import msgspec

from lastgood.postgres.quoting import literal

_ARRAY: Final = "A"
_FAR: Final = 1_000_000_000
_SMALL_FAR: Final = 30_000
_SMALL_ROOM: Final = 2_000
_LONG: Final = 10
_EMPTY: Final = {"r": "empty", "m": "{}"}  # ranges and multiranges


class Type(msgspec.Struct, frozen=True):
    """A type of the catalogue. `kind` and `category` are pg_type's letters; `base` is a domain's, `element` an array's.

    `mod` is a domain's own modifier; `checks` are the definitions of its constraints.
    """

    name: str
    kind: str
    category: str
    base: str
    element: str
    mod: int
    labels: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()


class Draw(NamedTuple):
    """Which value is wanted: of the `row`th row of a table in the whole proof, the `nth` of one time (from 1).

    `plain` asks for small and short ones. `hints` are the values that constraints speak of. `mod` is the column's type
    modifier, as pg_attribute has it.
    """

    row: int
    nth: int
    plain: bool
    hints: Sequence[str]
    mod: int

    @property
    def length(self) -> int:
        """The most characters of a varchar; 0 where there is no limit."""
        return max(self.mod - 4, 0)


def value(types: dict[str, Type], oid: str, draw: Draw) -> str | None:
    """An expression in SQL for a column of the type `oid`; None where no value of such a type is known."""
    found = types[oid]
    if found.kind == "d":
        return value(types, found.base, draw._replace(mod=found.mod if found.mod >= 0 else draw.mod))
    if found.category == _ARRAY and found.element in types:
        one = value(types, found.element, draw)
        return f"ARRAY[{one}]" if one else None
    made = _made(found, draw)
    return None if made is None else literal(made)


def _made(found: Type, draw: Draw) -> str | None:
    if found.kind == "e":
        return _label(found.labels, draw.nth) if found.labels else None
    if draw.hints:
        return draw.hints[(draw.nth - 1) % len(draw.hints)]
    make = _MAKERS.get(found.name)
    return make(draw) if make else _EMPTY.get(found.kind)


def numeric(types: dict[str, Type], oid: str) -> bool:
    """Whether the type, or that of a domain, is a number."""
    found = types[oid]
    return numeric(types, found.base) if found.kind == "d" else found.category == "N"


def _label(labels: tuple[str, ...], nth: int) -> str:
    """The first ones in order, and the last: a value that was added at the end is among three."""
    return labels[-1] if nth > len(labels) - 1 or nth == 3 else labels[nth - 1]  # noqa: PLR2004 - the third is the last


def _text(draw: Draw) -> str:
    room = draw.length
    if draw.plain:
        return chr(ord("a") + (draw.row - 1) % 26) * (room if 0 < room <= _LONG else 1)
    whole = f"lastgood-{draw.row}@example.org"
    return whole if not room or len(whole) <= room else f"lastgood-{draw.row}"[-room:]


def _whole(draw: Draw) -> str:
    return str(draw.nth if draw.plain else _FAR + draw.row)


def _short(draw: Draw) -> str:
    return str(draw.nth if draw.plain else _SMALL_FAR + draw.row % _SMALL_ROOM)


def _decimal(draw: Draw) -> str:
    if draw.mod < 0:
        return f"{_whole(draw)}.5"
    digits, scale = (draw.mod - 4) >> 16 & 0xFFFF, (draw.mod - 4) & 0x7FF
    return str(draw.row % 10 if digits > scale else 0)


def _bits(draw: Draw) -> str:
    width = max(draw.mod, 1)
    return format(draw.row % 2**width, f"0{width}b")


def _day(draw: Draw) -> str:
    return (date(2026, 1, 1) + timedelta(days=draw.row)).isoformat()


def _address(draw: Draw) -> str:
    return f"192.0.{draw.row // 250 % 250}.{draw.row % 250}"


def _moment(draw: Draw) -> str:
    return f"{_day(draw)} 12:00:00+00"


def _clock(draw: Draw) -> str:
    return f"12:{draw.row // 60 % 60:02}:{draw.row % 60:02}+00"


def _span(of: Callable[[Draw], str]) -> Callable[[Draw], str]:
    return lambda draw: f"[{of(draw)},{of(draw)}]"


def _said(text: str) -> Callable[[Draw], str]:
    """A text with the row's number where it says `{n}`."""
    return lambda draw: text.replace("{n}", str(draw.row))


_MAKERS: Final[dict[str, Callable[[Draw], str]]] = {
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "citext"), _text),
    **dict.fromkeys(("int4", "int8", "oid", "xid8"), _whole),
    "int2": _short,
    "numeric": _decimal,
    **dict.fromkeys(("float4", "float8", "money"), lambda draw: str(draw.row % _SMALL_ROOM)),
    "bool": lambda draw: "true" if draw.nth % 2 else "false",
    "date": _day,
    **dict.fromkeys(("timestamp", "timestamptz"), _moment),
    **dict.fromkeys(("time", "timetz"), _clock),
    "interval": _said("{n} days"),
    "uuid": lambda draw: f"00000000-0000-4000-8000-{draw.row:012x}",
    **dict.fromkeys(("json", "jsonb"), _said('{"lastgood": {n}}')),
    "jsonpath": _said("$"),
    "xml": _said("<lastgood>{n}</lastgood>"),
    "bytea": lambda draw: f"\\x{draw.row:08x}",
    "bit": _bits,
    "varbit": _bits,
    "inet": _address,
    "cidr": lambda draw: f"{_address(draw)}/32",
    "macaddr": lambda draw: f"02:00:00:00:{draw.row // 256 % 256:02x}:{draw.row % 256:02x}",
    "macaddr8": lambda draw: f"02:00:00:00:00:00:{draw.row // 256 % 256:02x}:{draw.row % 256:02x}",
    "point": _said("({n},{n})"),
    "line": _said("{1,-1,{n}}"),
    **dict.fromkeys(("lseg", "box", "path", "polygon"), _said("(0,0),({n},{n})")),
    "circle": _said("<(0,0),{n}>"),
    "tsvector": _said("lastgood:{n}"),
    "tsquery": _said("lastgood"),
    "pg_lsn": _said("0/{n}"),
    "hstore": _said("lastgood=>{n}"),
    "ltree": _said("lastgood.row{n}"),
    **dict.fromkeys(("int4range", "int8range", "numrange"), _span(_whole)),
    "daterange": _span(_day),
    **dict.fromkeys(("tsrange", "tstzrange"), lambda draw: f'["{_moment(draw)}","{_moment(draw)}"]'),
}
