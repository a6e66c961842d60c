"""Moments of a database, and what was written since: by the transactions that made the rows, not by any clock."""

from typing import Final

from lastgood.model.database import Moment, Written
from lastgood.model.facts import Fact, Unknown
from lastgood.postgres.asking import ask
from lastgood.postgres.client import Client
from lastgood.postgres.quoting import literal

_OURS: Final = "FROM pg_class c WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.oid >= 16384"
_FILES: Final = (
    f"(SELECT coalesce(json_object_agg(c.oid::bigint, pg_relation_filenode(c.oid)::bigint), '{{}}') {_OURS})"
)
_NAMES: Final = (
    f"(SELECT coalesce(json_object_agg(c.oid::bigint, c.relnamespace::regnamespace || '.' || relname), '{{}}') {_OURS})"
)
# A copy of the cluster's files put in place of them, or a return to an earlier state of them, is seen by the timeline
# where the write-ahead log was replayed to a goal, and else by when this file, which nobody ever writes, came there.
_LAID: Final = "(SELECT extract(epoch FROM (pg_stat_file('PG_VERSION')).change)::text)"
_MOMENT: Final = f"""SELECT json_build_object('snapshot', pg_current_snapshot()::text,
  'system', (SELECT system_identifier::text FROM pg_control_system()),
  'timeline', CASE WHEN pg_is_in_recovery() THEN '' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END,
  'database', (SELECT oid::bigint FROM pg_database WHERE datname = current_database()), 'laid', {{laid}},
  'files', {_FILES}, 'names', {_NAMES}, 'at', extract(epoch FROM clock_timestamp())::float8)"""  # noqa: S608 - constant
_TABLES: Final = """SELECT coalesce(json_agg(leaf::oid::bigint), '[]') FROM (
  SELECT relid AS leaf FROM pg_partition_tree(to_regclass({name})) WHERE isleaf
  UNION SELECT oid FROM pg_class WHERE oid = to_regclass({name}) AND relkind = 'r') leaves"""

# Rows have the lower 32 bits of their transaction's number; the upper ones are had by counting back from now. The
# three lowest numbers are not transactions'. A row keeps its number when it is frozen, not when its table is rewritten.
_WRITTEN: Final = """
SELECT json_build_object('rows', count(*) FILTER (WHERE fresh), 'values', json_build_object({values}))
FROM (SELECT {columns} row_xid > 2 AND NOT pg_visible_in_snapshot(
        (now_xid - mod(mod(now_xid - row_xid, 4294967296) + 4294967296, 4294967296))::text::xid8,
        {snapshot}::pg_snapshot) AS fresh
      FROM (SELECT {table}.*, {table}.xmin::text::bigint AS row_xid,
              pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS now_xid FROM {table}) t) f"""
_WRAP: Final = 2**31


def moment(client: Client, *, timeout: float = 30.0) -> Fact[Moment]:
    """This moment. It tells rows for certain only if nobody was writing: a savepoint open now would be missed later."""
    found = ask(client, _MOMENT.replace("{laid}", _LAID), Moment, timeout=timeout)
    if isinstance(found, Unknown) and "pg_stat_file" in found.reason:  # that takes a superuser, or a grant
        return ask(client, _MOMENT.replace("{laid}", "''"), Moment, timeout=timeout)
    return found


def written(
    client: Client, since: Moment, table: str, columns: tuple[str, ...] = (), *, timeout: float = 900.0
) -> Fact[Written]:
    """How many rows of a table were inserted or changed since a moment, and of which `columns` they hold a value.

    All names are quoted, the table's with its schema. What was deleted is not told. Unknown where it cannot be: the
    table was rewritten or made anew, the database restored, replaced or put back, the server a standby that was
    promoted, or so much happened that numbers came around.
    """
    now = moment(client)
    if isinstance(now, Unknown):
        return now
    leaves = ask(client, _TABLES.format(name=literal(table)), list[int])
    if isinstance(leaves, Unknown):
        return leaves
    why = _doubt(since, now.value, [str(leaf) for leaf in leaves.value], table)
    if why:
        return Unknown(why)
    question = _WRITTEN.format(
        values=", ".join(f"{literal(name)}, count({name}) FILTER (WHERE fresh)" for name in columns),
        columns="".join(f"{name}, " for name in columns),
        snapshot=literal(since.snapshot),
        table=table,
    )
    return ask(client, question, Written, timeout=timeout)


def _doubt(since: Moment, now: Moment, leaves: list[str], table: str) -> str:
    """Why numbers of transactions say nothing; empty where they do."""
    doubts = (
        (not _same(since, now), "the database was restored or replaced since"),
        (_newest(now) < _newest(since), "the database went back to an earlier state since"),
        (_newest(now) - _newest(since) >= _WRAP, "too many transactions happened since"),
        (not leaves, f"there is no table {table}"),
        (
            any(since.files[leaf] != now.files.get(leaf) for leaf in leaves if leaf in since.files),
            f"{table} was rewritten since",
        ),
        (
            any(now.names.get(leaf) in since.names.values() for leaf in leaves if leaf not in since.files),
            f"{table} was dropped and made anew since",
        ),
    )
    return next((why for doubtful, why in doubts if doubtful), "")


def _same(since: Moment, now: Moment) -> bool:
    """Whether both are of one database with one history, as far as that is seen."""
    moved = since.laid != now.laid and bool(since.laid and now.laid)
    return (since.system, since.database, since.timeline) == (now.system, now.database, now.timeline) and not moved


def _newest(one: Moment) -> int:
    return int(one.snapshot.split(":")[1])
