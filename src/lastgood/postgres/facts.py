"""What a database says of itself: version, size, tables, rows, and what stands beside it."""

from collections.abc import Iterable
from typing import Final

from lastgood.model.database import Column, Failed, Followers, Overview, Surroundings
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.postgres.asking import ask, told
from lastgood.postgres.client import Client
from lastgood.postgres.quoting import literal

_LONG: Final = 900.0

# Columns that only newer servers have are taken out of the row's JSON: naming them would be an error on older ones.
_OVERVIEW: Final = """
SELECT json_build_object(
  'version', current_setting('server_version'), 'number', current_setting('server_version_num')::int,
  'name', d.datname, 'oid', d.oid::bigint, 'owner', pg_get_userbyid(d.datdba), 'user', current_user,
  'size', pg_database_size(d.oid), 'schema', current_schema(), 'standby', pg_is_in_recovery(),
  'folder', CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') ELSE '' END,
  'locale', json_build_object('encoding', pg_encoding_to_char(d.encoding),
    'collate', d.datcollate, 'ctype', d.datctype, 'provider', coalesce(to_jsonb(d)->>'datlocprovider', 'c'),
    'icu', coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale'), 'rules', to_jsonb(d)->>'daticurules'))
FROM pg_database d WHERE d.datname = current_database()"""

# Whose tables: not the system's, not another session's temporary ones, not an extension's.
_OURS: Final = """n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid
                  AND e.deptype = 'e')"""

_COLUMNS: Final = f"""
SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname, coalesce((
  SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod)) ORDER BY a.attnum)
  FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'))
  ORDER BY n.nspname, c.relname), '[]')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND {_OURS}"""  # noqa: S608 - constant

TABLES: Final = f"""
SELECT coalesce(json_agg(json_build_array(format('%I.%I', n.nspname, c.relname), c.relkind = 'p')
  ORDER BY n.nspname, c.relname), '[]')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND {_OURS}"""  # noqa: S608 - constant
"""The quoted names of all tables, and whether the rows are those of its partitions."""

_FOLLOWERS: Final = """
SELECT json_build_object(
  'slots', (SELECT coalesce(json_agg(slot_name::text), '[]') FROM pg_replication_slots
            WHERE database = current_database()),
  'subscriptions', (SELECT coalesce(json_agg(subname::text), '[]') FROM pg_subscription
            WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())),
  'prepared', (SELECT coalesce(json_agg(gid), '[]') FROM pg_prepared_xacts WHERE database = current_database()))"""

_SURROUNDINGS: Final = """
SELECT json_build_object(
  'owner', pg_get_userbyid(d.datdba), 'limit', d.datconnlimit, 'tablespace', t.spcname,
  'comment', shobj_description(d.oid, 'pg_database'),
  'settings', (SELECT coalesce(json_agg(json_build_object('role', coalesce(r.rolname, ''),
      'name', split_part(one, '=', 1), 'value', substr(one, strpos(one, '=') + 1)) ORDER BY r.rolname, one), '[]')
    FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) one LEFT JOIN pg_roles r ON r.oid = s.setrole
    WHERE s.setdatabase = d.oid),
  'grants', CASE WHEN d.datacl IS NULL THEN NULL ELSE (
    SELECT coalesce(json_agg(json_build_object('role', coalesce(r.rolname, ''), 'privilege', a.privilege_type,
      'grantable', a.is_grantable) ORDER BY r.rolname, a.privilege_type), '[]')
    FROM aclexplode(d.datacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee) END)
FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = """


def overview(client: Client) -> Fact[Overview]:
    """What the database and its server are."""
    return ask(client, _OVERVIEW, Overview)


def columns(client: Client) -> Fact[dict[tuple[str, str], tuple[Column, ...]]]:
    """The columns of all tables by (schema, table), unquoted, in their order."""
    rows = ask(client, _COLUMNS, list[tuple[str, str, tuple[Column, ...]]])
    if isinstance(rows, Unknown):
        return rows
    return Known(_by_name(rows.value))


def _by_name(rows: list[tuple[str, str, tuple[Column, ...]]]) -> dict[tuple[str, str], tuple[Column, ...]]:
    return {(schema, table): found for schema, table, found in rows}


def searched(client: Client) -> Fact[tuple[str | None, dict[tuple[str, str], tuple[Column, ...]]]]:
    """The schema where an unqualified table would be made, None for nowhere, and what `columns` tells."""
    question = f"SELECT json_build_array(current_schema(), ({_COLUMNS}))"
    found = ask(client, question, tuple[str | None, list[tuple[str, str, tuple[Column, ...]]]])
    if isinstance(found, Unknown):
        return found
    schema, rows = found.value
    return Known((schema, _by_name(rows)))


