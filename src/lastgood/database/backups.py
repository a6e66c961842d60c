"""`lastgood db backup`, `backups` and `verify`: dumps that are made, kept, and proven to be good."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import PurePosixPath
from typing import Final

import msgspec

from lastgood.database.choices import AGAIN, unanswered
from lastgood.database.desk import DatabaseDesk
from lastgood.database.disks import room_to_try, same_disk
from lastgood.database.tables import recognised, state
from lastgood.database.trying import tried, unlike, watched
from lastgood.model.backups import BackupMade, Backups, Checked, Kept, Verification
from lastgood.model.database import Backup, Failed, Format, Overview
from lastgood.model.errors import LastgoodError, NeedsHuman, Refused, UsageError
from lastgood.model.facts import Fact, Known, Unknown, known_or
from lastgood.model.target import shown
from lastgood.observe.together import Asked
from lastgood.postgres import backup, facts, kept, scratch
from lastgood.postgres.client import Client

Tell = Callable[[str], None]

# What was found good is written beside the dump. $1 the folder; the path, what was seen.
_CHECKED: Final = (
    'cd -- "$1" || exit 1; for f in *.dump.checked; do if [ -f "$f" ]; then cat -- "$f" || exit 1; fi; done'
)
_FORGET: Final = 'for f; do rm -f -- "$f.checked" || exit 1; done'
_SIZE: Final = 'if [ -f "$1.part" ]; then wc -c < "$1.part"; fi'
_NANO: Final = 1_000_000_000


class _Note(msgspec.Struct, frozen=True):
    """A good dump's path and checksum, and how it was looked at."""

    path: str
    sha256: str
    checked: Checked


def make(desk: DatabaseDesk, run: str, why: str, *, prove: bool, tell: Tell) -> BackupMade:
    """Back the database up, and read the backup through; with `prove` restore it into a throw-away database as well.

    `run` is this backup's alone. Raises Refused where none was made, NeedsHuman where it is not good: it stays then,
    and is no reason to let others go. Removes nothing: `let_go` does.
    """
    client = desk.client(run)
    version = Asked(partial(schema_version, desk, client))
    earlier = kept.backups(client, desk.spec.backups)
    wanted = backup.Wanted(desk.spec.backups, _now(desk), why)
    ready = backup.check(client, wanted, earlier.value if isinstance(earlier, Known) else ())
    wanted = msgspec.structs.replace(wanted, schema_version=version.answer())
    if isinstance(ready, Failed):
        raise Refused("No backup was made.", because=(ready.reason,), next=(f"df -h {desk.spec.backups}",))
    there = ready.there
    warnings = Asked(partial(_warnings, desk, there, earlier))
    stamp = run.rpartition("-")[2]
    path = backup.place(wanted, there.name, stamp)
    tell(f"dumping {there.name}, {there.size:,} bytes, to {path}")
    with watched(lambda: _grown(client, path), tell):
        made = backup.backup(client, desk.files, wanted, stamp, ready)
    if isinstance(made, Failed):
        said = "No backup was made, and nothing of it is left."
        raise Refused(said, because=(made.reason,), next=(f"df -h {desk.spec.backups}", AGAIN))
    found = look(desk, made.path, made, run, restoring=prove, tell=tell)
    if not found.good:
        said = f"The backup {made.path} is not good."
        raise NeedsHuman(said, because=found.problems, next=("see to the disk, and make another one",))
    return BackupMade(desk.target.name, desk.shown, made, Checked(_now(desk), prove), (), warnings.answer())


def schema_version(desk: DatabaseDesk, client: Client) -> str:
    """What the migration tool's table says, for the backup's manifest; empty where that is not known."""
    try:
        return state(client, recognised(client, desk.spec.migrator)).version
    except LastgoodError:
        return ""


