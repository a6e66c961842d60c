"""Statements about the session, the transaction, the server; and those that run what they do not show."""

from typing import TYPE_CHECKING, Final

from lastgood.model.schema import Mode
from lastgood.sql._query import constant, query, setting
from lastgood.sql._tree import Found, inner, relation, strings, switched, word
from lastgood.sql.names import spelled

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from postgast import pg_query_pb2 as pg

_CONTROL: Final = {
    "TRANS_STMT_START": "START TRANSACTION",
    "TRANS_STMT_RELEASE": "RELEASE SAVEPOINT",
    "TRANS_STMT_ROLLBACK_TO": "ROLLBACK TO SAVEPOINT",
    "TRANS_STMT_PREPARE": "PREPARE TRANSACTION",
    "TRANS_STMT_COMMIT_PREPARED": "COMMIT PREPARED",
    "TRANS_STMT_ROLLBACK_PREPARED": "ROLLBACK PREPARED",
}


def transaction(node: "pg.TransactionStmt", found: Found) -> None:
    """`BEGIN`, `COMMIT`, `SAVEPOINT` and the like; what they say more is kept, so that nobody takes it for plain."""
    what = word(node, "kind")
    said = _CONTROL.get(what, what.removeprefix("TRANS_STMT_").replace("_", " "))
    modes = "".join(f" {one.def_elem.defname}" for one in node.options if one.HasField("def_elem"))
    found.control = f"{said}{modes}" + (" AND CHAIN" if node.chain else "")
    if said.endswith(" PREPARED"):
        found.outside = f"{said} cannot run in a transaction"


def do(_: "pg.DoStmt", found: Found) -> None:
    """`DO`."""
    found.doubt("DO runs code")


def call(node: "pg.CallStmt", found: Found) -> None:
    """`CALL`."""
    found.doubt(f"CALL runs the procedure {spelled(*strings(node.funccall.funcname))}")


def execute(_: "Message", found: Found) -> None:
    """`EXECUTE`."""
    found.doubt("EXECUTE runs a statement that was prepared elsewhere")


def load(_: "Message", found: Found) -> None:
    """`LOAD`."""
    found.doubt("LOAD runs a library")


def upgrade(node: "pg.AlterExtensionStmt", found: Found) -> None:
    """`ALTER EXTENSION … UPDATE`."""
    found.doubt(f"ALTER EXTENSION UPDATE runs scripts of {spelled(node.extname)}")


def all_in_tablespace(_: "Message", found: Found) -> None:
    """`ALTER TABLE ALL IN TABLESPACE`."""
    found.doubt("it moves tables that it does not name")


def explain(node: "pg.ExplainStmt", found: Found) -> None:
    """`EXPLAIN`, which runs the query with ANALYZE."""
    source = inner(node.query)
    if source is not None and switched(node.options, "analyze"):
        query(source, found)


def cursor(node: "pg.DeclareCursorStmt", found: Found) -> None:
    """`DECLARE CURSOR`."""
    if (source := inner(node.query)) is not None:
        query(source, found)


def copy(node: "pg.CopyStmt", found: Found) -> None:
    """`COPY`."""
    if node.relation.relname:
        mode = Mode.ROW_EXCLUSIVE if node.is_from else Mode.ACCESS_SHARE
        found.lock(relation(node.relation), mode, "COPY")
    if node.is_program:
        found.doubt("COPY … PROGRAM runs a program on the server")
    elif node.filename and not node.is_from:
        found.doubt("COPY … TO writes a file on the server")
    if (source := inner(node.query)) is not None:
        query(source, found)


def variable(node: "pg.VariableSetStmt", found: Found) -> None:
    """`SET` and `RESET`."""
    given = [constant(one) for one in node.args]
    setting(node.name, given[0] if given else "", found)


def discard(node: "pg.DiscardStmt", found: Found) -> None:
    """`DISCARD`."""
    if word(node, "target") == "DISCARD_ALL":
        found.outside = "DISCARD ALL cannot run in a transaction"


def lock(node: "pg.LockStmt", found: Found) -> None:
    """`LOCK TABLE`."""
    for wrapped in node.relations:
        found.lock(relation(wrapped.range_var), Mode(node.mode), "LOCK TABLE")


