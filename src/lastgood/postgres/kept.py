"""Backups that are there: which, whether they can be read, which may go, and dumps that somebody else made."""

from collections.abc import Iterable
from typing import Final

import msgspec

from lastgood.model.command import Completed
from lastgood.model.database import Backup, Failed, Format
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.text import sanitise
from lastgood.postgres.client import Client

# A manifest without its dump is of one that was never finished, or was removed.
_LIST: Final = (
    'cd -- "$1" 2>/dev/null || { [ ! -e "$1" ] && exit 0; echo "$1 cannot be read" >&2; exit 1; }; '
    'for f in *.dump.json; do if [ -f "${f%.json}" ]; then cat -- "$f" || exit 1; fi; done'
)
_PARTS: Final = 'for f in "$1"/*.dump.part; do if [ -f "$f" ]; then printf "%s\\n" "$f"; fi; done'
_REMOVE: Final = 'set -e; for f; do rm -f -- "$f" "$f.sha256" "$f.json"; sync "${f%/*}"; done'
_HEAD: Final = 'set -e; [ -r "$1" ] && head -c 512 -- "$1" | od -An -v -tx1'
_SUM: Final = 'set -e; sha256sum < "$1"'
# Beside each other: both take their time, and what one has read from the disk the other gets from memory.
_THROUGH: Final = 'f=$1; shift; sha256sum < "$f" & "$@" < "$f" > /dev/null; s=$?; wait; exit "$s"'
# pg_dump's plain SQL says where it ends; the file of another program does not, and is not asked for it.
_WHOLE: Final = (
    'if [ "$2" = gzip ]; then gzip -t < "$1" || exit 1; r() { gzip -dc < "$1"; }; else r() { cat < "$1"; }; fi; '
    "if r \"$1\" | head -n 9 | grep -q '^-- PostgreSQL database.* dump$'; then "
    "r \"$1\" | tail -n 9 | grep -q '^-- PostgreSQL database.* dump complete$' || { "
    'echo "error: it is cut off: its last line is missing" >&2; exit 1; }; fi'
)
_SIDECAR: Final = 'if [ -r "$1.sha256" ]; then cut -c1-64 "$1.sha256"; fi'


def backups(client: Client, folder: str) -> Fact[tuple[Backup, ...]]:
    """The finished backups in a folder of the host, newest first. Unknown where a manifest cannot be read."""
    done = client.on_host(_LIST, folder)
    if not done.ok:
        return Unknown(done.why())
    try:
        found = [msgspec.json.decode(line, type=Backup) for line in done.stdout.splitlines()]
    except msgspec.MsgspecError as error:
        return Unknown(f"a manifest in {folder} cannot be read: {error}")
    return Known(tuple(sorted(found, key=lambda one: one.at, reverse=True)))


def unfinished(client: Client, folder: str) -> Fact[tuple[str, ...]]:
    """Paths of dumps in a folder that were never finished; one of them may be in the making."""
    done = client.on_host(_PARTS, folder)
    return Known(tuple(done.text.splitlines())) if done.ok else Unknown(done.why())


def superfluous(found: Iterable[Backup], *, keep: int, needed: Iterable[str] = ()) -> tuple[Backup, ...]:
    """Those that a rule to keep the newest `keep` of each database lets go; paths in `needed` never go."""
    seen: dict[str, int] = {}
    kept = frozenset(needed)
    gone = []
    for one in sorted(found, key=lambda each: each.at, reverse=True):
        seen[one.database] = seen.get(one.database, 0) + 1
        if seen[one.database] > keep and one.path not in kept:
            gone.append(one)
    return tuple(gone)


def remove(client: Client, gone: Iterable[Backup]) -> Failed | None:
    """Remove backups, the dump first; None where they are gone. Can be repeated."""
    paths = tuple(one.path for one in gone)
    done = client.on_host(_REMOVE, *paths)
    return None if done.ok else Failed(done.why())


def recognise(client: Client, path: str) -> Fact[Format]:
    """What a dump is, by its first bytes. Unknown where it cannot be read, or is none of ours to restore."""
    done = client.on_host(_HEAD, path)
    if not done.ok:
        return Unknown(f"{path} cannot be read: {done.why()}")
    head = bytes.fromhex("".join(done.text.split()))
    if head.startswith(b"PGDMP"):
        return Known(Format.CUSTOM)
    if head.startswith(b"\x1f\x8b"):
        return Known(Format.GZIP)
    if not head or b"\0" in head:
        return Unknown(f"{path} is no dump that psql or pg_restore could read")
    return Known(Format.PLAIN)


def verify(client: Client, path: str, sha256: str = "", *, timeout: float = 3600.0) -> Format | Failed:
    """Read a dump to its end: its checksum (the given one, else its sidecar's), and pg_restore's own reading.

    `--list` alone passes dumps that are cut off or damaged; a damaged one without compression, only the checksum tells.
    Plain SQL is looked at for its end, where pg_dump made it; more is shown by nothing but restoring it.
    """
    kind = recognise(client, path)
    if isinstance(kind, Unknown):
        return Failed(kind.reason)
    wanted = Known(sha256) if sha256 else _noted(client, path)
    if isinstance(wanted, Unknown):
        return Failed(f"the checksum of {path} cannot be read: {wanted.reason}")
    done = _read_through(client, path, kind.value, timeout)
    if isinstance(done, Failed):
        return done
    found = done.text.partition(" ")[0]
    if wanted.value and found and found != wanted.value:
        return Failed(f"{path} is not what was backed up: its checksum is {found[:12]}…")
    if not (done.ok and found):
        return Failed(f"{path} cannot be read to its end: {_words(done.stderr) or done.why()}")
    return kind.value


def checksum(client: Client, path: str) -> Fact[str]:
    """The SHA-256 of a file on the host, as it is read now."""
    done = client.on_host(_SUM, path, timeout=3600.0)
    return Known(done.text.split()[0]) if done.ok else Unknown(f"{path} cannot be read: {done.why()}")


def _read_through(client: Client, path: str, kind: Format, timeout: float) -> Completed | Failed:
    """What came of reading it, with its SHA-256 on standard output."""
    if kind is Format.CUSTOM:
        try:
            reader = client.command("pg_restore", "-f", "/dev/null", timeout=timeout)
        except (OSError, ValueError) as error:
            return Failed(str(error))
        return client.run(msgspec.structs.replace(reader, argv=("sh", "-c", _THROUGH, "lastgood", path, *reader.argv)))
    whole = ("sh", "-c", _WHOLE, "lastgood", path, kind.value)  # the host's own gzip: an image may have none
    return client.on_host(_THROUGH, path, *whole, timeout=timeout)


def _noted(client: Client, path: str) -> Fact[str]:
    """The checksum that stands beside a dump; empty where none does."""
    said = client.on_host(_SIDECAR, path)
    return Known(said.text.strip()) if said.ok else Unknown(said.why())


def _words(stderr: bytes) -> str:
    lines = [line for line in stderr.decode(errors="replace").splitlines() if "error:" in line]
    return sanitise(lines[0]) if lines else ""
