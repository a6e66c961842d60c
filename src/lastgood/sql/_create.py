"""Statements that make things. What is new is nobody's yet; locks are those on what was there before."""

from typing import TYPE_CHECKING

from lastgood.model.schema import Mode
from lastgood.sql._columns import constraint_name, refers
from lastgood.sql._query import query, reads
from lastgood.sql._tree import Found, inner, kind, named, relation, strings, word
from lastgood.sql.names import spelled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from postgast import pg_query_pb2 as pg


def _table(node: "pg.RangeVar") -> str:
    return "temporary table" if node.relpersistence == "t" else "table"


def table(node: "pg.CreateStmt", found: Found) -> None:
    """`CREATE TABLE`, with partitions, parents and what its foreign keys point to."""
    found.masked = node.if_not_exists
    found.make(_table(node.relation), relation(node.relation))
    for wrapped in node.inh_relations:
        said = "PARTITION OF" if node.HasField("partbound") else "INHERITS"
        mode = Mode.ACCESS_EXCLUSIVE if node.HasField("partbound") else Mode.SHARE_UPDATE_EXCLUSIVE
        found.lock(relation(wrapped.range_var), mode, said)
    for wrapped in node.table_elts:
        for one in (wrapped.constraint, *(inside.constraint for inside in wrapped.column_def.constraints)):
            refers(one, found, "REFERENCES")
        if wrapped.table_like_clause.relation.relname:
            found.lock(relation(wrapped.table_like_clause.relation), Mode.ACCESS_SHARE, "LIKE")
    found.held.pop(relation(node.relation), None)  # a foreign key to itself locks nobody out


def foreign_table(node: "pg.CreateForeignTableStmt", found: Found) -> None:
    """`CREATE FOREIGN TABLE`."""
    table(node.base_stmt, found)


def index(node: "pg.IndexStmt", found: Found) -> None:
    """`CREATE INDEX`."""
    found.masked = node.if_not_exists
    said = "CREATE INDEX CONCURRENTLY" if node.concurrent else "CREATE INDEX"
    if node.concurrent:
        found.outside = f"{said} cannot run in a transaction"
    mode = Mode.SHARE_UPDATE_EXCLUSIVE if node.concurrent else Mode.SHARE
    found.lock(relation(node.relation), mode, said)
    keys = [one.index_elem.name or "expr" for one in node.index_params]
    name = node.idxname or "_".join((node.relation.relname, *keys, "idx"))
    found.make("index", spelled(node.relation.schemaname, name), relation(node.relation))


def filled(node: "pg.CreateTableAsStmt", found: Found) -> None:
    """`CREATE TABLE AS` and `CREATE MATERIALIZED VIEW`."""
    found.masked = node.if_not_exists
    matview = word(node, "objtype") == "OBJECT_MATVIEW"
    found.make("materialized view" if matview else _table(node.into.rel), relation(node.into.rel))
    source = inner(node.query)
    if source is None or kind(source) == "ExecuteStmt":
        found.doubt("EXECUTE runs a statement that was prepared elsewhere")
    else:
        query(source, found)


def view(node: "pg.ViewStmt", found: Found) -> None:
    """`CREATE VIEW`; its query is not run."""
    if node.replace:
        found.lock(relation(node.view), Mode.ACCESS_EXCLUSIVE, "CREATE OR REPLACE VIEW")
    found.make("view", relation(node.view))
    if (source := inner(node.query)) is not None:
        reads(source, found)


def sequence(node: "pg.CreateSeqStmt", found: Found) -> None:
    """`CREATE SEQUENCE`."""
    found.masked = node.if_not_exists
    found.make("sequence", relation(node.sequence))


def extension(node: "pg.CreateExtensionStmt", found: Found) -> None:
    """`CREATE EXTENSION`."""
    found.masked = node.if_not_exists
    found.make("extension", spelled(node.extname))


def trigger(node: "pg.CreateTrigStmt", found: Found) -> None:
    """`CREATE TRIGGER`."""
    found.lock(relation(node.relation), Mode.SHARE_ROW_EXCLUSIVE, "CREATE TRIGGER")
    found.make("trigger", spelled(node.trigname), relation(node.relation))


def policy(node: "pg.CreatePolicyStmt", found: Found) -> None:
    """`CREATE POLICY`."""
    found.lock(relation(node.table), Mode.ACCESS_EXCLUSIVE, "CREATE POLICY")
    found.make("policy", spelled(node.policy_name), relation(node.table))


def policy_changed(node: "pg.AlterPolicyStmt", found: Found) -> None:
    """`ALTER POLICY`."""
    found.lock(relation(node.table), Mode.ACCESS_EXCLUSIVE, "ALTER POLICY")


def rule(node: "pg.RuleStmt", found: Found) -> None:
    """`CREATE RULE`; its actions are not run."""
    found.lock(relation(node.relation), Mode.ACCESS_EXCLUSIVE, "CREATE RULE")
    found.make("rule", spelled(node.rulename), relation(node.relation))


def statistics(node: "pg.CreateStatsStmt", found: Found) -> None:
    """`CREATE STATISTICS`."""
    found.masked = node.if_not_exists
    for wrapped in node.relations:
        found.lock(relation(wrapped.range_var), Mode.SHARE_UPDATE_EXCLUSIVE, "CREATE STATISTICS")
    if node.defnames:
        found.make("statistics", spelled(*strings(node.defnames)))


