"""What `--to` means where a schema goes down: a version of it, or a release."""

from typing import Final, NamedTuple

from lastgood.database.choices import addressed, reading
from lastgood.database.desk import DatabaseDesk
from lastgood.database.releases import Sourced, migrations
from lastgood.database.tables import Tool, recognised, state
from lastgood.model.errors import Refused, UsageError
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Observed
from lastgood.model.schema import NOTHING, SchemaState
from lastgood.plan.choose import choose
from lastgood.plan.running import Running, identify
from lastgood.plan.wanted import named
from lastgood.run.schema import clean

VERSION: Final = "version:"
RELEASE: Final = "release:"
"""Before a name that could be both."""
NONE: Final = "none"
"""The version of a database without any migration."""


class _Here(NamedTuple):
    """What is known where the question is asked."""

    desk: DatabaseDesk
    observed: Observed
    running: Running
    tool: Tool
    found: SchemaState


def goal(desk: DatabaseDesk, observed: Observed, to: str) -> str:
    """The release that `to` means, as the planner takes it: itself, or a commit whose release ends with that version.

    Raises UsageError for a version that there is not, that is not below the present one, or that is a release's name
    as well; Refused where no release that can be gone back to ends with it; NeedsHuman for a schema that is dirty.
    """
    if to.startswith(RELEASE):
        return to.removeprefix(RELEASE)
    with addressed(desk.target):
        return _meant(desk, observed, to)


def _meant(desk: DatabaseDesk, observed: Observed, to: str) -> str:
    running = identify(observed)
    tool = recognised(desk.client(), desk.spec.migrator)
    here = _Here(desk, observed, running, tool, state(desk.client(), tool))
    sure = to.startswith(VERSION)
    version = _plain(to.removeprefix(VERSION))
    known = _known(here)
    versions = [one.version for one in known.value.migrations.steps] if isinstance(known, Known) else []
    if not sure and version not in versions and not to.isdigit():
        return to
    if not sure and _is_release(here, to):
        if version in versions:
            raise _both(to)
        return to
    if isinstance(known, Unknown):
        because = (known.reason,)
        raise Refused("It is not known which versions the schema has.", because=because, next=(reading(desk.spec),))
    _below(here, known.value, version)
    return _ending_with(here, version)


def _plain(name: str) -> str:
    """A version as the tools have it: numbers without leading zeros."""
    if name == NONE:
        return NOTHING
    return name.lstrip("0") or "0" if name.isdigit() else name


def _called(version: str) -> str:
    return f"version {version}" if version else "no version"


def _known(here: _Here) -> Fact[Sourced]:
    if here.running.image is None:
        return Unknown("no single release runs")
    return migrations(here.desk, here.observed, here.running.image.image, here.tool.migrator)


def _is_release(here: _Here, to: str) -> bool:
    commit = here.desk.tools.repo.resolve(to)
    return commit is not None or named(to, commit, here.observed) is not None


def _both(to: str) -> UsageError:
    again = "lastgood db plan SERVICE ENV --to"
    return UsageError(
        f"{to!r} is a version of the schema, and names a release.",
        next=(f"{again} {VERSION}{to}", f"{again} {RELEASE}{to}"),
    )


def _below(here: _Here, known: Sourced, version: str) -> None:
    """Raise UsageError where that is no version, or none that a schema could go down to."""
    clean(here.desk.target, here.found)
    versions = [NOTHING, *(one.version for one in known.migrations.steps)]
    listed = (f"in {known.where} there are: {', '.join(versions[1:]) or 'none'}",)
    status = "lastgood db status SERVICE ENV"
    if version not in versions:
        raise UsageError(f"There is no version {version} of the schema.", because=listed, next=(status,))
    if here.found.version not in versions:
        return  # the way down says what is strange about it
    if versions.index(version) >= versions.index(here.found.version):
        now = (f"the schema is at {_called(here.found.version)}",)
        what = f"The schema cannot go down to {_called(version)}: that is not below the present one."
        raise UsageError(what, because=now, next=(status, "deploy the release that has it, to go up"))


def _ending_with(here: _Here, version: str) -> str:
    """The commit of the newest release that can be gone back to and ends with that version."""
    target, observed = here.desk.target, here.observed
    choice = choose(target.name, observed, here.running, target.short_lived, len(observed.history))
    others = [f"{one.release.image.name}: {one.because}" for one in choice.skipped]
    for candidate in choice.candidates:
        found = migrations(here.desk, observed, candidate.image.image, here.tool.migrator)
        if isinstance(found, Known) and found.value.migrations.newest == version:
            return candidate.release.commit
        ends = found.reason if isinstance(found, Unknown) else f"ends with {_called(found.value.migrations.newest)}"
        others.append(f"{candidate.release.image.name}: {ends}")
    beyond = () if observed.complete else ("history further back was not read",)
    raise Refused(
        f"No release that can be gone back to ends with {_called(version)}.",
        because=(*others, *beyond),
        next=("lastgood db plan SERVICE ENV --to RELEASE   # one of these, and its version",),
    )