def refresh(node: "pg.RefreshMatViewStmt", found: Found) -> None:
    """`REFRESH MATERIALIZED VIEW`."""
    mode = Mode.EXCLUSIVE if node.concurrent else Mode.ACCESS_EXCLUSIVE
    found.lock(relation(node.relation), mode, "REFRESH MATERIALIZED VIEW")
    if not node.concurrent:
        found.rewrite(relation(node.relation))


def vacuum(node: "pg.VacuumStmt", found: Found) -> None:
    """`VACUUM` and `ANALYZE`."""
    full = switched(node.options, "full")
    said = "VACUUM FULL" if full else "VACUUM" if node.is_vacuumcmd else "ANALYZE"
    if node.is_vacuumcmd:
        found.outside = "VACUUM cannot run in a transaction"
    for wrapped in node.rels:
        name = relation(wrapped.vacuum_relation.relation)
        found.lock(name, Mode.ACCESS_EXCLUSIVE if full else Mode.SHARE_UPDATE_EXCLUSIVE, said)
        if full:
            found.rewrite(name)


def cluster(node: "pg.ClusterStmt", found: Found) -> None:
    """`CLUSTER`; without a table it takes all that were clustered before, each in a transaction of its own."""
    if not node.relation.relname:
        found.outside = "CLUSTER of all tables cannot run in a transaction"
        return
    found.lock(relation(node.relation), Mode.ACCESS_EXCLUSIVE, "CLUSTER")
    found.rewrite(relation(node.relation))


def reindex(node: "pg.ReindexStmt", found: Found) -> None:
    """`REINDEX`."""
    concurrent = switched(node.params, "concurrently")
    what = word(node, "kind").removeprefix("REINDEX_OBJECT_")
    if concurrent:
        found.outside = "REINDEX CONCURRENTLY cannot run in a transaction"
    elif what not in ("TABLE", "INDEX"):
        found.outside = f"REINDEX {what} cannot run in a transaction"
    if node.relation.relname:
        whole = Mode.SHARE if what == "TABLE" else Mode.ACCESS_EXCLUSIVE
        found.lock(relation(node.relation), Mode.SHARE_UPDATE_EXCLUSIVE if concurrent else whole, "REINDEX")


def outside(said: str, found: Found) -> None:
    """One of the commands that work on the whole server."""
    found.outside = f"{said} cannot run in a transaction"


def create_database(_: "pg.CreatedbStmt", found: Found) -> None:
    """`CREATE DATABASE`."""
    outside("CREATE DATABASE", found)


def alter_database(node: "pg.AlterDatabaseStmt", found: Found) -> None:
    """`ALTER DATABASE`; only moving it is no matter of a transaction."""
    if any(one.def_elem.defname == "tablespace" for one in node.options):
        outside("ALTER DATABASE SET TABLESPACE", found)


def create_tablespace(_: "pg.CreateTableSpaceStmt", found: Found) -> None:
    """`CREATE TABLESPACE`."""
    outside("CREATE TABLESPACE", found)


def alter_system(_: "pg.AlterSystemStmt", found: Found) -> None:
    """`ALTER SYSTEM`."""
    outside("ALTER SYSTEM", found)


def create_subscription(node: "pg.CreateSubscriptionStmt", found: Found) -> None:
    """`CREATE SUBSCRIPTION`, which reaches for another server unless it is told not to."""
    options = {one.def_elem.defname for one in node.options}
    for name in ("connect", "create_slot"):
        if name in options and not switched(node.options, name):
            return
    outside("CREATE SUBSCRIPTION", found)


def alter_subscription(node: "pg.AlterSubscriptionStmt", found: Found) -> None:
    """`ALTER SUBSCRIPTION`, which starts to copy tables where it refreshes."""
    if word(node, "kind") not in ("ALTER_SUBSCRIPTION_ENABLED", "ALTER_SUBSCRIPTION_OPTIONS"):
        outside("ALTER SUBSCRIPTION", found)


def drop_subscription(node: "pg.DropSubscriptionStmt", found: Found) -> None:
    """`DROP SUBSCRIPTION`, which drops the slot on the other server."""
    found.masked = node.missing_ok
    outside("DROP SUBSCRIPTION", found)
