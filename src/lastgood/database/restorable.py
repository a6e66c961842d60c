"""What a restore would do: looked at, weighed, and refused where it must not be. Touches nothing."""

from typing import Final

import msgspec

from lastgood.database import backups, containers
from lastgood.database.choices import by_hand
from lastgood.database.desk import DatabaseDesk
from lastgood.database.tables import recognised, state
from lastgood.model.database import Backup, Failed, Overview
from lastgood.model.errors import LastgoodError, Refused, UsageError
from lastgood.model.facts import Unknown
from lastgood.model.restoring import Loss, Restoring, Rows, Stopped
from lastgood.postgres import facts, kept
from lastgood.postgres.asking import ask
from lastgood.postgres.client import Client
from lastgood.postgres.create import MARKER, comments
from lastgood.postgres.quoting import derived
from lastgood.postgres.restore import strays

ROOM: Final = 2
"""How many times the size of the new database must be free: for itself, and for the log of writing it."""

_ASIDE: Final = f"{MARKER}aside: was "
_RIGHTS: Final = """
SELECT json_build_object('create', r.rolcreatedb OR r.rolsuper, 'own', pg_has_role(d.datdba, 'USAGE'))
FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()"""


class _Rights(msgspec.Struct, frozen=True):
    create: bool
    own: bool


def from_dump(desk: DatabaseDesk, name: str, run: str, tell: backups.Tell, *, keep_running: bool) -> Restoring:
    """What restoring a dump would do. `name` is a backup's, or a path; the dump is read to its end.

    Raises Refused where it must not be done, UsageError where there is no such dump.
    """
    client = desk.client()
    there = _here(client)
    path, manifest = backups.chosen(desk, name)
    tell(f"reading {path} to its end")
    form = kept.verify(client, path, manifest.sha256 if manifest else "")
    if isinstance(form, Failed):
        words = f"{desk.target.service} {desk.target.env}"
        raise _no(f"{path} is not good.", form.reason, f"lastgood db backups {words}", f"lastgood db verify {words}")
    stray = strays(client, path, form)
    if stray:
        raise _no(f"{path} cannot be restored beside the database.", stray.reason, "dump it again without --create")
    digest = manifest.sha256 if manifest else _digest(client, path)
    size = _size(desk, path)
    warnings = [*_room(client, there, manifest.database_size if manifest else max(there.size, size), size)]
    warnings += _origin(desk, client, manifest, there)
    stamp = _stamp(run)
    return Restoring(
        target=desk.target.name,
        database=there.name,
        shown=desk.shown,
        oid=there.oid,
        back=False,
        source=path,
        form=form,
        sha256=digest,
        rows=manifest.rows if manifest else None,
        schema_version=manifest.schema_version if manifest else "",
        side=derived(there.name, f"_side_{stamp}"),
        side_oid=0,
        aside=derived(there.name, f"_broken_{stamp}"),
        stops=_stops(desk, keep_running=keep_running),
        loss=_loss(client, manifest.at if manifest else 0, manifest.rows if manifest else None),
        warnings=tuple(warnings),
    )


def from_kept(desk: DatabaseDesk, name: str, run: str, *, keep_running: bool) -> Restoring:
    """What putting a kept database back would do: the one `name`, else the one that was put aside last.

    Raises Refused where it must not be done, UsageError where none is kept.
    """
    client = desk.client()
    there = _here(client)
    maintenance = facts.maintenance(client)
    if isinstance(maintenance, Unknown):
        raise _no("The server cannot be asked.", maintenance.reason)
    said, numbers = comments(maintenance.value), facts.databases(maintenance.value)
    if isinstance(said, Unknown) or isinstance(numbers, Unknown):
        reason = said.reason if isinstance(said, Unknown) else numbers.reason if isinstance(numbers, Unknown) else ""
        raise _no("The server cannot be asked.", reason)
    aside = sorted((one for one, says in said.value.items() if says == f"{_ASIDE}{there.name}"), key=_when)
    if not aside or (name and name not in aside):
        what = f"{name} is no database that was put aside." if name else f"No former database of {there.name} is kept."
        listed = by_hand(maintenance.value, "SELECT datname FROM pg_database")
        raise UsageError(
            what, because=tuple(aside), next=(listed, f"lastgood db backups {desk.target.service} {desk.target.env}")
        )
    side = name or aside[-1]
    counted = facts.counts(maintenance.value.of(side))
    return Restoring(
        target=desk.target.name,
        database=there.name,
        shown=desk.shown,
        oid=there.oid,
        back=True,
        source=side,
        form=None,
        sha256="",
        rows=None,
        schema_version="",
        side=side,
        side_oid=numbers.value[side],
        aside=derived(there.name, f"_former_{_stamp(run)}"),
        stops=_stops(desk, keep_running=keep_running),
        loss=_loss(client, 0, None if isinstance(counted, Unknown) else counted.value),
    )