def counts(client: Client, values: Iterable[tuple[str, str]] = ()) -> Fact[dict[str, int]]:
    """Exact numbers of rows of all tables, in one snapshot, by quoted name with schema (`public.orders`).

    `values` are further (table, column) pairs, both quoted, whose values that are not NULL are counted, by
    `public.orders.note`. A partitioned table counts all its partitions.
    """
    tables = ask(client, TABLES, list[tuple[str, bool]])
    if isinstance(tables, Unknown):
        return tables
    return ask(client, counting(tables.value, values), dict[str, int], timeout=_LONG)


def counting(tables: Iterable[tuple[str, bool]], values: Iterable[tuple[str, str]] = ()) -> str:
    """A SELECT that answers with the numbers of rows and values as one JSON object."""
    each = [f"SELECT {literal(table)}, count(*) FROM {'' if parts else 'ONLY '}{table}" for table, parts in tables]  # noqa: S608 - quoted names
    each += [f"SELECT {literal(f'{table}.{column}')}, count({column}) FROM {table}" for table, column in values]  # noqa: S608 - quoted names
    if not each:
        return "SELECT '{}'"
    return f"SELECT json_object_agg(name, count) FROM ({' UNION ALL '.join(each)}) AS counted (name, count)"  # noqa: S608 - built of the above


def followers(client: Client) -> Fact[Followers]:
    """What would stay with this database when another one takes its name."""
    return ask(client, _FOLLOWERS, Followers)


def surroundings(client: Client, name: str) -> Fact[Surroundings]:
    """What stands beside the database `name` of the server and is in no dump of it."""
    return ask(client, _SURROUNDINGS + literal(name), Surroundings)


def databases(client: Client) -> Fact[dict[str, int]]:
    """The server's databases by name, with their numbers."""
    return ask(client, "SELECT json_object_agg(datname, oid::bigint) FROM pg_database", dict[str, int])


def maintenance(client: Client) -> Fact[Client]:
    """The same server by a database that nobody renames."""
    reasons = []
    for name in ("postgres", "template1"):
        there = client.of(name)
        said = told(there, "SELECT 1")
        if isinstance(said, Known):
            return Known(there)
        reasons.append(said.reason)
    return Unknown(reasons[0])


def dumper(client: Client, program: str = "pg_dump") -> Fact[tuple[str, int]]:
    """The version of the pg_dump that would be used, and its major number."""
    try:
        done = client.run(client.command(program, "--version"))
    except (OSError, ValueError) as error:
        return Unknown(str(error))
    version = next((word for word in done.text.split() if word[:1].isdigit()), "")
    digits = "".join(version.split(".")[0][:2]) if version else ""
    digits = "".join(char for char in digits if char.isdigit())
    if not done.ok or not digits:
        return Unknown(done.why() if not done.ok else f"{program} did not say its version")
    return Known((version, int(digits)))


def too_old(version: tuple[str, int], there: Overview) -> Failed | None:
    """Why a pg_dump must not be used: it is older than the server, and may leave out what it does not know."""
    said, major = version
    if major >= there.major:
        return None
    return Failed(f"pg_dump {said} is older than the server, which is PostgreSQL {there.version}")


# Of a folder that is still to be made, the next one above it. Images may have no df of their own but busybox's.
_DF: Final = (
    'd=$1; while [ ! -d "$d" ] && [ "$d" != / ] && [ "$d" != . ]; do case $d in */*) d=${d%/*}; d=${d:-/};; *) d=.;; '
    'esac; done; if command -v df >/dev/null 2>&1; then exec df -Pk "$d"; fi; exec busybox df -Pk "$d"'
)


def free(client: Client, folder: str) -> Fact[int]:
    """Bytes free for our user on the host at a folder, which need not exist yet."""
    done = client.on_host(_DF, folder)
    return _free(done.text, done.why()) if done.ok else Unknown(done.why())


def free_inside(client: Client, folder: str) -> Fact[int]:
    """Bytes free on the database's own disk: at a folder of its container, or of its host where that is this one."""
    reach = client.reach
    if not reach.container:
        try:
            place = client.address().get("PGHOST", "")
        except (OSError, ValueError) as error:
            return Unknown(str(error))
        if place not in ("", "localhost", "127.0.0.1", "::1") and not place.startswith("/"):
            return Unknown("the database's server is another machine, whose disk cannot be seen")
        return free(client, folder)
    try:
        done = client.run(client.command("sh", "-c", _DF, "lastgood", folder))
    except (OSError, ValueError) as error:
        return Unknown(str(error))
    return _free(done.text, done.why()) if done.ok else Unknown(done.why())


def _free(text: str, why: str) -> Fact[int]:
    """POSIX: the fourth of the last line's six fields, of which only the first and the last may hold spaces."""
    lines = text.strip().splitlines()
    fields = lines[-1].rpartition("% ")[0].split() if len(lines) > 1 else []
    if len(fields) < 2 or not fields[-2].isdigit():  # noqa: PLR2004 - available, and used percents
        return Unknown(f"df said something that cannot be read ({why})")
    return Known(int(fields[-2]) * 1024)
