"""Every kind of statement: what people call it, and who reads it. One that is not here is not understood."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from lastgood.sql import _alter, _create, _drop, _query, _run
from lastgood.sql._drop import thing
from lastgood.sql._tree import Found, inner, kind, switched, word

if TYPE_CHECKING:
    from google.protobuf.message import Message


def understand(node: "Message") -> tuple[str, Found]:
    """The statement's verb, and what was found in it."""
    found = Found()
    name = kind(node)
    known = _KNOWN.get(name)
    if known is None:
        found.doubt(f"lastgood does not know what {name} does")
        return name, found
    verb, handler = known
    if handler is not None:
        handler(node, found)
    return _verb(node, found) or verb, found


def _schema(node: Any, found: Found) -> None:  # noqa: ANN401 - the grammar's CreateSchemaStmt, as for every handler
    """`CREATE SCHEMA`, which may hold further statements."""
    found.masked = node.if_not_exists
    found.make("schema", node.schemaname or node.authrole.rolename)
    for wrapped in node.schema_elts:
        one = inner(wrapped)
        known = _KNOWN.get(kind(one)) if one is not None else None
        if known is not None and known[1] is not None:
            known[1](one, found)


def _verb(node: Any, found: Found) -> str:  # noqa: ANN401 - whichever statement it is
    """The verb where it depends on more than the kind of statement; empty where it does not."""
    special = _SPECIAL.get(kind(node))
    if special is not None:
        return special(node)
    return found.control


def _of(verb: str, field: str) -> Callable[[Any], str]:
    return lambda node: f"{verb} {thing(word(node, field))}"


def _renamed(node: Any) -> str:  # noqa: ANN401
    part = bool(node.relation.relname and node.subname)
    return f"ALTER {thing(word(node, 'relation_type' if part else 'rename_type'))}"


def _dropped(node: Any) -> str:  # noqa: ANN401
    return f"DROP {thing(word(node, 'remove_type'))}" + (" CONCURRENTLY" if node.concurrent else "")


_SPECIAL: Final[dict[str, Callable[[Any], str]]] = {
    "AlterEnumStmt": lambda node: "" if node.old_val else "ALTER TYPE ADD VALUE",
    "AlterFunctionStmt": _of("ALTER", "objtype"),
    "AlterObjectDependsStmt": _of("ALTER", "object_type"),
    "AlterObjectSchemaStmt": _of("ALTER", "object_type"),
    "AlterOwnerStmt": _of("ALTER", "object_type"),
    "AlterTableStmt": _of("ALTER", "objtype"),
    "CreateFunctionStmt": lambda node: "CREATE PROCEDURE" if node.is_procedure else "",
    "CreateTableAsStmt": _of("CREATE", "objtype"),
    "DefineStmt": _of("CREATE", "kind"),
    "DropStmt": _dropped,
    "IndexStmt": lambda node: "CREATE INDEX CONCURRENTLY" if node.concurrent else "",
    "ReindexStmt": lambda node: "REINDEX CONCURRENTLY" if switched(node.params, "concurrently") else "",
    "RenameStmt": _renamed,
    "VacuumStmt": lambda node: "" if node.is_vacuumcmd else "ANALYZE",
}

