"""The steps by which a schema goes down before the switch, and by which it comes back."""

from collections.abc import Iterator, Sequence
from itertools import chain

from lastgood.model.descent import Descent, KeptBackup
from lastgood.model.facts import Unknown
from lastgood.model.observed import State
from lastgood.model.step import (
    BackupStep,
    DownStep,
    LossyDownStep,
    ReloadStep,
    StartStep,
    Step,
    StopStep,
    TrialStep,
)
from lastgood.plan.draft import Draft, Going, Schema
from lastgood.plan.naming import Names


def descents(goings: Sequence[Going], name: Names) -> tuple[Step, ...]:
    """Before anything is switched: nobody writes, a backup, the way down, and a trial out of traffic."""
    return tuple(chain.from_iterable(_descent(going, name) for going in goings if going.draft.schema.descent))


def _descent(going: Going, name: Names) -> Iterator[Step]:
    draft, service = going.draft, going.draft.target.service
    schema, descent = draft.schema, draft.schema.descent
    if descent is None:
        return
    yield from _stops(draft, name)
    backup = BackupStep(
        name("backup", service), service, schema.host, schema.folder, descent.before,
        "it holds all that was written: nobody writes any more",
    )  # fmt: skip
    yield backup
    yield _down(service, schema, descent, name, KeptBackup(backup.id))
    first = going.hosts[0]
    because = "the older release has to start with that schema before any traffic comes, or the backup is put back"
    yield TrialStep(name("trial", service), service, first, going.image, because)


def _down(service: str, schema: Schema, descent: Descent, name: Names, kept: KeptBackup) -> Step:
    because = "the older release does not know the version that the schema is at"
    if schema.losses:
        lossy = name("lossy-down", service)
        return LossyDownStep(lossy, service, schema.host, descent, schema.losses, kept, because)
    return DownStep(name("down", service), service, schema.host, descent, kept, because)


def _stops(draft: Draft, name: Names) -> Iterator[StopStep]:
    service = draft.target.service
    for host, names in writers(draft):
        because = "what is written after the backup would be in none"
        yield StopStep(name("stop", service, host), service, host, names, because)


def writers(draft: Draft) -> list[tuple[str, tuple[str, ...]]]:
    """The service's containers that run, by host."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for host, view in draft.observed.hosts.items():
        if not isinstance(view.containers, Unknown):
            names = tuple(one.name for one in view.containers.value if one.mine and one.state is not State.EXITED)
            found += [(host, names)] if names else []
    return found


def ascents(goings: Sequence[Going], name: Names, before: Names) -> tuple[Step, ...]:
    """Before what ran is put back: the database as it was backed up, and who was stopped started again.

    `before` names the steps that did it.
    """
    return tuple(chain.from_iterable(_ascent(going, name, before) for going in goings if going.draft.schema.descent))


def _ascent(going: Going, name: Names, before: Names) -> Iterator[Step]:
    draft, service = going.draft, going.draft.target.service
    descent = draft.schema.descent
    if descent is None:
        return
    because = "no traffic came since the backup, so nothing is lost by it"
    yield ReloadStep(name("reload", service), service, draft.schema.host, before("backup", service), descent, because)
    for host, names in writers(draft):
        because = "they were stopped for the backup"
        yield StartStep(name("start", service, host), service, host, before("stop", service, host), names, because)