def _here(client: Client) -> Overview:
    """The database as it is. Raises Refused where it must not be swapped."""
    there = facts.overview(client)
    if isinstance(there, Unknown):
        raise _no("The database cannot be asked.", there.reason)
    if there.value.standby:
        raise _no("The server is a standby: nothing can be restored there.", "name the primary in lastgood.yaml")
    rights, followers = ask(client, _RIGHTS, _Rights), facts.followers(client)
    if isinstance(rights, Unknown) or isinstance(followers, Unknown):
        reason = (
            rights.reason if isinstance(rights, Unknown) else followers.reason if isinstance(followers, Unknown) else ""
        )
        raise _no("The database cannot be asked.", reason)
    user = there.value.user
    if not rights.value.create:
        raise _no(
            f"{user} may not make databases.", "a restore makes one beside the real one", f"ALTER ROLE {user} CREATEDB"
        )
    if not rights.value.own:
        raise _no(
            f"{user} may not rename {there.value.name}.",
            f"it belongs to {there.value.owner}",
            "set `user` of the database in lastgood.yaml",
        )
    found = followers.value
    named = {
        "replication slot": found.slots,
        "subscription": found.subscriptions,
        "prepared transaction": found.prepared,
    }
    because = tuple(f"{what} {one}" for what, each in named.items() for one in each)
    if because:
        raise Refused(
            f"Something follows {there.value.name} that would not follow the restored database.",
            because=because,
            next=("end it first, and set it up again afterwards",),
        )
    return there.value


def _room(client: Client, there: Overview, size: int, dump: int) -> tuple[str, ...]:
    """What is to be said of the disk. Raises Refused where it has too little room."""
    needed = ROOM * size + (dump if client.reach.container else 0)
    room = facts.free_inside(client, there.folder) if there.folder else Unknown("the user may not know its folder")
    if isinstance(room, Unknown):
        return (f"it is not known whether the server's disk has {needed} bytes of room: {room.reason}",)
    if room.value < needed:
        said = f"{needed} bytes are needed, {ROOM} times the new database and a copy of the dump; {room.value} are free"
        raise _no("The server's disk has too little room for a second database.", said)
    return ()


def _size(desk: DatabaseDesk, path: str) -> int:
    done = desk.client().on_host('wc -c < "$1"', path)
    return int(done.text.strip() or "0") if done.ok else 0


def _digest(client: Client, path: str) -> str:
    """What tells a dump without a manifest from another one in its place. Raises Refused where it cannot be read."""
    found = kept.checksum(client, path)
    if isinstance(found, Unknown):
        raise _no(f"{path} is not good.", found.reason)
    return found.value


def _origin(desk: DatabaseDesk, client: Client, manifest: Backup | None, there: Overview) -> tuple[str, ...]:
    """What speaks against the dump, short of refusing it. Raises Refused where the server is too old for it."""
    if manifest is None:
        return ("the dump has no manifest: nobody noted when it was made, of what, or how many rows it has",)
    said = []
    if manifest.number // 10000 > there.major:
        raise _no(
            "The dump is of a newer PostgreSQL than the server.", f"{manifest.number // 10000}, and {there.major}"
        )
    if manifest.database != there.name:
        said.append(f"it is a backup of another database: {manifest.database}")
    now = _version(desk, client)
    if now is not None and manifest.schema_version != now:
        then = manifest.schema_version or "none or unknown"
        versions = f"its schema is at version {then}, the database's at {now or 'none'}"
        said.append(f"{versions}: does the release that runs go with that?")
    return tuple(said)


def _version(desk: DatabaseDesk, client: Client) -> str | None:
    try:
        return state(client, recognised(client, desk.spec.migrator)).version
    except LastgoodError:
        return None


def _stops(desk: DatabaseDesk, *, keep_running: bool) -> tuple[Stopped, ...]:
    return () if keep_running else containers.running(desk)


def _loss(client: Client, since: int, then: dict[str, int] | None) -> Loss:
    now = facts.counts(client)
    if isinstance(now, Unknown):
        return Loss(since, (), now.reason)
    if then is None:
        return Loss(
            since,
            tuple(Rows(name, count, None) for name, count in now.value.items()),
            "nobody counted the rows of the dump",
        )
    each = (Rows(name, now.value.get(name), then.get(name)) for name in sorted(now.value.keys() | then.keys()))
    return Loss(since, tuple(one for one in each if one.now != one.then))


def _when(name: str) -> str:
    """Names of kept databases end with their time."""
    return name[-len("20261128_101502") :]


def _stamp(run: str) -> str:
    """`restore-20261128T101502Z-1a2b` as part of a name: `20261128_101502`."""
    return run.split("-")[1].removesuffix("Z").replace("T", "_")


def _no(what: str, because: str, *then: str) -> Refused:
    return Refused(what, because=(because,), next=then)