def function(node: "pg.CreateFunctionStmt", found: Found) -> None:
    """`CREATE FUNCTION`; its body is not run."""
    found.make("procedure" if node.is_procedure else "function", spelled(*strings(node.funcname)))


def enumeration(node: "pg.CreateEnumStmt", found: Found) -> None:
    """`CREATE TYPE … AS ENUM`."""
    found.make("type", spelled(*strings(node.type_name)))


def ranged(node: "pg.CreateRangeStmt", found: Found) -> None:
    """`CREATE TYPE … AS RANGE`."""
    found.make("type", spelled(*strings(node.type_name)))


def composite(node: "pg.CompositeTypeStmt", found: Found) -> None:
    """`CREATE TYPE … AS (…)`."""
    found.make("type", relation(node.typevar))


def domain(node: "pg.CreateDomainStmt", found: Found) -> None:
    """`CREATE DOMAIN`."""
    found.make("domain", spelled(*strings(node.domainname)))


def defined(node: "pg.DefineStmt", found: Found) -> None:
    """`CREATE AGGREGATE`, `COLLATION`, `TYPE` of its own and the like."""
    found.masked = node.if_not_exists
    found.make(word(node, "kind").removeprefix("OBJECT_").replace("_", " ").lower(), spelled(*strings(node.defnames)))


def enum_value(node: "pg.AlterEnumStmt", found: Found) -> None:
    """`ALTER TYPE … ADD VALUE` or `RENAME VALUE`."""
    found.masked = node.skip_if_new_val_exists
    if not node.old_val:
        literal = "'" + node.new_val.replace("'", "''") + "'"
        found.make("enum value", literal, spelled(*strings(node.type_name)))


def domain_changed(node: "pg.AlterDomainStmt", found: Found) -> None:
    """`ALTER DOMAIN`. A constraint is checked in every table that uses it, and the statement names none of them."""
    found.masked = node.missing_ok
    name = constraint_name("", getattr(node, "def").constraint)
    if node.subtype == "C" and getattr(node, "def").constraint.conname:
        found.make("constraint", spelled(name), spelled(*strings(node.type_name)))


def role(node: "pg.CreateRoleStmt", found: Found) -> None:
    """`CREATE ROLE`."""
    found.make("role", spelled(node.role))


def publication(node: "pg.CreatePublicationStmt", found: Found) -> None:
    """`CREATE PUBLICATION`."""
    found.make("publication", spelled(node.pubname))
    published(node.pubobjects, found)


def published(objects: "Iterable[pg.Node]", found: Found) -> None:
    """Tables that a publication gets or loses."""
    for wrapped in objects:
        one = wrapped.publication_obj_spec.pubtable.relation
        if one.relname:
            found.lock(relation(one), Mode.SHARE_UPDATE_EXCLUSIVE, "PUBLICATION")


def renamed(node: "pg.RenameStmt", found: Found) -> None:
    """`RENAME`: of a relation, of a part of one, or of something that is no relation."""
    found.masked = node.missing_ok
    what = word(node, "rename_type")
    of = node.relation
    if not of.relname:
        names = (*named(node.object), *((node.subname,) if node.subname else ()))
        found.make("name", spelled(*names[:-1], node.newname), spelled(*names))
        return
    if word(node, "relation_type") != "OBJECT_TYPE":
        gentle = what == "OBJECT_INDEX"
        found.lock(relation(of), Mode.SHARE_UPDATE_EXCLUSIVE if gentle else Mode.ACCESS_EXCLUSIVE, "RENAME")
    if node.subname:
        found.make("name", spelled(of.schemaname, of.relname, node.newname), relation(of) + "." + spelled(node.subname))
    else:
        found.make("name", spelled(of.schemaname, node.newname), relation(of))


def moved(node: "pg.AlterObjectSchemaStmt", found: Found) -> None:
    """`SET SCHEMA`."""
    found.masked = node.missing_ok
    names = named(node.object) if not node.relation.relname else (node.relation.relname,)
    if node.relation.relname:
        found.lock(relation(node.relation), Mode.ACCESS_EXCLUSIVE, "SET SCHEMA")
    if names:
        found.make("name", spelled(node.newschema, names[-1]), relation(node.relation) or spelled(*names))


def sequence_changed(node: "pg.AlterSeqStmt", found: Found) -> None:
    """`ALTER SEQUENCE`."""
    found.masked = node.missing_ok
    found.lock(relation(node.sequence), Mode.SHARE_ROW_EXCLUSIVE, "ALTER SEQUENCE")


def commented(node: "pg.CommentStmt", found: Found) -> None:
    """`COMMENT ON`."""
    names = named(node.object)
    what = word(node, "objtype")
    if what in ("OBJECT_COLUMN", "OBJECT_TABCONSTRAINT", "OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE"):
        names = names[:-1]
    elif what not in ("OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_INDEX", "OBJECT_SEQUENCE"):
        return
    if names:
        found.lock(spelled(*names), Mode.SHARE_UPDATE_EXCLUSIVE, "COMMENT")


def event_trigger(node: "pg.CreateEventTrigStmt", found: Found) -> None:
    """`CREATE EVENT TRIGGER`: from now on every DDL statement runs its function."""
    found.make("event trigger", spelled(node.trigname))


def server(node: "pg.CreateForeignServerStmt", found: Found) -> None:
    """`CREATE SERVER`."""
    found.masked = node.if_not_exists
    found.make("server", spelled(node.servername))
