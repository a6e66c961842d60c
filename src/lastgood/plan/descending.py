"""The steps by which a schema goes down before the switch, and by which it comes back."""

from collections.abc import Iterator, Sequence
from itertools import chain

from lastgood.model.descent import KeptBackup
from lastgood.model.facts import Unknown
from lastgood.model.observed import State
from lastgood.model.plan import Attempt
from lastgood.model.step import (
    BackupStep,
    DownStep,
    LossyDownStep,
    ReloadStep,
    SalvageStep,
    StartStep,
    Step,
    StopStep,
    TrialStep,
)
from lastgood.plan.draft import Draft, Going, Schema
from lastgood.plan.naming import Names

_BACKUP = "it holds all that was written: nobody writes any more"
_SALVAGE = "what is lost can be put back where it was, once a release with that schema is there again"
_TRIAL = "the older release has to start with that schema before any traffic comes, or the backup is put back"


def descents(goings: Sequence[Going], name: Names, number: int) -> tuple[Step, ...]:
    """Before anything is switched: nobody writes, a backup, the way down, and a trial out of traffic.

    All ways of attempt `number` are there from how the database is now: what earlier attempts did of them, and of the
    rest, is passed over when it comes to that.
    """
    lowering = [going for going in goings if going.database]
    return (
        *chain.from_iterable(_stops(going, name, later=number > 1) for going in lowering),
        *(_backup(going, name) for going in lowering if going.ways),
        *chain.from_iterable(_downs(going, name, number) for going in lowering),
        *(
            TrialStep(name("trial", going.draft.target.service), going.draft.target.service, _first(going), going.image,
                _TRIAL)
            for going in lowering if going.moves
        ),
    )  # fmt: skip


def _first(going: Going) -> str:
    return going.hosts[0]


def _stops(going: Going, name: Names, *, later: bool) -> Iterator[StopStep]:
    service = going.draft.target.service
    database = going.database if going.database != service else ""
    for host, names in writers(going.draft):
        because = "what is written after the backup would be in none"
        yield StopStep(name("stop", service, host), service, host, names, because, database, later)


def writers(draft: Draft) -> list[tuple[str, tuple[str, ...]]]:
    """The service's containers that run, by host."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for host, view in draft.observed.hosts.items():
        if not isinstance(view.containers, Unknown):
            names = tuple(one.name for one in view.containers.value if one.mine and one.state is not State.EXITED)
            found += [(host, names)] if names else []
    return found


def _backup(going: Going, name: Names) -> BackupStep:
    service, (_, schema) = going.draft.target.service, going.ways[-1]
    version = schema.descent.before if schema.descent else ""
    return BackupStep(name("backup", service), service, schema.host, schema.folder, version, _BACKUP)


def _downs(going: Going, name: Names, number: int) -> Iterator[Step]:
    service = going.draft.target.service
    for begins, schema in going.ways:
        suffix = f"-{begins}" if begins < number else ""
        down = _down(service, schema, name, suffix)
        if isinstance(down, LossyDownStep):
            keeps = name(f"salvage{suffix}", service)
            yield SalvageStep(keeps, service, schema.host, schema.folder, down.id, _SALVAGE)
        yield down


def _down(service: str, schema: Schema, name: Names, suffix: str) -> DownStep | LossyDownStep:
    because, kept = "the older release does not know the version that the schema is at", name("backup", service)
    if schema.descent is None:
        raise ValueError("a way is gone by a descent")
    if schema.losses:
        lossy = name(f"lossy-down{suffix}", service)
        return LossyDownStep(lossy, service, schema.host, schema.descent, schema.losses, KeptBackup(kept), because)
    return DownStep(name(f"down{suffix}", service), service, schema.host, schema.descent, KeptBackup(kept), because)


def restarts(goings: Sequence[Going], name: Names) -> tuple[Step, ...]:
    """After the switches: who was stopped for the sake of somebody else's schema, and stays on what it runs."""
    because = "it stays on what it runs, and was stopped for the backup"
    return tuple(
        StartStep(name("start", service, host), service, host, name("stop", service, host), names, because)
        for going in goings
        if going.database and not going.moves
        for service in (going.draft.target.service,)
        for host, names in writers(going.draft)
    )


def ascents(attempts: Sequence[Attempt], name: Names) -> tuple[Step, ...]:
    """Before what ran is put back: databases as they were backed up last, and who was stopped started again."""
    latest = tuple(reversed(attempts))
    return (
        *chain.from_iterable(_reloads(attempts, attempt, name) for attempt in latest),
        *chain.from_iterable(_starts(attempt, name) for attempt in latest),
    )


def _reloads(attempts: Sequence[Attempt], attempt: Attempt, name: Names) -> Iterator[ReloadStep]:
    since = [step for later in attempts if later.number >= attempt.number for step in later.steps]
    because = "no traffic came since the backup, so nothing is lost by it"
    for step in attempt.steps:
        if isinstance(step, BackupStep):
            service = step.service
            downs = [one for one in since if isinstance(one, DownStep | LossyDownStep) and one.service == service]
            ways = tuple(dict.fromkeys(down.descent for down in downs))
            yield ReloadStep(name(_numbered("reload", attempt), service), service, step.host, step.id, ways, because)


def _starts(attempt: Attempt, name: Names) -> Iterator[StartStep]:
    for step in attempt.steps:
        if isinstance(step, StopStep):
            back, because = (
                name(_numbered("start", attempt), step.service, step.host),
                "they were stopped for the backup",
            )
            yield StartStep(back, step.service, step.host, step.id, step.containers, because)


def _numbered(verb: str, attempt: Attempt) -> str:
    return f"{verb}-{attempt.number}" if attempt.number > 1 else verb
