"""Who is connected, who holds what, and ending what was left behind."""

from typing import Final

from lastgood.model.database import Failed, Session
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.postgres.asking import ask, script
from lastgood.postgres.client import Client
from lastgood.postgres.quoting import array, literal

_SESSION: Final = """'pid', a.pid, 'user', coalesce(a.usename, ''), 'application', coalesce(a.application_name, ''),
  'client', coalesce(host(a.client_addr), ''), 'state', coalesce(a.state, ''),
  'begun', coalesce(extract(epoch FROM a.xact_start)::bigint, 0),
  'since', coalesce(extract(epoch FROM a.query_start)::bigint, 0), 'query', coalesce(left(a.query, 200), '')"""

_SESSIONS: Final = f"""
SELECT coalesce(json_agg(json_build_object({_SESSION}) ORDER BY a.query_start), '[]') FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'"""  # noqa: S608 - constant

# Of each session, the strongest lock on one relation. Names that are no relation block nobody.
_BLOCKERS: Final = f"""
SELECT coalesce(json_agg(json_build_object({_SESSION}, 'mode', l.mode, 'relation', l.name) ORDER BY a.xact_start), '[]')
FROM (SELECT DISTINCT ON (pid, relation) pid, mode, format('%I.%I', n.nspname, c.relname) AS name
      FROM pg_locks JOIN pg_class c ON c.oid = relation JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE locktype = 'relation' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND relation IN (SELECT to_regclass(one) FROM unnest({{}}) one)
      ORDER BY pid, relation, array_position(ARRAY['AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock',
        'ShareLock', 'ShareUpdateExclusiveLock', 'RowExclusiveLock', 'RowShareLock', 'AccessShareLock'], mode)) l
JOIN pg_stat_activity a USING (pid) WHERE a.pid <> pg_backend_pid()"""  # noqa: S608 - constant

# A key's upper and lower half are two columns; `objsubid` 1 says that it was given as one number.
_HOLDERS: Final = f"""
SELECT coalesce(json_agg(json_build_object({_SESSION}) ORDER BY a.backend_start), '[]') FROM pg_stat_activity a
WHERE a.pid <> pg_backend_pid() AND a.pid IN (SELECT l.pid FROM pg_locks l
  WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (l.classid::bigint << 32 | l.objid::bigint) = ANY ({{}}::bigint[]))"""  # noqa: S608 - constant

# Somebody who is told to end may finish what cannot be interrupted first.
_REAP_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.05
_GONE: Final = """BEGIN FOR look IN 1..{looks} LOOP
  PERFORM pg_stat_clear_snapshot();
  IF NOT EXISTS {mine} THEN RETURN; END IF;
  PERFORM pg_sleep({pause});
END LOOP; RAISE EXCEPTION 'a session of ours does not end'; END"""


def sessions(client: Client) -> Fact[tuple[Session, ...]]:
    """Everybody who is connected to the database, but us who ask."""
    return ask(client, _SESSIONS, tuple[Session, ...])


def blockers(client: Client, relations: tuple[str, ...]) -> Fact[tuple[Session, ...]]:
    """Who holds locks on any of the relations, given by quoted name: the oldest transaction first."""
    return ask(client, _BLOCKERS.format(array(relations)), tuple[Session, ...])


def holders(client: Client, keys: tuple[int, ...]) -> Fact[tuple[Session, ...]]:
    """Who holds advisory locks with any of the keys in the database."""
    if not keys:
        return Known(())
    return ask(client, _HOLDERS.format(f"ARRAY[{', '.join(map(str, keys))}]"), tuple[Session, ...])


def reap(client: Client, database: str, addresses: tuple[str, ...] = ()) -> Fact[int]:
    """End the sessions that carry our mark in a database, but the asking one, and see them gone; how many there were.

    So are those that come from any of `addresses`: of a container of ours, whose program calls itself as it likes.

    A program in a container outlives the command that started it there: its session holds locks until it is ended.
    Unknown where one does not end: it may be in the middle of its COMMIT, and nothing that is seen now is believed.
    """
    ours = f"application_name = {literal(client.application[:63])} OR host(client_addr) = ANY ({array(addresses)})"
    named = f"({ours}) AND datname = {literal(database)}"
    mine = f"(SELECT pid FROM pg_stat_activity WHERE {named} AND pid <> pg_backend_pid())"  # noqa: S608 - quoted
    # Within brackets, so that a script that was cut off is an error, and ends nobody else.
    ended = f"SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM {mine} AS mine;"  # noqa: S608 - quoted
    gone = _GONE.format(mine=mine, looks=round(_REAP_SECONDS / _LOOK_SECONDS), pause=_LOOK_SECONDS)
    found = script(client, f"{ended}\nDO {literal(gone)};", timeout=30.0)
    return Unknown(found.reason) if isinstance(found, Failed) else Known(int(found.output.strip() or "0"))