def _warnings(desk: DatabaseDesk, there: Overview, earlier: Fact[tuple[Backup, ...]]) -> tuple[str, ...]:
    same = same_disk(desk, there)
    said = [f"no backup is let go: {earlier.reason}"] if isinstance(earlier, Unknown) else []
    if isinstance(same, Unknown):
        said.append(f"it is not known whether {desk.spec.backups} is on the database's own disk: {same.reason}")
    elif same.value:
        said.append(f"{desk.spec.backups} is on the same disk as the database: whatever takes one takes both")
    return tuple(said)


def _grown(client: Client, path: str) -> str:
    done = client.on_host(_SIZE, path)
    return f"{int(done.text):,} bytes written" if done.ok and done.text.strip() else ""


def let_go(desk: DatabaseDesk, needed: Iterable[str]) -> tuple[str, ...]:
    """Remove the backups that the retention rule lets go; their paths. Paths in `needed` stay.

    Raises NeedsHuman where it cannot be done.
    """
    client = desk.client()
    found = kept.backups(client, desk.spec.backups)
    gone = () if isinstance(found, Unknown) else kept.superfluous(found.value, keep=desk.spec.keep, needed=needed)
    if not gone:
        return ()
    failed = kept.remove(client, gone)
    client.on_host(_FORGET, *(one.path for one in gone))
    if failed:
        said = "The backup is made, and older ones cannot be removed."
        raise NeedsHuman(said, because=(failed.reason,), next=(f"ls -l {desk.spec.backups}",))
    return tuple(one.path for one in gone)


def listed(desk: DatabaseDesk, busy: str) -> Backups:
    """The backups that are kept. Raises Refused where they cannot be listed."""
    client = desk.client()
    found, parts = kept.backups(client, desk.spec.backups), kept.unfinished(client, desk.spec.backups)
    if isinstance(found, Unknown) or isinstance(parts, Unknown):
        reason = found.reason if isinstance(found, Unknown) else parts.reason if isinstance(parts, Unknown) else ""
        raise Refused("The backups cannot be listed.", because=(reason,), next=(_look(desk),))
    notes = _notes(client, desk.spec.backups)
    each = tuple(Kept(one, _checked(notes, one)) for one in found.value)
    return Backups(desk.target.name, desk.shown, desk.spec.backups, desk.spec.keep, each, parts.value, busy)


def chosen(desk: DatabaseDesk, name: str) -> tuple[str, Backup | None]:
    """The path of the dump that `name` means, with its manifest if it has one: a name that `backups` lists, or a path.

    Empty is the newest. Raises UsageError where there is none, Refused where they cannot be listed.
    """
    words = f"{desk.target.service} {desk.target.env}"
    if "/" in name and not name.startswith("/"):
        raise UsageError(f"{name!r} is neither a backup's name nor an absolute path.", next=(f"{_LIST} {words}",))
    found = kept.backups(desk.client(), desk.spec.backups)
    if isinstance(found, Unknown) and not name.startswith("/"):
        raise Refused("The backups cannot be listed.", because=(found.reason,), next=(_look(desk),))
    each = known_or(found, ())
    if not name and each:
        return each[0].path, each[0]
    mine = next((one for one in each if name in {one.path, base(one), base(one).removesuffix(".dump")}), None)
    if mine:
        return mine.path, mine
    if name.startswith("/"):
        return name, None
    said = f"There is no backup {name}." if name else "There is no backup yet."
    raise UsageError(said, because=tuple(map(base, each)), next=(f"{_LIST} {words}", f"lastgood db backup {words}"))


def _look(desk: DatabaseDesk) -> str:
    """What a person looks at where backups cannot be listed or removed."""
    return f"ls -l {desk.spec.backups}   # on {shown(desk.spec.host)}"


_LIST: Final = "lastgood db backups"
_LEFT: Final = "What an interrupted backup left cannot be taken away."


def base(one: Backup) -> str:
    """The name by which people call a backup."""
    return PurePosixPath(one.path).name


