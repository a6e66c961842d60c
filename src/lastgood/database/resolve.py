"""`lastgood db resolve`: what was really applied, by the schema itself; and setting the version to that."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace

import msgspec

from lastgood.database import _setting, _truth
from lastgood.database._compared import Compared, Search, Sources
from lastgood.database._doubted import Partly, attributed, doubts, partly
from lastgood.database._replay import Note, Stand
from lastgood.database.choices import unanswered
from lastgood.database.desk import DatabaseDesk
from lastgood.database.releases import Sourced, migrations
from lastgood.database.status import running
from lastgood.database.tables import Tool, answer, read, recognised
from lastgood.model.database import Failed, Fingerprint
from lastgood.model.errors import NeedsHuman, Refused, WorldMoved
from lastgood.model.facts import Fact, Unknown
from lastgood.model.observed import Observed
from lastgood.model.schema import SchemaState
from lastgood.model.standing import Deviation, Resolution, Truth
from lastgood.ports import Clock
from lastgood.postgres.client import Client
from lastgood.postgres.fingerprint import difference


@dataclass(frozen=True)
class Case:
    """A database to look into. `words` are its SERVICE and ENV, `shown` is how people call it."""

    words: tuple[str, str]
    shown: str
    client: Client
    tool: Tool
    sources: Sources
    clock: Clock
    note: Note

    def stand(self) -> Stand:
        """Where migrations are replayed, under a name that nobody else has."""
        return Stand(self.client, self.tool.table, f"resolve-{secrets.token_hex(4)}", self.note)


@dataclass(frozen=True)
class Looked:
    """What was found, and what it was found by: it must still be so when the version is set.

    `seen` is what the tool's table said, in its own words; `versions` are those of the migrations, oldest first.
    """

    resolution: Resolution
    state: SchemaState
    seen: str
    schema: Fingerprint
    versions: tuple[str, ...]


def case(desk: DatabaseDesk, observed: Observed, note: Note) -> Case:
    """A target's database. `note` is told what takes time. Raises Refused where its migration tool cannot be told."""
    client = desk.client()
    tool = recognised(client, desk.spec.migrator)
    words = (desk.target.service, desk.target.env)

    def sources() -> Iterator[Fact[Sourced]]:
        image = running(observed)
        yield image if isinstance(image, Unknown) else migrations(desk, observed, image.value, tool.migrator)
        for one in dict.fromkeys(release.image for release in observed.history):
            if isinstance(image, Unknown) or one != image.value:
                yield migrations(desk, observed, one, tool.migrator)

    return Case(words, desk.shown, client, tool, sources, desk.tools.clock, note)


def look(here: Case) -> Looked:
    """What was really applied. Touches nothing but a throw-away database.

    Raises LeaseHeld where a migration is under way, Refused where the database or the migrations cannot be asked,
    NeedsHuman where the tool's table cannot be read.
    """
    _setting.check_free(here.client, here.tool)
    seen = answer(here.client, here.tool)
    state = read(here.client, here.tool, seen)
    stand = here.stand()
    live = stand.schema(here.client)
    if isinstance(live, Unknown):
        raise unanswered(here.client, live.reason, "The schema of the database cannot be read.")
    search = Search(stand, state, live.value)
    found = search.run(here.sources)
    resolution = _resolution(here, stand, state, found)
    said = (*resolution.said, *_otherwise(search.running, found))
    return Looked(msgspec.structs.replace(resolution, said=said), state, seen, live.value, found.versions[1:])


def choose(here: Case, looked: Looked, version: str) -> Looked:
    """The same with `version` to be set, "" for none. Raises Refused where the schema is not that version's."""
    found = looked.resolution
    if version not in found.matches:
        names = ", ".join(one or "none" for one in found.matches)
        raise Refused(
            f"The schema is not that of {_truth.called(version)}.",
            because=(f"it is that of: {names}" if names else "it is that of no version",),
            next=(f"lastgood db resolve {' '.join(here.words)}",),
        )
    wanted = looked.versions[: looked.versions.index(version) + 1] if version else ()
    if _says(looked.state, version, wanted):
        right = msgspec.structs.replace(found, truth=Truth.RIGHT, to=None, sql="", next=())
        return replace(looked, resolution=right)
    sql = _setting.sql(here.tool.migrator, looked.state, wanted)
    agreed = (f"lastgood db resolve {' '.join(here.words)} --set {version or 'none'} --yes",)
    return replace(looked, resolution=msgspec.structs.replace(found, to=version, sql=sql, next=agreed))


