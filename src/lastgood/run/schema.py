"""What becomes of the database when a release goes back: decided before anything is planned, tried on a copy first."""

import secrets
from collections.abc import Callable
from functools import partial

from lastgood.database import booting
from lastgood.database.choices import ALONE, OTHERWISE, addressed, reading
from lastgood.database.deployed import since
from lastgood.database.desk import DatabaseDesk
from lastgood.database.down import descent, undone
from lastgood.database.drift import undrifted
from lastgood.database.rehearsal import Older, Rehearsing, rehearse
from lastgood.database.releases import Sourced, migrations
from lastgood.database.tables import Tool, recognised, state
from lastgood.database.trials import check, configured
from lastgood.model.descent import Descent
from lastgood.model.duration import spoken
from lastgood.model.errors import LastgoodError, NeedsHuman, Refused
from lastgood.model.facts import Fact, Known, Unknown, known_or
from lastgood.model.plan import Scope
from lastgood.model.rehearsal import Booted, Rehearsal
from lastgood.model.schema import NOTHING, SchemaState
from lastgood.model.target import Target
from lastgood.plan.choose import Candidate
from lastgood.plan.draft import Draft, Schema

_MEGA = 1_000_000


def decide(
    desk: DatabaseDesk, draft: Draft, candidate: Candidate, tell: Callable[[str], None], *, down: bool = False
) -> Schema:
    """What becomes of the database for this candidate; with `down` it goes down even where it need not.

    Raises NeedsHuman where the schema is dirty, or nobody can tell what it is; Refused where the way down cannot be
    rehearsed, or must not be gone. Where the database cannot be asked, the schema stays, and that is said.
    """
    with addressed(draft.target):
        return _decided(desk, draft, candidate, tell, down=down)


def _decided(
    desk: DatabaseDesk, draft: Draft, candidate: Candidate, tell: Callable[[str], None], *, down: bool
) -> Schema:
    alone = draft.scope in {Scope.IMAGE_ONLY, Scope.CONFIG_ONLY} and not down
    try:
        tool = recognised(desk.client(), desk.spec.migrator)
    except LastgoodError as error:
        if down or (isinstance(error, NeedsHuman) and not alone):
            raise
        return _unproven(" ".join((error.what, *error.because)))
    if alone:
        return _left_alone(desk, tool)
    found = state(desk.client(), tool)
    clean(draft.target, found)
    older = migrations(desk, draft.observed, candidate.image.image, tool.migrator)
    if isinstance(older, Unknown):
        if down:
            raise Refused(
                "It is not known which migrations the older release knows.",
                because=(older.reason,),
                next=(reading(desk.spec), ALONE),
            )
        return _unproven(f"which migrations it knows is not known: {older.reason}")
    known = [one.version for one in older.value.migrations.steps]
    applied = found.applied if found.applied is not None else (found.version,)
    if all(one in known or one == NOTHING for one in applied):
        return Schema(f"stays at version {found.version or 'none'}, which this release knows")
    return _moving(desk, draft, candidate, tell, (tool, found, older.value), down=down)


def _unproven(because: str) -> Schema:
    return Schema(f"database schema untouched; whether this release works with it is unproven: {because}")


def _left_alone(desk: DatabaseDesk, tool: Tool) -> Schema:
    """As was asked for, whatever state it is in: even where that cannot be read."""
    try:
        version = f"at version {state(desk.client(), tool).version or 'none'}"
    except LastgoodError as error:
        version = f"as it is ({' '.join((error.what, *error.because))})"
    return _unproven(f"it stays {version}, as was asked for")


def clean(target: Target, found: SchemaState) -> None:
    """Raise NeedsHuman where the schema is dirty, or its version cannot be believed."""
    if not found.dirty and not found.doubt:
        return
    at = f"dirty at version {found.version or 'none'}" if found.dirty else "at a version that cannot be believed"
    raise NeedsHuman(
        f"The schema of {target.name} is {at}.",
        because=(found.doubt or "a migration was begun and its end was not noted",),
        next=("lastgood db status SERVICE ENV", "lastgood db resolve SERVICE ENV   # what was really applied", ALONE),
    )


