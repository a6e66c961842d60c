"""What becomes of the database when a release goes back: decided before anything is planned, tried on a copy first."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Final

import msgspec

from lastgood.database import booting
from lastgood.database.choices import ALONE, OTHERWISE, addressed, reading
from lastgood.database.deployed import since
from lastgood.database.desk import DatabaseDesk
from lastgood.database.down import descent, undone
from lastgood.database.drift import undrifted
from lastgood.database.rehearsal import Copies, Older, Rehearsing
from lastgood.database.releases import Sourced, migrations
from lastgood.database.tables import Tool, recognised, state
from lastgood.database.toolway import by_tool
from lastgood.database.trials import check, configured
from lastgood.model.descent import Descent
from lastgood.model.duration import spoken
from lastgood.model.errors import LastgoodError, NeedsHuman, Refused
from lastgood.model.facts import Fact, Known, Unknown, known_or
from lastgood.model.plan import Scope
from lastgood.model.rehearsal import Booted, Rehearsal
from lastgood.model.release import Image
from lastgood.model.schema import SchemaState
from lastgood.model.target import Target
from lastgood.plan.choose import Candidate
from lastgood.plan.draft import Draft, Schema
from lastgood.postgres.facts import overview
from lastgood.run.lineage import Knowing, User, below, knows, most

_MEGA = 1_000_000
_QUICK: Final = 2_000_000_000  # bytes that are copied for a release that may never be tried: seconds, not minutes


class Course:
    """One database on its way back, round by round: each release is tried where the one before leaves it.

    `users` are all services that use it; it is looked after with the first one. Its copy is gone once `stack` ends.
    With `down` it goes down even where it need not.
    """

    def __init__(self, users: Sequence[User], stack: ExitStack, tell: Callable[[str], None], *, down: bool) -> None:
        self._users = tuple(users)
        self._copies = stack.enter_context(Copies())
        self._tell = tell
        self._down = down
        self._run = f"{self._desk.spec.container or self._draft.target.service}-{secrets.token_hex(4)}"
        self._lost: Schema | None = None
        self._seen: tuple[str, ...] = ()
        self._stands: tuple[Tool, SchemaState] | None = None
        self._rounds = 0

    @property
    def _desk(self) -> DatabaseDesk:
        return self._users[0].desk

    @property
    def _draft(self) -> Draft:
        return self._users[0].draft

    def next(self, candidates: Sequence[Candidate]) -> tuple[Schema, ...]:
        """What becomes of it in the next round, in which each user goes to a candidate: for each of them.

        Raises NeedsHuman where the schema is dirty, or nobody can tell what it is; Refused where the way down cannot be
        rehearsed, or must not be gone. Where the database cannot be asked, the schema stays, and that is said.
        """
        with addressed(self._draft.target):
            found = self._decided(candidates)
        self._rounds += 1
        if len(self._users) == 1:
            return (found,)
        owner = self._draft.target.service
        one = msgspec.structs.replace(found, database=owner)
        return (one, *(Schema(found.said, database=owner) for _ in self._users[1:]))

    def _decided(self, candidates: Sequence[Candidate]) -> Schema:
        if self._lost is not None:
            return self._lost
        tool = self._tool()
        if isinstance(tool, Schema):
            self._lost = tool
            return tool
        found = self._found(tool)
        older = self._known(tool, [candidate.image.image for candidate in candidates])
        if isinstance(older, Unknown):
            if self._down or self._fell:
                raise Refused(
                    "It is not known which migrations the older release knows.",
                    because=(older.reason,),
                    next=(reading(self._desk.spec), ALONE),
                )
            return _unproven(f"which migrations it knows is not known: {older.reason}")
        if all(knows(one, found) for _, _, one in older.value):
            where = ", where the attempt before leaves it" if self._fell else ""
            return Schema(f"stays at version {found.version or 'none'}{where}, which this release knows")
        self._patient(candidates)
        return self._moving(candidates, (tool, found, older.value))

    @property
    def _fell(self) -> bool:
        """Whether a round before takes it down."""
        return self._stands is not None

    def _tool(self) -> Tool | Schema:
        """The migration tool; or what becomes of a database that is left alone."""
        alone = self._draft.scope in {Scope.IMAGE_ONLY, Scope.CONFIG_ONLY} and not self._down
        try:
            tool = recognised(self._desk.client(), self._desk.spec.migrator)
        except LastgoodError as error:
            if self._down or self._fell or (isinstance(error, NeedsHuman) and not alone):
                raise
            return _unproven(" ".join((error.what, *error.because)))
        return _left_alone(self._desk, tool) if alone else tool

    def _found(self, tool: Tool) -> SchemaState:
        """Where it stands when the round begins. Raises NeedsHuman where that is dirty."""
        if self._stands is not None:
            return self._stands[1]
        found = state(self._desk.client(), tool)
        clean(self._draft.target, found)
        return found

    def _known(self, tool: Tool, images: Sequence[Image]) -> Fact[tuple[Knowing, ...]]:
        """What a release of each user knows; Unknown where it is not known of one."""
        found: list[Knowing] = []
        for user, image in zip(self._users, images, strict=True):
            known = migrations(user.desk, user.draft.observed, image, tool.migrator)
            if isinstance(known, Unknown):
                return known
            found.append((user, image, known.value))
        return Known(tuple(found))

    def _patient(self, candidates: Sequence[Candidate]) -> None:
        """Raise Refused where a large copy would be made for a release that may never be tried: nobody waits for it."""
        if not self._rounds or self._copies.made:
            return
        there = overview(self._desk.client())
        if isinstance(there, Unknown) or there.value.size > _QUICK:
            large = there.reason if isinstance(there, Unknown) else f"it has {there.value.size / _MEGA:.0f} MB"
            name = candidates[0].release.image.name
            raise Refused(
                "It may need an older schema, and the database is not copied only to find that out beforehand.",
                because=(large,),
                next=(f"lastgood plan {self._draft.target.service} {self._draft.target.env} --to {name}",),
            )

    def _moving(self, candidates: Sequence[Candidate], there: tuple[Tool, SchemaState, tuple[Knowing, ...]]) -> Schema:
        """An older release lacks versions that the database has: tried on a copy with them, then without."""
        tool, found, older = there
        self._triable(candidates, found.version)
        to = most(older)[2].migrations.newest
        names = ", ".join(candidate.image.image.name for candidate in candidates)
        first, others = self._older(candidates)
        # Nothing is pulled to be tried on a copy.
        untried = isinstance(first, Unknown) or not all(candidate.image.image_id for candidate in candidates)
        way = _found(
            lambda: self._way(tool, found, older, first),
            lambda newer: self._undrifted(tool, found, newer),
            self._tell,
            certain=self._down or untried,
        )
        made = 2 if self._copies.made else 0  # how the copy was made is told once
        shown = self._copies.rehearse(
            Rehearsing(
                desk=self._desk,
                tool=tool,
                way=way,
                run=self._run,
                older=first,
                compatible=not self._down,
                tell=self._tell,
                others=others,
            )
        )
        version = found.version or "none"
        if shown.descent is None:
            return Schema(
                f"stays at version {version}: {names} was seen to start with it, on a copy", _told(shown)[made:]
            )
        if isinstance(shown.after, Known) and not shown.after.value.healthy:
            words = f"{self._draft.target.service} {self._draft.target.env}"
            raise Refused(
                f"{names} does not start on a copy whose schema went down to {to or 'none'}.",
                because=(shown.after.value.said,),
                next=(f"lastgood history {words}   # another release: --to", ALONE, OTHERWISE),
            )
        seen = () if self._fell else self._seen
        self._stands = (tool, below(found, shown.descent))
        return Schema(
            f"goes down from version {version} to {to or 'none'}, by the downs of the release that runs",
            (*seen, *_told(shown)[made:]),
            shown.descent,
            since(self._desk, self._draft.running.image, shown.losses),
            self._desk.spec.host,
            self._desk.spec.backups,
        )

    def _triable(self, candidates: Sequence[Candidate], version: str) -> None:
        """Raise Refused where a trial out of traffic could not say anything of one of them."""
        for user, candidate in zip(self._users, candidates, strict=True):
            host = next(iter(user.draft.observed.hosts))
            mine = _mine(user.draft, host)
            check(user.desk.tools.process, user.draft.target, host, mine, candidate.image, version)

    def _undrifted(self, tool: Tool, found: SchemaState, newer: Sourced) -> None:
        """Raise Refused where the schema is not what its migrations make. Looked at once: a copy goes on from there."""
        if not self._seen and not self._fell:
            self._seen = (undrifted(self._desk.client(), tool, found, newer, self._tell),)

    def _way(
        self, tool: Tool, found: SchemaState, older: Sequence[Knowing], first: Fact[Older]
    ) -> tuple[Descent, Sourced]:
        """The way down, and the migrations that it is of. Raises Refused where there is none."""
        to = most(older)[2].migrations.newest
        if to == found.version:
            needs, least = most(older), min(older, key=lambda one: len(one[2].migrations.steps))
            raise Refused(
                f"{least[1].name} does not start with version {to}, which {needs[1].name} needs.",
                because=("both use the same database",),
                next=("lastgood history SERVICE ENV   # another release: --to", ALONE),
            )
        running = [user.draft.running.image for user in self._users]
        known = [runs.image for runs in running if runs is not None]
        if len(known) != len(running):
            raise Refused(
                "It is not known which release brought the schema: no single image runs.",
                next=("lastgood status SERVICE ENV", ALONE),
            )
        newer = self._known(tool, known)
        if isinstance(newer, Unknown):
            raise Refused(
                "The downs of the release that runs cannot be had.",
                because=(newer.reason,),
                next=(reading(self._desk.spec), ALONE),
            )
        _, _, best = most(newer.value)
        if not best.migrations.native:
            return self._by_tool(tool, found, best, most(older)[2], first), best
        steps = undone(best.migrations, found, to, best.where)
        return descent(tool, found, steps, to, self._desk.spec.schema), best

    def _by_tool(self, tool: Tool, found: SchemaState, newer: Sourced, older: Sourced, apart: Fact[Older]) -> Descent:
        """The way down by the tool's own program. Raises Refused where it is not certain whose program that is."""
        runs = self._users[0].draft.running.image
        if len(self._users) > 1 or runs is None:
            raise Refused(
                f"Only {tool.kind} itself can take the schema down, and several services use the database.",
                because=("it is not certain whose program and configuration it needs",),
                next=("lastgood db plan SERVICE ENV   # of one of them", ALONE),
            )
        return by_tool(self._desk, tool, found, newer, older, runs, apart)

    def _older(self, candidates: Sequence[Candidate]) -> tuple[Fact[Older], tuple[Older, ...]]:
        """What is started beside the copy, of each user; Unknown where one cannot be told apart from production."""
        pairs = zip(self._users, candidates, strict=True)
        found = [_older(user.desk, user.draft, candidate) for user, candidate in pairs]
        blind = next((one for one in found if isinstance(one, Unknown)), None)
        return blind or found[0], tuple(one.value for one in found[1:] if isinstance(one, Known))


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
    lines += _by_tool(shown.descent)
    lines += [f"holds {lock.mode.words} on {lock.relation} meanwhile" for lock in shown.locks]
    lines += [f"drops {name}" for name in shown.dropped]
    lines.append(f"the older release with the schema gone down: {_fared(shown.after)}")
    return tuple(lines)


def _by_tool(way: Descent) -> Iterator[str]:
    """What there is to say of a way down that only the migration tool itself can go."""
    if way.own is None:
        return
    yield f"by {way.kind} itself, in a container of the release that runs"
    if way.own.unseen:
        yield "what it did on the copy is all that is known of it: its SQL cannot be shown"
    yield from (f"changes the schema: {one}" for one in way.own.changes)


def _fared(booted: Fact[Booted]) -> str:
    if isinstance(booted, Unknown):
        return f"unproven: {booted.reason}"
    return f"{'starts' if booted.value.healthy else 'does not start'}: {booted.value.said}"
