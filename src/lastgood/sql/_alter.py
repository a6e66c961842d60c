"""`ALTER TABLE` and its kin, one clause at a time."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from lastgood.model.schema import Mode, What
from lastgood.sql._columns import added, constrained, retyped
from lastgood.sql._tree import Found, relation, word
from lastgood.sql.names import spelled

if TYPE_CHECKING:
    from postgast import pg_query_pb2 as pg

# What needs less than ACCESS EXCLUSIVE (AlterTableGetLockLevel in PostgreSQL's tablecmds.c).
_GENTLE: Final = {
    **dict.fromkeys(
        (
            "AT_SetStatistics",
            "AT_ClusterOn",
            "AT_DropCluster",
            "AT_SetOptions",
            "AT_ResetOptions",
            "AT_ValidateConstraint",
            "AT_AttachPartition",
            "AT_DetachPartitionFinalize",
        ),
        Mode.SHARE_UPDATE_EXCLUSIVE,
    ),
    **dict.fromkeys(
        (
            "AT_EnableTrig",
            "AT_EnableAlwaysTrig",
            "AT_EnableReplicaTrig",
            "AT_EnableTrigAll",
            "AT_EnableTrigUser",
            "AT_DisableTrig",
            "AT_DisableTrigAll",
            "AT_DisableTrigUser",
        ),
        Mode.SHARE_ROW_EXCLUSIVE,
    ),
}
_CLAUSES: Final = {
    "AT_SetNotNull": "SET NOT NULL",
    "AT_DropNotNull": "DROP NOT NULL",
    "AT_ColumnDefault": "SET DEFAULT",
    "AT_AddColumn": "ADD COLUMN",
    "AT_DropColumn": "DROP COLUMN",
    "AT_AlterColumnType": "ALTER COLUMN TYPE",
    "AT_DropConstraint": "DROP CONSTRAINT",
    "AT_ValidateConstraint": "VALIDATE CONSTRAINT",
    "AT_ChangeOwner": "OWNER TO",
    "AT_SetTableSpace": "SET TABLESPACE",
    "AT_SetAccessMethod": "SET ACCESS METHOD",
    "AT_SetLogged": "SET LOGGED",
    "AT_SetUnLogged": "SET UNLOGGED",
    "AT_SetExpression": "SET EXPRESSION",
    "AT_AttachPartition": "ATTACH PARTITION",
    "AT_DetachPartition": "DETACH PARTITION",
    "AT_DetachPartitionFinalize": "DETACH PARTITION FINALIZE",
    "AT_EnableRowSecurity": "ENABLE ROW LEVEL SECURITY",
    "AT_DisableRowSecurity": "DISABLE ROW LEVEL SECURITY",
    "AT_SetRelOptions": "SET (…)",
    "AT_ResetRelOptions": "RESET (…)",
}
_REWRITES: Final = ("AT_SetLogged", "AT_SetUnLogged", "AT_SetTableSpace", "AT_SetAccessMethod", "AT_SetExpression")
_OPTIONS: Final = ("AT_SetRelOptions", "AT_ResetRelOptions")
_LIGHT_OPTIONS: Final = (
    "fillfactor",
    "parallel_workers",
    "autovacuum",
    "toast_tuple_target",
    "log_autovacuum",
    "vacuum",
)


def alter(node: "pg.AlterTableStmt", found: Found) -> None:
    """`ALTER TABLE`, and of views, indexes, sequences, composite types what is told in the same way."""
    commands = [wrapped.alter_table_cmd for wrapped in node.cmds]
    found.masked = node.missing_ok or (bool(commands) and all(one.missing_ok for one in commands))
    for command in commands:
        subtype = word(command, "subtype")
        _lock(subtype, command, relation(node.relation), found)
        if subtype in _REWRITES:
            found.rewrite(relation(node.relation))
        if handler := _HANDLERS.get(subtype):
            handler(node.relation, command, found)
    if word(node, "objtype") == "OBJECT_TYPE":
        found.held.clear()  # a composite type is nobody's table


def clause(subtype: str) -> str:
    """How people call a clause of ALTER TABLE: `AT_SetNotNull` → `SET NOT NULL`."""
    plain = subtype.removeprefix("AT_")
    spaced = "".join(f" {char}" if char.isupper() and at else char for at, char in enumerate(plain))
    return _CLAUSES.get(subtype, spaced.upper())


def _lock(subtype: str, command: "pg.AlterTableCmd", table: str, found: Found) -> None:
    if subtype in ("AT_AddConstraint", "AT_DetachPartition", "AT_AddColumn", "AT_AlterColumnType"):
        return  # its handler knows better which
    mode = _GENTLE.get(subtype, Mode.ACCESS_EXCLUSIVE)
    if subtype in _OPTIONS and _light(command):
        mode = Mode.SHARE_UPDATE_EXCLUSIVE
    found.lock(table, mode, clause(subtype))


def _light(command: "pg.AlterTableCmd") -> bool:
    options = getattr(command, "def").list.items
    return all(one.def_elem.defname.startswith(_LIGHT_OPTIONS) for one in options)


def _add_column(table: "pg.RangeVar", command: "pg.AlterTableCmd", found: Found) -> None:
    column = getattr(command, "def").column_def
    found.lock(relation(table), Mode.ACCESS_EXCLUSIVE, "ADD COLUMN")
    found.make("column", spelled(table.schemaname, table.relname, column.colname), relation(table))
    added(table, column, found)


def _drop_column(table: "pg.RangeVar", command: "pg.AlterTableCmd", found: Found) -> None:
    cascade = " CASCADE" if word(command, "behavior") == "DROP_CASCADE" else ""
    found.lose(What.COLUMN, spelled(table.schemaname, table.relname, command.name), f"DROP COLUMN{cascade}")


def _type(table: "pg.RangeVar", command: "pg.AlterTableCmd", found: Found) -> None:
    retyped(table, command.name, getattr(command, "def").column_def, found)


def _add_constraint(table: "pg.RangeVar", command: "pg.AlterTableCmd", found: Found) -> None:
    constrained(table, getattr(command, "def").constraint, found)


def _attach(table: "pg.RangeVar", command: "pg.AlterTableCmd", found: Found) -> None:
    _ = table
    part = getattr(command, "def").partition_cmd
    found.lock(relation(part.name), Mode.ACCESS_EXCLUSIVE, "ATTACH PARTITION")


def _detach(table: "pg.RangeVar", command: "pg.AlterTableCmd", found: Found) -> None:
    part = getattr(command, "def").partition_cmd
    said = "DETACH PARTITION CONCURRENTLY" if part.concurrent else "DETACH PARTITION"
    if part.concurrent:
        found.outside = f"{said} cannot run in a transaction"
    found.lock(relation(table), Mode.SHARE_UPDATE_EXCLUSIVE if part.concurrent else Mode.ACCESS_EXCLUSIVE, said)
    found.lock(relation(part.name), Mode.ACCESS_EXCLUSIVE, said)
    found.lose(What.ROWS, relation(table), f"{said}: the rows of {relation(part.name)} are no longer in it")


# Any: each handler takes its clause's own part of the tree.
_HANDLERS: Final[dict[str, Callable[[Any, Any, Found], None]]] = {
    "AT_AddColumn": _add_column,
    "AT_DropColumn": _drop_column,
    "AT_AlterColumnType": _type,
    "AT_AddConstraint": _add_constraint,
    "AT_AttachPartition": _attach,
    "AT_DetachPartition": _detach,
}
