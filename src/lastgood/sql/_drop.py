"""Statements that take whole things away."""

from typing import TYPE_CHECKING, Final

from lastgood.model.schema import Mode, What
from lastgood.sql._tree import Found, named, relation, word
from lastgood.sql.names import spelled

if TYPE_CHECKING:
    from postgast import pg_query_pb2 as pg

_LOST: Final = {
    "TABLE": What.TABLE,
    "MATVIEW": What.VIEW,
    "SEQUENCE": What.SEQUENCE,
    "SCHEMA": What.SCHEMA,
    "TYPE": What.TYPE,
    "DOMAIN": What.TYPE,
    "EXTENSION": What.EXTENSION,
}
_RELATIONS: Final = ("TABLE", "VIEW", "MATVIEW", "SEQUENCE", "FOREIGN_TABLE", "INDEX")
_OF_TABLE: Final = ("TRIGGER", "RULE", "POLICY")
# Nothing that holds data can depend on these.
_BARREN: Final = (*_OF_TABLE, "INDEX", "FOREIGN_TABLE", "FOREIGN_SERVER", "FDW", "EVENT_TRIGGER", "PUBLICATION")
_WORDS: Final = {
    "MATVIEW": "MATERIALIZED VIEW",
    "FDW": "FOREIGN DATA WRAPPER",
    "FOREIGN_SERVER": "SERVER",
    "OPCLASS": "OPERATOR CLASS",
    "OPFAMILY": "OPERATOR FAMILY",
    "STATISTIC_EXT": "STATISTICS",
    "TABCONSTRAINT": "CONSTRAINT",
    "DOMCONSTRAINT": "CONSTRAINT",
    "LARGEOBJECT": "LARGE OBJECT",
    "TSCONFIGURATION": "TEXT SEARCH CONFIGURATION",
    "TSDICTIONARY": "TEXT SEARCH DICTIONARY",
    "TSPARSER": "TEXT SEARCH PARSER",
    "TSTEMPLATE": "TEXT SEARCH TEMPLATE",
}


def thing(name: str) -> str:
    """What SQL calls a kind of thing that the grammar calls `OBJECT_MATVIEW`: `MATERIALIZED VIEW`."""
    short = name.removeprefix("OBJECT_")
    return _WORDS.get(short, short.replace("_", " "))


def drop(node: "pg.DropStmt", found: Found) -> None:
    """`DROP` of anything that has a name in a catalog."""
    what = word(node, "remove_type").removeprefix("OBJECT_")
    found.masked = node.missing_ok
    cascade = word(node, "behavior") == "DROP_CASCADE"
    because = f"DROP {thing(what)}" + (" CASCADE" if cascade else "")
    if node.concurrent:
        found.outside = "DROP INDEX CONCURRENTLY cannot run in a transaction"
    for wrapped in node.objects:
        names = named(wrapped)
        _drop_one(what, names, because, node, found)
        if what in _LOST:
            found.lose(_LOST[what], spelled(*names), because)
        elif cascade and what not in _BARREN:
            found.lose(What.VALUES, spelled(*names), f"{because} takes along what depends on it")


def _drop_one(what: str, names: tuple[str, ...], because: str, node: "pg.DropStmt", found: Found) -> None:
    if what in _RELATIONS:
        mode = Mode.SHARE_UPDATE_EXCLUSIVE if node.concurrent else Mode.ACCESS_EXCLUSIVE
        found.lock(spelled(*names), mode, because)
    elif what in _OF_TABLE:
        found.lock(spelled(*names[:-1]), Mode.ACCESS_EXCLUSIVE, because)


def truncate(node: "pg.TruncateStmt", found: Found) -> None:
    """`TRUNCATE`; with CASCADE it empties tables that it does not name."""
    cascade = word(node, "behavior") == "DROP_CASCADE"
    for wrapped in node.relations:
        name = relation(wrapped.range_var)
        found.lock(name, Mode.ACCESS_EXCLUSIVE, "TRUNCATE")
        found.lose(What.ROWS, name, "TRUNCATE CASCADE empties also what refers to it" if cascade else "TRUNCATE")


def owned(node: "pg.DropOwnedStmt", found: Found) -> None:
    """`DROP OWNED BY`."""
    for wrapped in node.roles:
        role = wrapped.role_spec
        name = spelled(role.rolename) or word(role, "roletype").removeprefix("ROLESPEC_").lower()
        found.lose(What.OWNED, name, "DROP OWNED")


def database(node: "pg.DropdbStmt", found: Found) -> None:
    """`DROP DATABASE`."""
    found.masked = node.missing_ok
    found.outside = "DROP DATABASE cannot run in a transaction"
    found.lose(What.DATABASE, spelled(node.dbname), "DROP DATABASE")


def harmless(node: "pg.DropRoleStmt", found: Found) -> None:
    """A `DROP` that takes no data away."""
    found.masked = node.missing_ok


def tablespace(node: "pg.DropTableSpaceStmt", found: Found) -> None:
    """`DROP TABLESPACE`, which only works on an empty one."""
    found.masked = node.missing_ok
    found.outside = "DROP TABLESPACE cannot run in a transaction"
