"""Columns and constraints: when a change of one writes the table anew, and what a new type may cost."""

from typing import TYPE_CHECKING, Final

from lastgood.model.schema import Mode, What
from lastgood.sql._builtin import steady
from lastgood.sql._tree import Found, calls, inner, kind, relation, strings, typed, word
from lastgood.sql.names import spelled

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from postgast import pg_query_pb2 as pg

_SERIAL: Final = ("serial", "bigserial", "smallserial", "serial2", "serial4", "serial8")
_CUTS: Final = ("varchar", "bpchar", "bit", "varbit", "char", "name")
_ROUNDS: Final = ("int2", "int4", "int8", "numeric", "float4", "date", "time", "timestamp", "timestamptz", "interval")
_SUFFIX: Final = {
    "CONSTR_PRIMARY": "pkey",
    "CONSTR_UNIQUE": "key",
    "CONSTR_CHECK": "check",
    "CONSTR_FOREIGN": "fkey",
    "CONSTR_EXCLUSION": "excl",
}
_SAID: Final = {
    "CONSTR_PRIMARY": "ADD PRIMARY KEY",
    "CONSTR_UNIQUE": "ADD UNIQUE",
    "CONSTR_CHECK": "ADD CHECK",
    "CONSTR_FOREIGN": "ADD FOREIGN KEY",
    "CONSTR_EXCLUSION": "ADD EXCLUDE",
    "CONSTR_NOTNULL": "SET NOT NULL",
}


def added(table: "pg.RangeVar", column: "pg.ColumnDef", found: Found) -> None:
    """A column is added to a table: the table is written anew where the rows need a value each."""
    name = typed(column.type_name)
    wrote = name[-1] in _SERIAL
    for wrapped in column.constraints:
        one = wrapped.constraint
        what = word(one, "contype")
        computed = what == "CONSTR_DEFAULT" and not all(steady(call) for call in calls(one.raw_expr))
        stored = what == "CONSTR_GENERATED" and one.generated_kind != "v"
        wrote = wrote or computed or stored or what == "CONSTR_IDENTITY"
        if what in _SUFFIX:
            constrained(table, one, found, column.colname)
    if wrote:
        found.rewrite(relation(table))


def constrained(table: "pg.RangeVar", one: "pg.Constraint", found: Found, column: str = "") -> None:
    """A constraint is added to a table that is there. `column` is whose it is, where it stands at one."""
    what = word(one, "contype")
    said = _SAID.get(what, "ADD CONSTRAINT")
    if one.indexname:
        said = f"{said} USING INDEX"
    elif one.skip_validation:
        said = f"{said} NOT VALID"
    if what == "CONSTR_FOREIGN":
        found.lock(relation(table), Mode.SHARE_ROW_EXCLUSIVE, said)
        refers(one, found, said)
    else:
        found.lock(relation(table), Mode.ACCESS_EXCLUSIVE, said)
    name = constraint_name(table.relname, one, column)
    if name:
        found.make("constraint", spelled(name), relation(table))


def refers(one: "pg.Constraint", found: Found, said: str) -> None:
    """A foreign key locks the table it points to as well: a trigger is put on it."""
    if one.pktable.relname:
        found.lock(relation(one.pktable), Mode.SHARE_ROW_EXCLUSIVE, said)


def constraint_name(table: str, one: "pg.Constraint", column: str = "") -> str:
    """The name that a constraint has or that PostgreSQL gives it, unless that is taken; empty where it has none."""
    if one.conname or one.indexname:
        return str(one.conname or one.indexname)
    suffix = _SUFFIX.get(word(one, "contype"), "")
    keys = (column,) if column else (*strings(one.keys), *strings(one.fk_attrs))
    if not suffix:
        return ""
    return "_".join((table, suffix) if suffix == "pkey" else (table, *keys, suffix))


def retyped(table: "pg.RangeVar", name: str, column: "pg.ColumnDef", found: Found) -> None:
    """A column's type changes. What it was is not told, so only what keeps every value of any type is harmless."""
    found.lock(relation(table), Mode.ACCESS_EXCLUSIVE, "ALTER COLUMN TYPE")
    given = column.raw_default if column.HasField("raw_default") else None
    cast = given is None or _only_casts(given, name)
    if cast and _keeps_all(column.type_name, given):
        return
    found.rewrite(relation(table))
    because = _because(column.type_name, given) if cast else "USING computes other values"
    found.lose(What.VALUES, spelled(table.schemaname, table.relname, name), because)


def _keeps_all(target: "pg.TypeName", given: "pg.Node | None") -> bool:
    """Text takes every value as it is; but not what was cast to something narrower before."""
    return _text(target) and (given is None or all(_text(one) for one in _casts(given)))


def _text(target: "pg.TypeName") -> bool:
    bounded = bool(target.typmods) or bool(target.array_bounds)
    return typed(target) in (("text",), ("varchar",)) and not bounded


def _because(target: "pg.TypeName", given: "pg.Node | None") -> str:
    for one in _casts(given) if given is not None else ():
        if typed(one)[-1] in _CUTS and one.typmods:
            return f"the cast to {_written(one)} cuts longer values off without a word"
    last = typed(target)[-1]
    if last in _CUTS:
        return f"values that do not fit {_written(target)} make it fail"
    if last in _ROUNDS:
        return f"values may be rounded or cut to {_written(target)}, or make it fail"
    return f"values may change or fail when cast to {_written(target)}"


def _written(one: "pg.TypeName") -> str:
    sizes = ",".join(str(size.a_const.ival.ival) for size in one.typmods)
    return spelled(*typed(one)) + (f"({sizes})" if sizes else "")


def _casts(node: "pg.Node") -> "tuple[pg.TypeName, ...]":
    found: list[pg.TypeName] = []
    while node.HasField("type_cast"):
        found.append(node.type_cast.type_name)
        node = node.type_cast.arg
    return tuple(found)


def _only_casts(node: "pg.Node", name: str) -> bool:
    """Whether an expression is the column itself, perhaps cast, and nothing else."""
    while node.HasField("type_cast"):
        node = node.type_cast.arg
    last: Message | None = inner(node)
    return last is not None and kind(last) == "ColumnRef" and strings(last.fields)[-1:] == (name,)