def _moving(  # noqa: PLR0913 - what moves, from where, to where
    desk: DatabaseDesk,
    draft: Draft,
    candidate: Candidate,
    tell: Callable[[str], None],
    there: tuple[Tool, SchemaState, Sourced],
    *,
    down: bool,
) -> Schema:
    """The older release lacks versions that the database has: tried on a copy with them, then without."""
    tool, found, older = there
    host = next(iter(draft.observed.hosts))
    check(desk.tools.process, draft.target, host, _mine(draft, host), candidate.image, found.version)
    to = older.migrations.newest
    beside = _older(desk, draft, candidate)
    untried = isinstance(beside, Unknown) or not candidate.image.image_id  # nothing is pulled to be tried on a copy
    seen: list[str] = []
    alike = lambda newer: seen.append(undrifted(desk.client(), tool, found, newer, tell))  # noqa: E731 - used once
    way = _found(partial(_way, desk, draft, there, to), alike, tell, certain=down or untried)
    run = f"{desk.spec.container or draft.target.service}-{secrets.token_hex(4)}"
    wanted = Rehearsing(
        desk=desk,
        tool=tool,
        way=way,
        run=run,
        older=beside,
        compatible=not down,
        tell=tell,
    )
    shown = rehearse(wanted)
    version = found.version or "none"
    if shown.descent is None:
        said = f"stays at version {version}: {candidate.image.image.name} was seen to start with it, on a copy"
        return Schema(said, _told(shown))
    if isinstance(shown.after, Known) and not shown.after.value.healthy:
        raise Refused(
            f"{candidate.image.image.name} does not start on a copy whose schema went down to {to or 'none'}.",
            because=(shown.after.value.said,),
            next=(
                f"lastgood history {draft.target.service} {draft.target.env}   # another release: --to",
                ALONE,
                OTHERWISE,
            ),
        )
    return Schema(
        f"goes down from version {version} to {to or 'none'}, by the downs of the release that runs",
        (*seen, *_told(shown)),
        shown.descent,
        since(desk, draft.running.image, shown.losses),
        desk.spec.host,
        desk.spec.backups,
    )


def _mine(draft: Draft, host: str) -> tuple[str, ...]:
    """The service's containers on a host, by name."""
    view = draft.observed.hosts.get(host)
    return tuple(one.name for one in known_or(view.containers, ()) if one.mine) if view else ()


def _found(
    way: Callable[[], tuple[Descent, Sourced]],
    alike: Callable[[Sourced], None],
    tell: Callable[[str], None],
    *,
    certain: bool,
) -> Callable[[], Descent]:
    """The way down, looked for before anything is copied, and given when it is asked for, once the schema is `alike`.

    Raises Refused where there is none and one is `certain` to be needed. Else the copy may still show that none is.
    """
    try:
        found, newer = way()
    except Refused as error:
        if certain:
            raise
        tell(f"{error.what.rstrip('.')}: whether it has to be is tried on a copy")
        return partial(_raised, error)
    if certain:
        alike(newer)
        return lambda: found

    def gone() -> Descent:
        alike(newer)
        return found

    return gone


def _raised(error: Refused) -> Descent:
    because = "and the older release was not seen to start with the schema as it is"
    raise Refused(error.what, because=(*error.because, because), next=error.next) from error


def _way(
    desk: DatabaseDesk, draft: Draft, there: tuple[Tool, SchemaState, Sourced], to: str
) -> tuple[Descent, Sourced]:
    """The way down, and the migrations that it is of. Raises Refused where there is none."""
    tool, found, _ = there
    runs = draft.running.image
    if runs is None:
        raise Refused(
            "It is not known which release brought the schema: no single image runs.",
            next=(f"lastgood status {draft.target.service} {draft.target.env}", ALONE),
        )
    newer = migrations(desk, draft.observed, runs.image, tool.migrator)
    if isinstance(newer, Unknown):
        raise Refused(
            "The downs of the release that runs cannot be had.",
            because=(newer.reason,),
            next=(reading(desk.spec), ALONE),
        )
    steps = undone(newer.value.migrations, found, to, newer.value.where)
    return descent(tool, found, steps, to, desk.spec.schema), newer.value


def _older(desk: DatabaseDesk, draft: Draft, candidate: Candidate) -> Fact[Older]:
    """What is started beside the copy. Unknown where that cannot be told apart from the rest of production."""
    if not desk.spec.container:
        return Unknown("the database is on a server of its own, which a release cannot be kept away from")
    containers, process = _mine(draft, desk.spec.host), desk.tools.process
    if not containers:
        return Unknown("no container of the service runs on the database's host")
    mine = configured(process, desk.spec.host, containers)
    if isinstance(mine, Unknown):
        return mine
    aliases = booting.aliases(process, desk.spec.host, desk.spec.container)
    if isinstance(aliases, Unknown):
        return aliases
    image = candidate.image.image
    reference = candidate.image.image_id or f"{image.repository}@{image.digest}"
    return Known(Older(reference, mine.value[1], aliases.value))


def _told(shown: Rehearsal) -> tuple[str, ...]:
    """What the rehearsal showed, a line each."""
    restored = spoken(shown.restore_seconds)
    lines = [
        f"backed up in {spoken(shown.backup_seconds)} ({shown.size / _MEGA:.1f} MB), restored in {restored}",
        f"{shown.rows} rows counted alike in the database and in its copy",
        f"the older release with the schema as it is: {_fared(shown.before)}",
    ]
    if shown.descent is None:
        return tuple(lines)
    lines.append(f"down in {spoken(shown.down_seconds)}")
    lines += [f"holds {lock.mode.words} on {lock.relation} meanwhile" for lock in shown.locks]
    lines += [f"drops {name}" for name in shown.dropped]
    lines.append(f"the older release with the schema gone down: {_fared(shown.after)}")
    return tuple(lines)


def _fared(booted: Fact[Booted]) -> str:
    if isinstance(booted, Unknown):
        return f"unproven: {booted.reason}"
    return f"{'starts' if booted.value.healthy else 'does not start'}: {booted.value.said}"