def settle(here: Case, looked: Looked) -> Resolution:
    """Set the version that the resolution names, and look again: table and schema must be what was wanted.

    Raises WorldMoved where anything is not as it was looked at, LeaseHeld where somebody else is at work, Refused where
    the server would not; nothing was set then. Raises NeedsHuman where it was, and is not what was wanted.
    """
    found = looked.resolution
    if found.to is None:
        raise Refused("There is no version to be set.", because=found.said, next=found.next)
    _same_schema(here, looked)
    done = _setting.note(here.client, here.tool, looked.seen, found.sql, here.clock)
    state = read(here.client, here.tool, answer(here.client, here.tool))
    wanted = looked.versions[: looked.versions.index(found.to) + 1] if found.to else ()
    if not _says(state, found.to, wanted):
        _failed(here, done, state)
    _same_schema(here, looked, set_=True)
    return msgspec.structs.replace(found, done=True, next=())


def _failed(here: Case, done: object, state: SchemaState) -> None:
    why = done.reason if isinstance(done, Failed) else "the server reported no error"
    if isinstance(done, Failed) and not done.in_doubt:
        raise Refused(f"The version was not set: {here.tool.table} is as it was.", because=(why,), next=_again(here))
    now = f"{here.tool.table} says {_truth.called(state.version)}{', dirty' if state.dirty else ''}"
    raise NeedsHuman("The version is not what was to be set.", because=(why, now), next=_again(here))


def _again(here: Case) -> tuple[str, ...]:
    return (f"lastgood db resolve {' '.join(here.words)}",)


def _same_schema(here: Case, looked: Looked, *, set_: bool = False) -> None:
    now = here.stand().schema(here.client)
    if isinstance(now, Unknown):
        what = "The version was set, and the schema" if set_ else "The schema"
        raise (NeedsHuman if set_ else Refused)(f"{what} cannot be read.", because=(now.reason,), next=_again(here))
    if now.value.digest != looked.schema.digest:
        because = difference(looked.schema, now.value).real
        what = "The version was set, and the schema has changed" if set_ else "The schema has changed; nothing was set"
        raise (NeedsHuman if set_ else WorldMoved)(f"{what}.", because=because, next=_again(here))


def _says(state: SchemaState, version: str, wanted: tuple[str, ...]) -> bool:
    """Whether the table says that version and no other, and that nothing is under way."""
    applied = state.applied is None or set(state.applied) == set(wanted)
    return state.version == version and applied and not state.dirty and not state.doubt


def _resolution(here: Case, stand: Stand, state: SchemaState, found: Compared) -> Resolution:
    kind = _truth.truth(state, found)
    at = found.matches[0] if kind is Truth.WRONG else None
    wanted = found.versions[1 : at + 1] if at is not None else ()
    parted = None if found.matches or found.as_noted else _parted(stand, state, found)
    if parted:
        kind = Truth.DIFFERENT
    matches = tuple(found.versions[at] for at in found.matches)
    words = " ".join(here.words)
    nearest, differences = _nearest(state, found) if not matches and not found.as_noted else (None, ())
    return Resolution(
        target="/".join(here.words),
        database=here.shown,
        tool=here.tool.kind,
        table=here.tool.table,
        schema_version=state.version,
        dirty=state.dirty,
        applied=state.applied,
        doubt=state.doubt,
        where=found.sourced.where,
        truth=kind,
        matches=matches,
        to=None if at is None else found.versions[at],
        sql="" if at is None else _setting.sql(here.tool.migrator, state, wanted),
        said=(*_truth.happened(state, found), *(_truth.halfway(parted) if parted else ())),
        nearest=nearest,
        differences=differences,
        taken=found.replayed.taken,
        next=_truth.choices(words, kind, matches, parted),
    )


def _parted(stand: Stand, state: SchemaState, found: Compared) -> Partly | None:
    """The script of which a part is there, statement by statement."""
    each = (partly(stand, found.steps, found.live, doubt) for doubt in doubts(state, found.steps))
    return next(filter(None, each), None)


def _nearest(state: SchemaState, found: Compared) -> tuple[str, tuple[Deviation, ...]]:
    stage = found.nearest(state.version)
    begun = [doubt.script for doubt in doubts(state, found.steps)]
    others = [step.up for step in reversed(found.steps) if step.up]
    return stage.version, attributed(difference(stage.schema, found.live).real, (*begun, *others))


def _otherwise(runs: Sourced | None, found: Compared) -> Iterator[str]:
    """Files that the release that runs has otherwise than the one whose migrations explain the schema."""
    if runs is None or runs is found.sourced:
        return
    here = {step.version: step.up for step in runs.migrations.steps}
    for step in found.steps:
        mine = here.get(step.version)
        if step.up and mine and mine.sha256 != step.up.sha256:
            yield f"the release that runs has another {mine.path} than {found.sourced.where}"
