"""`lastgood db status`: the schema's version, what it means, and how the releases stand to it."""

from collections.abc import Callable

from lastgood.database.choices import unanswered
from lastgood.database.desk import DatabaseDesk
from lastgood.database.releases import migrations
from lastgood.database.tables import Tool, recognised, state
from lastgood.model.database import Difference
from lastgood.model.errors import Refused
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Observed
from lastgood.model.release import Image
from lastgood.model.schema import NOTHING, Migrations, SchemaState
from lastgood.model.standing import Ahead, DatabaseStatus
from lastgood.plan import report
from lastgood.plan.running import identify
from lastgood.postgres.facts import overview


def status(
    desk: DatabaseDesk, observed: Observed, drift: Callable[[Tool, SchemaState], Fact[Difference]] | None = None
) -> DatabaseStatus:
    """One look at the database and at what the releases know; `drift` is asked where it is given.

    Raises Refused, NeedsHuman where the database cannot be asked.
    """
    client = desk.client()
    tool = recognised(client, desk.spec.migrator)
    found, there = state(client, tool), overview(client)
    if isinstance(there, Unknown):
        raise unanswered(client, there.reason)
    runs = ahead(desk, observed, running(observed), tool, found)
    target = desk.target
    return DatabaseStatus(
        target=target.name,
        database=desk.shown,
        server=there.value.version,
        number=there.value.number,
        size=there.value.size,
        tool=tool.kind,
        table=tool.table,
        schema_version=found.version,
        dirty=found.dirty,
        applied=found.applied,
        doubt=found.doubt,
        meaning=meaning(found, runs),
        runs=runs,
        back_to=ahead(desk, observed, last_good(desk, observed), tool, found),
        next=_next(desk, found),
        drift=drift(tool, found) if drift else None,
    )


def running(observed: Observed) -> Fact[Image]:
    """The image that runs."""
    try:
        found = identify(observed)
    except Refused as error:
        return Unknown(" ".join((error.what, *error.because)))
    if found.image is None:
        return Unknown("containers run different images" if found.mixed else "no container runs")
    return Known(found.image.image)


def last_good(desk: DatabaseDesk, observed: Observed) -> Fact[Image]:
    """The image that a rollback would go to."""
    found = report.status(desk.target, observed).last_good
    return found if isinstance(found, Unknown) else Known(found.value.image)


def ahead(desk: DatabaseDesk, observed: Observed, image: Fact[Image], tool: Tool, found: SchemaState) -> Fact[Ahead]:
    """How a release stands to the database. Unknown where its migrations cannot be had."""
    if isinstance(image, Unknown):
        return image
    sourced = migrations(desk, observed, image.value, tool.migrator)
    if isinstance(sourced, Unknown):
        return sourced
    return Known(compared(image.value, sourced.value.where, sourced.value.migrations, found))


def compared(image: Image, where: str, known: Migrations, found: SchemaState) -> Ahead:
    """A release's migrations against what is applied."""
    versions = [one.version for one in known.steps]
    applied = found.applied if found.applied is not None else _up_to(versions, found.version)
    missing = tuple(one for one in applied if one not in versions)
    if found.version != NOTHING and found.version not in versions and found.version not in missing:
        missing = (*missing, found.version)
    pending = tuple(one for one in versions if one not in applied)
    return Ahead(image, where, known.newest, missing, pending)


def _up_to(versions: list[str], version: str) -> tuple[str, ...]:
    """What is applied where the tool notes the newest only: all up to it, in the release's order."""
    if version in versions:
        return tuple(versions[: versions.index(version) + 1])
    if version == NOTHING:
        return ()
    # A version that the release does not know: numbers say which of its own come before.
    before = [one for one in versions if one.isdigit() and version.isdigit() and int(one) < int(version)]
    return (*before, version)


def meaning(found: SchemaState, runs: Fact[Ahead]) -> tuple[str, ...]:
    """What a dirty version leaves open, as sentences; empty where it is not dirty."""
    if not found.dirty:
        return ()
    at = f"version {found.version}" if found.version != NOTHING else "no version"
    said = [
        f"a step to {at} was begun and its end was not noted: the file may have been applied, in part or not at all",
        f"either the step up to {at} failed, or the step down to it from the next one",
    ]
    if isinstance(runs, Known) and runs.value.missing:
        said.append(f"the release that runs does not know {', '.join(runs.value.missing)}")
    return tuple(said)


def _next(desk: DatabaseDesk, found: SchemaState) -> tuple[str, ...]:
    words = f"{desk.target.service} {desk.target.env}"
    return (f"lastgood db resolve {words}",) if found.dirty else ()