# Any: each handler takes the message of the type that is its key.
_KNOWN: Final[dict[str, tuple[str, Callable[[Any, Found], None] | None]]] = {
    "AlterCollationStmt": ("ALTER COLLATION", None),
    "AlterDatabaseRefreshCollStmt": ("ALTER DATABASE", None),
    "AlterDatabaseSetStmt": ("ALTER DATABASE", None),
    "AlterDatabaseStmt": ("ALTER DATABASE", _run.alter_database),
    "AlterDefaultPrivilegesStmt": ("ALTER DEFAULT PRIVILEGES", None),
    "AlterDomainStmt": ("ALTER DOMAIN", _create.domain_changed),
    "AlterEnumStmt": ("ALTER TYPE", _create.enum_value),
    "AlterEventTrigStmt": ("ALTER EVENT TRIGGER", None),
    "AlterExtensionContentsStmt": ("ALTER EXTENSION", None),
    "AlterExtensionStmt": ("ALTER EXTENSION", _run.upgrade),
    "AlterFdwStmt": ("ALTER FOREIGN DATA WRAPPER", None),
    "AlterForeignServerStmt": ("ALTER SERVER", None),
    "AlterFunctionStmt": ("ALTER FUNCTION", None),
    "AlterObjectDependsStmt": ("ALTER", None),
    "AlterObjectSchemaStmt": ("ALTER", _create.moved),
    "AlterOpFamilyStmt": ("ALTER OPERATOR FAMILY", None),
    "AlterOperatorStmt": ("ALTER OPERATOR", None),
    "AlterOwnerStmt": ("ALTER", None),
    "AlterPolicyStmt": ("ALTER POLICY", _create.policy_changed),
    "AlterPublicationStmt": ("ALTER PUBLICATION", lambda node, found: _create.published(node.pubobjects, found)),
    "AlterRoleSetStmt": ("ALTER ROLE", None),
    "AlterRoleStmt": ("ALTER ROLE", None),
    "AlterSeqStmt": ("ALTER SEQUENCE", _create.sequence_changed),
    "AlterStatsStmt": ("ALTER STATISTICS", None),
    "AlterSubscriptionStmt": ("ALTER SUBSCRIPTION", _run.alter_subscription),
    "AlterSystemStmt": ("ALTER SYSTEM", _run.alter_system),
    "AlterTSConfigurationStmt": ("ALTER TEXT SEARCH CONFIGURATION", None),
    "AlterTSDictionaryStmt": ("ALTER TEXT SEARCH DICTIONARY", None),
    "AlterTableMoveAllStmt": ("ALTER TABLE ALL IN TABLESPACE", _run.all_in_tablespace),
    "AlterTableSpaceOptionsStmt": ("ALTER TABLESPACE", None),
    "AlterTableStmt": ("ALTER TABLE", _alter.alter),
    "AlterTypeStmt": ("ALTER TYPE", None),
    "AlterUserMappingStmt": ("ALTER USER MAPPING", None),
    "CallStmt": ("CALL", _run.call),
    "CheckPointStmt": ("CHECKPOINT", None),
    "ClosePortalStmt": ("CLOSE", None),
    "ClusterStmt": ("CLUSTER", _run.cluster),
    "CommentStmt": ("COMMENT", _create.commented),
    "CompositeTypeStmt": ("CREATE TYPE", _create.composite),
    "ConstraintsSetStmt": ("SET CONSTRAINTS", None),
    "CopyStmt": ("COPY", _run.copy),
    "CreateAmStmt": ("CREATE ACCESS METHOD", None),
    "CreateCastStmt": ("CREATE CAST", None),
    "CreateConversionStmt": ("CREATE CONVERSION", None),
    "CreateDomainStmt": ("CREATE DOMAIN", _create.domain),
    "CreateEnumStmt": ("CREATE TYPE", _create.enumeration),
    "CreateEventTrigStmt": ("CREATE EVENT TRIGGER", _create.event_trigger),
    "CreateExtensionStmt": ("CREATE EXTENSION", _create.extension),
    "CreateFdwStmt": ("CREATE FOREIGN DATA WRAPPER", None),
    "CreateForeignServerStmt": ("CREATE SERVER", _create.server),
    "CreateForeignTableStmt": ("CREATE FOREIGN TABLE", _create.foreign_table),
    "CreateFunctionStmt": ("CREATE FUNCTION", _create.function),
    "CreateOpClassStmt": ("CREATE OPERATOR CLASS", None),
    "CreateOpFamilyStmt": ("CREATE OPERATOR FAMILY", None),
    "CreatePLangStmt": ("CREATE LANGUAGE", None),
    "CreatePolicyStmt": ("CREATE POLICY", _create.policy),
    "CreatePublicationStmt": ("CREATE PUBLICATION", _create.publication),
    "CreateRangeStmt": ("CREATE TYPE", _create.ranged),
    "CreateRoleStmt": ("CREATE ROLE", _create.role),
    "CreateSchemaStmt": ("CREATE SCHEMA", _schema),
    "CreateSeqStmt": ("CREATE SEQUENCE", _create.sequence),
    "CreateStatsStmt": ("CREATE STATISTICS", _create.statistics),
    "CreateStmt": ("CREATE TABLE", _create.table),
    "CreateSubscriptionStmt": ("CREATE SUBSCRIPTION", _run.create_subscription),
    "CreateTableAsStmt": ("CREATE TABLE", _create.filled),
    "CreateTableSpaceStmt": ("CREATE TABLESPACE", _run.create_tablespace),
    "CreateTransformStmt": ("CREATE TRANSFORM", None),
    "CreateTrigStmt": ("CREATE TRIGGER", _create.trigger),
    "CreateUserMappingStmt": ("CREATE USER MAPPING", None),
    "CreatedbStmt": ("CREATE DATABASE", _run.create_database),
    "DeallocateStmt": ("DEALLOCATE", None),
    "DeclareCursorStmt": ("DECLARE CURSOR", _run.cursor),
    "DefineStmt": ("CREATE", _create.defined),
    "DeleteStmt": ("DELETE", _query.query),
    "DiscardStmt": ("DISCARD", _run.discard),
    "DoStmt": ("DO", _run.do),
    "DropOwnedStmt": ("DROP OWNED", _drop.owned),
    "DropRoleStmt": ("DROP ROLE", _drop.harmless),
    "DropStmt": ("DROP", _drop.drop),
    "DropSubscriptionStmt": ("DROP SUBSCRIPTION", _run.drop_subscription),
    "DropTableSpaceStmt": ("DROP TABLESPACE", _drop.tablespace),
    "DropUserMappingStmt": ("DROP USER MAPPING", _drop.harmless),
    "DropdbStmt": ("DROP DATABASE", _drop.database),
    "ExecuteStmt": ("EXECUTE", _run.execute),
    "ExplainStmt": ("EXPLAIN", _run.explain),
    "FetchStmt": ("FETCH", None),
    "GrantRoleStmt": ("GRANT ROLE", None),
    "GrantStmt": ("GRANT", None),
    "ImportForeignSchemaStmt": ("IMPORT FOREIGN SCHEMA", None),
    "IndexStmt": ("CREATE INDEX", _create.index),
    "InsertStmt": ("INSERT", _query.query),
    "ListenStmt": ("LISTEN", None),
    "LoadStmt": ("LOAD", _run.load),
    "LockStmt": ("LOCK TABLE", _run.lock),
    "MergeStmt": ("MERGE", _query.query),
    "NotifyStmt": ("NOTIFY", None),
    "PrepareStmt": ("PREPARE", None),
    "ReassignOwnedStmt": ("REASSIGN OWNED", None),
    "RefreshMatViewStmt": ("REFRESH MATERIALIZED VIEW", _run.refresh),
    "ReindexStmt": ("REINDEX", _run.reindex),
    "RenameStmt": ("ALTER", _create.renamed),
    "RuleStmt": ("CREATE RULE", _create.rule),
    "SecLabelStmt": ("SECURITY LABEL", None),
    "SelectStmt": ("SELECT", _query.query),
    "TransactionStmt": ("TRANSACTION", _run.transaction),
    "TruncateStmt": ("TRUNCATE", _drop.truncate),
    "UnlistenStmt": ("UNLISTEN", None),
    "UpdateStmt": ("UPDATE", _query.query),
    "VacuumStmt": ("VACUUM", _run.vacuum),
    "VariableSetStmt": ("SET", _run.variable),
    "VariableShowStmt": ("SHOW", None),
    "ViewStmt": ("CREATE VIEW", _create.view),
}