def look(  # noqa: PLR0913 - what is looked at, and how closely
    desk: DatabaseDesk, path: str, manifest: Backup | None, run: str, *, restoring: bool, tell: Tell
) -> Verification:
    """Look whether a dump is good: its checksum, all of it read, and if asked for restored and counted.

    What was good is noted beside a backup of ours. Never raises for a dump that is not.
    """
    client, begun = desk.client(run), time.monotonic()
    seen: list[str] = []
    rows: dict[str, int] | None = None
    wrong: tuple[str, ...] = ()
    counted = False
    tell(f"reading {path} to its end")
    kind = kept.verify(client, path, manifest.sha256 if manifest else "")
    if isinstance(kind, Failed):
        wrong = (kind.reason,)
    else:
        seen.append(f"its checksum is {manifest.sha256[:12]}…, as noted" if manifest else "it has no manifest")
        seen.append("it can be read to its end")
        if restoring:
            rows, wrong = _restored(desk, path, kind, manifest, run, tell)
    if rows is not None:
        counted = manifest is not None and manifest.rows is not None
        alike = ", as noted" if counted and not wrong else ""
        seen.append(f"restored, it has {sum(rows.values())} rows (tables: {len(rows)}){alike}")
    if manifest and not wrong:
        note = _Note(path, manifest.sha256, Checked(_now(desk), restored=restoring))
        _keep(desk, note)
    took = time.monotonic() - begun
    return Verification(desk.target.name, path, not wrong, tuple(seen), tuple(wrong), rows, counted, took)


def _restored(  # noqa: PLR0913, PLR0917 - as above
    desk: DatabaseDesk, path: str, kind: Format, manifest: Backup | None, run: str, tell: Tell
) -> tuple[dict[str, int] | None, tuple[str, ...]]:
    """The rows that a dump restores to, and what is wrong."""
    there = facts.overview(desk.client())
    short = (
        "" if isinstance(there, Unknown) else room_to_try(desk, there.value, manifest.database_size if manifest else 0)
    )
    if short:
        return None, (short,)
    tell("restoring it into a throw-away database")
    found = tried(desk, path, kind, run)
    if isinstance(found, Failed):
        return None, (found.reason,)
    return found, unlike(manifest.rows, found) if manifest and manifest.rows is not None else ()


def tidied(desk: DatabaseDesk, run: str) -> str:
    """Take away what a backup or a look that died left; what there was to say of it, else empty."""
    client = desk.client(run)
    scratch.remove(client, run)
    there = facts.overview(client)
    if isinstance(there, Unknown):
        raise unanswered(client, there.reason, _LEFT)
    wanted = backup.Wanted(desk.spec.backups, 0, "")
    path = backup.place(wanted, there.value.name, run.rpartition("-")[2])
    said = backup.abandon(client, path, there.value.name)
    if said:
        raise Refused(_LEFT, because=(said,), next=(_look(desk), AGAIN))
    whole = any(one.path == path for one in known_or(kept.backups(client, desk.spec.backups), ()))
    return f"{run} was interrupted; " + (f"its backup is whole: {path}" if whole else "what it left is removed")


def _keep(desk: DatabaseDesk, note: _Note) -> None:
    """Note it. That it cannot be noted makes no dump worse: it is not known to be good, then."""
    try:
        desk.files.replace(f"{note.path}.checked", msgspec.json.encode(note) + b"\n")
    except OSError:
        return


def _notes(client: Client, folder: str) -> dict[str, _Note]:
    done = client.on_host(_CHECKED, folder)
    try:
        notes = [msgspec.json.decode(line, type=_Note) for line in done.stdout.splitlines()]
    except msgspec.MsgspecError:
        return {}
    return {note.path: note for note in notes}


def _checked(notes: dict[str, _Note], one: Backup) -> Fact[Checked]:
    note = notes.get(one.path)
    if note is None or note.sha256 != one.sha256:
        return Unknown("it was not looked at yet")
    return Known(note.checked)


def _now(desk: DatabaseDesk) -> int:
    return desk.tools.clock.now() // _NANO
