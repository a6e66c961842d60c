"""Statements that read and write rows, wherever in a tree they are: a DELETE may hide in a WITH."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from lastgood.model.schema import Mode, What
from lastgood.sql._builtin import known
from lastgood.sql._tree import Found, kind, relation, strings, walk, word
from lastgood.sql.names import spelled

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from postgast import pg_query_pb2 as pg

_ON: Final = ("", "on", "true", "yes", "1", "t", "y")
_MADE: Final = frozenset({"IntoClause"})


def query(node: "Message", found: Found) -> None:
    """What running a query does."""
    reads(node, found)
    for one in walk(node):
        if handler := _PARTS.get(kind(one)):
            handler(one, found)


def reads(node: "Message", found: Found) -> None:
    """The tables that a query reads are locked even where it is not run, as a view's is not."""
    nodes = tuple(walk(node, but=_MADE))
    named = {one.ctename for one in nodes if kind(one) == "CommonTableExpr"}
    for one in nodes:
        if kind(one) == "RangeVar" and (one.schemaname or one.relname not in named):
            found.lock(relation(one), Mode.ACCESS_SHARE, "reads")


def _select(node: "pg.SelectStmt", found: Found) -> None:
    if node.HasField("into_clause"):
        found.make("table", relation(node.into_clause.rel))
    if not node.locking_clause:
        return
    for source in node.from_clause:
        for one in walk(source):
            if kind(one) == "RangeVar":
                found.lock(relation(one), Mode.ROW_SHARE, "SELECT FOR UPDATE")


def _delete(node: "pg.DeleteStmt", found: Found) -> None:
    name = relation(node.relation)
    found.lock(name, Mode.ROW_EXCLUSIVE, "DELETE")
    found.lose(What.ROWS, name, "DELETE" if node.HasField("where_clause") else "DELETE of all rows")


def _update(node: "pg.UpdateStmt", found: Found) -> None:
    found.lock(relation(node.relation), Mode.ROW_EXCLUSIVE, "UPDATE")
    _overwrite(node, found, "UPDATE" if node.HasField("where_clause") else "UPDATE of all rows")


def _insert(node: "pg.InsertStmt", found: Found) -> None:
    found.lock(relation(node.relation), Mode.ROW_EXCLUSIVE, "INSERT")
    for target in node.on_conflict_clause.target_list:
        found.lose(What.VALUES, _column(node.relation, target), "ON CONFLICT DO UPDATE")


def _merge(node: "pg.MergeStmt", found: Found) -> None:
    found.lock(relation(node.relation), Mode.ROW_EXCLUSIVE, "MERGE")
    for wrapped in node.merge_when_clauses:
        clause = wrapped.merge_when_clause
        command = word(clause, "command_type")
        if command == "CMD_DELETE":
            found.lose(What.ROWS, relation(node.relation), "MERGE … DELETE")
        if command == "CMD_UPDATE":
            for target in clause.target_list:
                found.lose(What.VALUES, _column(node.relation, target), "MERGE … UPDATE")


def _overwrite(node: "pg.UpdateStmt", found: Found, because: str) -> None:
    for target in node.target_list:
        found.lose(What.VALUES, _column(node.relation, target), because)


def _column(table: "pg.RangeVar", target: "pg.Node") -> str:
    return spelled(table.schemaname, table.relname, target.res_target.name)


def _call(node: "pg.FuncCall", found: Found) -> None:
    name = strings(node.funcname)
    if not known(name):
        found.doubt(f"{spelled(*name)}() may do anything")
    elif name[-1] == "set_config":
        given = [constant(one) for one in node.args]
        setting(given[0], given[1] if len(given) > 1 else "?", found)


def constant(node: "pg.Node") -> str:
    """The value that stands there as text; `?` where it is computed."""
    one = node.a_const
    if one.HasField("boolval"):
        return "on" if one.boolval.boolval else "off"
    if one.HasField("ival"):
        return str(one.ival.ival)
    return str(one.sval.sval) if one.HasField("sval") else "?"


def setting(name: str, value: str, found: Found) -> None:
    """A setting is changed: the one that the reading itself depends on, or the one that keeps foreign keys true?

    `?` is a name or a value that is not known; a value that is empty is the server's own.
    """
    if name == "?":
        found.doubt("it changes a setting whose name it computes")
    if name.lower() == "standard_conforming_strings" and value.lower() not in _ON:
        found.doubt("it changes how the server reads strings")
    if name.lower() == "session_replication_role" and value.lower() not in ("", "origin", "local"):
        found.doubt("it switches triggers and foreign keys off")


# Any: each handler takes the message of the type that is its key.
_PARTS: Final[dict[str, Callable[[Any, Found], None]]] = {
    "SelectStmt": _select,
    "DeleteStmt": _delete,
    "UpdateStmt": _update,
    "InsertStmt": _insert,
    "MergeStmt": _merge,
    "FuncCall": _call,
}
