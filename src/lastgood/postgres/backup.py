"""Dumps: made by the server's own pg_dump straight into a file on the host, and only then called a backup."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote

import msgspec

from lastgood.model.command import Command, Completed
from lastgood.model.database import Backup, Failed, Overview
from lastgood.model.facts import Unknown
from lastgood.model.text import sanitise
from lastgood.ports import Files
from lastgood.postgres import facts, sessions
from lastgood.postgres.asking import PSQL, UTF8, ask, failure
from lastgood.postgres.client import Client

MARGIN: Final = 1.2
"""How much more room than estimated there must be before a dump begins."""

# One session holds a snapshot; pg_dump and the counts both use it, so that they agree whoever writes meanwhile. The
# dump goes to standard output, the rest to standard error, where a line tells pg_dump's own end: nothing else does.
# Where that is a bad one, psql, whose child the shell is, is ended with it.
_SCRIPT: Final = r"""\o | cat >&2
BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL row_security = off;
SET LOCAL lock_timeout = %d;
SELECT pg_export_snapshot() AS lg_snapshot \gset
\setenv LG_SNAPSHOT :lg_snapshot
\! %s --snapshot="$LG_SNAPSHOT"; s=$?; echo "lastgood-dump:$s" >&2; [ "$s" -eq 0 ] || kill "$PPID"
SELECT 'lastgood-rows:' || coalesce((%s)::text, 'null');
COMMIT;
"""
_DUMP: Final = "unset PGCLIENTENCODING; pg_dump -Fc -w --lock-wait-timeout=%d -Z %d"
_LOCK: Final = re.compile(r"(?i)timeout.*\n.*query was: LOCK TABLE (?:ONLY )?(.*?) IN ACCESS SHARE MODE")
_ENDED: Final = "lastgood-dump:"
_LEFT: Final = "lastgood-client:"
_ROWS: Final = "lastgood-rows:"

# $1 the unfinished file. What is in it is ours alone to read; it goes away with us unless everything went well. A disk
# that is full ends `cat`, and so the client, which would wait without end if it wrote to the file itself.
_INTO: Final = (
    'set -u; umask 077; p=$1; shift; mkdir -p -- "${p%/*}" || exit 1; trap \'rm -f -- "$p"\' EXIT; '
    'trap "exit 1" HUP INT TERM; { "$@"; echo "lastgood-client:$?" >&2; } | cat > "$p" || exit 1; '
    'sync "$p" || exit 1; trap - EXIT'
)
_SUM: Final = 'set -e; wc -c < "$1"; sha256sum < "$1"'
_KEEP: Final = 'set -e; ln -- "$1" "$2"; rm -f -- "$1"; sync "${2%/*}"'
_DISCARD: Final = 'rm -f -- "$1" && { [ -e "$2" ] || rm -f -- "$2.json" "$2.sha256"; }'


class Wanted(msgspec.Struct, frozen=True):
    """What to back up into: `folder` is on the database's host, absolute; `at` is Unix seconds; `why` is a clause.

    `limit` bounds the whole dump, `lock_wait` the waiting for any table's lock, both in seconds. `compression` is 0 to
    9: 1 takes half the time of pg_dump's own choice, for a file that is some tenths larger, and writers may have to
    wait for it. `rows`: count every table in the dump's own snapshot. `besides` are bytes that are written
    there afterwards.
    """

    folder: str
    at: int
    why: str
    schema_version: str = ""
    rows: bool = True
    compression: int = 1
    lock_wait: float = 30.0
    limit: float = 6 * 3600.0
    besides: int = 0


def place(wanted: Wanted, database: str, stamp: str) -> str:
    """The path that a backup will have. `stamp` sorts by time and is unique on the host: `20261128T101502Z`."""
    return f"{wanted.folder.rstrip('/')}/{quote(database, safe='')[:120]}-{stamp}.dump"


def estimate(size: int, earlier: Iterable[Backup]) -> int:
    """Bytes that a dump of a database of `size` bytes will take, by the newest earlier one; else its own size."""
    newest = max(earlier, key=lambda one: one.at, default=None)
    return round(size * newest.size / newest.database_size) if newest and newest.database_size else size


class Ready(msgspec.Struct, frozen=True):
    """What a backup can be made of now: the database, and the version of the pg_dump that makes it."""

    there: Overview
    dumper: str


def check(client: Client, wanted: Wanted, earlier: Iterable[Backup] = ()) -> Ready | Failed:
    """Whether a backup can be made now: the server answers, its pg_dump is no older, and there is room on the disk."""
    there = facts.overview(client)
    if isinstance(there, Unknown):
        return Failed(there.reason)
    version = facts.dumper(client)
    if isinstance(version, Unknown):
        return Failed(version.reason)
    old = facts.too_old(version.value, there.value)
    if old:
        return old
    room = facts.free(client, wanted.folder)
    if isinstance(room, Unknown):
        return Failed(room.reason)
    mine = (one for one in earlier if one.database == there.value.name)
    needed = round(estimate(there.value.size, mine) * MARGIN) + wanted.besides
    if room.value < needed:
        more = f" with the {wanted.besides} of what is salvaged" if wanted.besides else ""
        return Failed(f"{wanted.folder} has {room.value} bytes free, and the dump may need {needed}{more}")
    return Ready(there.value, version.value[0])


def backup(client: Client, files: Files, wanted: Wanted, stamp: str, ready: Ready | None = None) -> Backup | Failed:
    """Dump the database into `place(…)`, synced, with its manifest and checksum; nothing is left where it failed.

    `ready` is what `check` has just found, where it was asked. `client.mark` must be this backup's alone: sessions that
    are left behind are found, and ended, by it.
    """
    found = ready or check(client, wanted)
    if isinstance(found, Failed):
        return found
    path = place(wanted, found.there.name, stamp)
    made = _dumped(client, wanted, found, path)
    kept = made if isinstance(made, Failed) else _kept(client, files, made)
    if isinstance(kept, Failed):
        why = abandon(client, path, found.there.name)
        return msgspec.structs.replace(kept, reason=f"{kept.reason}; {why}") if why else kept
    return kept


def abandon(client: Client, path: str, database: str) -> str:
    """Take away what an unfinished backup left: its files, its sessions. Says what could not be; can be repeated.

    A backup that was finished after all stays.
    """
    said = []
    removed = client.on_host(_DISCARD, f"{path}.part", path)
    if not removed.ok:
        said.append(f"what was written of it could not be removed: {removed.why()}")
    ended = sessions.reap(client, database)
    if isinstance(ended, Unknown):
        said.append(f"its sessions could not be looked for: {ended.reason}")
    return "; ".join(map(sanitise, said))


def _dumped(client: Client, wanted: Wanted, ready: Ready, path: str) -> Backup | Failed:
    there = ready.there
    tables = ask(client, facts.TABLES, list[tuple[str, bool]]) if wanted.rows else None
    if isinstance(tables, Unknown):
        return Failed(tables.reason)
    wait = round(wanted.lock_wait * 1000)
    dump = _DUMP % (wait, wanted.compression)
    question = facts.counting(tables.value) if tables else "SELECT NULL"
    try:
        command = client.command(
            *PSQL, stdin=(_SCRIPT % (wait, dump, question)).encode(), env=UTF8, timeout=wanted.limit
        )
    except (OSError, ValueError) as error:
        return Failed(str(error))
    done = client.run(_into(command, f"{path}.part"), lasting=True)
    rows = said(done, _ROWS)
    if not done.ok or said(done, _ENDED) != "0" or said(done, _LEFT) != "0" or rows is None:
        return what_failed(client, done, wanted.folder)
    size, digest = _summed(client, f"{path}.part", wanted.limit)
    if not digest:
        return Failed(f"the dump cannot be read back: {size}")
    return Backup(
        path,
        client.reach.host,
        there.name,
        there.number,
        ready.dumper,
        there.size,
        int(size),
        digest,
        wanted.at,
        done.elapsed,
        wanted.why,
        wanted.schema_version,
        msgspec.json.decode(rows, type=dict[str, int] | None),
    )


def _into(command: Command, path: str) -> Command:
    return msgspec.structs.replace(command, argv=("sh", "-c", _INTO, "lastgood", path, *command.argv))


def said(done: Completed, key: str) -> str | None:
    """What a program told beside its output, on a line of its own that begins with `key`; None where it did not."""
    lines = done.stderr.decode(errors="replace").splitlines()
    return next((line.removeprefix(key) for line in lines if line.startswith(key)), None)


def what_failed(client: Client, done: Completed, folder: str) -> Failed:
    """The reason that helps: a full disk shows in a broken pipe first, and only then in what the programs say."""
    whole = done.stderr.decode(errors="replace")
    words = [line for line in whole.splitlines() if line.strip() and not line.startswith("lastgood-")]
    errors = [line for line in words if "error:" in line and "query failed" not in line] or words
    room = facts.free(client, folder)
    if "no space left" in whole.lower() or (not isinstance(room, Unknown) and room.value == 0):
        return Failed(f"no space left on the disk of {folder}")
    if done.failure:
        return Failed(done.why())
    locked = _LOCK.search(whole)
    if locked:  # pg_dump bounds its waiting by another limit, and so gets another code for it
        return Failed(f"a lock on {locked[1]} was not had in time", "55P03")
    found = failure(done)
    return found if found.sqlstate else Failed(sanitise(errors[0].strip() if errors else done.why()))


def _summed(client: Client, path: str, limit: float) -> tuple[str, str]:
    """Size and SHA-256 of a file as it is read back; where it cannot be, why and nothing."""
    done = client.on_host(_SUM, path, timeout=limit)
    lines = done.text.split()
    return (lines[0], lines[1]) if done.ok and len(lines) > 1 else (done.why(), "")


def _kept(client: Client, files: Files, made: Backup) -> Backup | Failed:
    """Write what belongs to the dump first, so that a dump with its final name always has it."""
    name = PurePosixPath(made.path).name
    try:
        files.replace(f"{made.path}.json", manifest(made))
        files.replace(f"{made.path}.sha256", f"{made.sha256}  {name}\n".encode())
    except OSError as error:
        return Failed(f"the manifest cannot be written: {error.strerror or error}")
    done = client.on_host(_KEEP, f"{made.path}.part", made.path)
    return made if done.ok else Failed(f"the dump cannot be named {made.path}: {done.why()}")


def manifest(made: Backup) -> bytes:
    """The manifest's bytes: one line of JSON."""
    return msgspec.json.encode(made) + b"\n"
