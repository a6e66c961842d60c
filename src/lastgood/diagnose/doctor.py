"""Everything a rollback will need, checked before the incident."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from lastgood.diagnose import caches, health, hosts, releases, repo, rivals, telemetry
from lastgood.diagnose.case import Case, fail, guarded, ok, told, unknown, warn
from lastgood.diagnose.clocks import Dated, Reading, compared
from lastgood.model.errors import LastgoodError
from lastgood.model.observed import Observed
from lastgood.model.release import Judgement
from lastgood.model.report import Check
from lastgood.model.target import Target
from lastgood.observe.together import together
from lastgood.observe.world import observe
from lastgood.ports import Tools

_T = TypeVar("_T")
_DEPTH = 12
# Each target asks git, engine, registry and probes at once; more of them side by side would measure each other.
_AT_ONCE = 4


@dataclass(frozen=True)
class Practice:
    """What the doctor works with. Each may raise LastgoodError, which becomes a check.

    `lease` says who holds a target's lease, `reserve` tries whether the journal can be written, `unfinished` are the
    ids of runs that wait to be taken up; `config` is how the configuration file is called, `outside` checks who is
    told.
    """

    config: str
    tools: Callable[[Target], Tools]
    judgements: Callable[[str], tuple[Judgement, ...]]
    lease: Callable[[Target, Tools], str]
    reserve: Callable[[], None]
    unfinished: Callable[[], tuple[str, ...]]
    outside: Callable[[], tuple[Check, ...]] = tuple


@dataclass(frozen=True)
class _Looked:
    case: Case
    dates: Dated


def examine(practice: Practice, targets: Sequence[Target]) -> tuple[Check, ...]:
    """All checks: this machine's, each deploy branch's, each host's, each target's, and the clocks'. Never raises."""
    here = (
        ok("configuration", f"{practice.config}: targets: {len(targets)}"),
        *guarded("journal", partial(_journal, practice)),
        *guarded("unfinished runs", partial(_unfinished, practice)),
        *guarded("trackers and notifiers", practice.outside),
    )
    batches = [targets[at : at + _AT_ONCE] for at in range(0, len(targets), _AT_ONCE)]
    found = _flat(together([partial(_look, practice, target) for target in batch]) for batch in batches)
    broken = [one for one in found if isinstance(one, Check)]
    rest = guarded("doctor", partial(_all, tuple(one for one in found if isinstance(one, _Looked))))
    return tuple(dict.fromkeys((*here, *broken, *rest)))


def _journal(practice: Practice) -> tuple[Check, ...]:
    practice.reserve()
    return (ok("journal", "it can be written, with room for a run"),)


def _unfinished(practice: Practice) -> tuple[Check, ...]:
    runs = practice.unfinished()
    if not runs:
        return (ok("unfinished runs", "none"),)
    return (warn("unfinished runs", ", ".join(runs), *(f"lastgood resume {run}" for run in runs)),)


def _look(practice: Practice, target: Target) -> _Looked | Check:
    try:
        plain = practice.tools(target)
        dates = Dated(plain.http, plain.clock)
        registry = dates if plain.registry_http is plain.http else plain.registry_http
        tools = replace(plain, http=dates, registry_http=registry)
    except LastgoodError as error:
        return told(f"{target.name}: tools", error)
    except Exception as error:  # noqa: BLE001 - as in `guarded`
        return unknown(f"{target.name}: tools", f"could not be put together: {type(error).__name__}: {error}")
    return _Looked(Case(target, tools, _seen(practice, target, tools)), dates)


def _seen(practice: Practice, target: Target, tools: Tools) -> Observed | LastgoodError:
    try:
        judgements = practice.judgements(target.name)
        return observe(target, tools, judgements, _DEPTH, practice.lease(target, tools))
    except LastgoodError as error:
        return error
    except Exception as error:  # noqa: BLE001 - as in `guarded`
        return LastgoodError(f"{type(error).__name__}: {error}")


def _all(looked: tuple[_Looked, ...]) -> tuple[Check, ...]:
    cases = [one.case for one in looked]
    branches = {(c.target.repo, c.target.branch): c for c in cases}
    places = {(c.target.engine.kind, c.target.state, host): (c, host) for c in cases for host in c.target.hosts}
    repos = _flat(together([partial(repo.checks, c.target, c.tools) for c in branches.values()]))
    seen = together([partial(hosts.checks, case, host) for case, host in places.values()])
    each = _flat((*_blind(case), *releases.checks(case), *health.checks(case), *_beside(case)) for case in cases)
    watching = [partial(guarded, f"{case.name}: telemetry", partial(telemetry.checks, case)) for case in cases]
    readings = [r for one in looked for r in one.dates.readings] + _flat(found for _, found in seen)
    return (*repos, *_flat(checks for checks, _ in seen), *each, *_flat(together(watching)), *_clock(readings))


def _blind(case: Case) -> tuple[Check, ...]:
    """Nothing could be observed at all: a rollback would end with the same words."""
    if not isinstance(case.seen, LastgoodError):
        return ()
    said = " ".join((case.seen.what, *case.seen.because))
    return (fail(f"{case.name}: observation", said, *case.seen.next),)


def _beside(case: Case) -> tuple[Check, ...]:
    """What works against a rollback: rivals on the hosts, images in one place only, a cache that would not follow."""
    rival = guarded(f"{case.name}: rivals", partial(rivals.checks, case))
    kept = guarded(f"{case.name}: retention", partial(rivals.retention, case))
    return (*rival, *kept, *caches.checks(case))


def _clock(readings: Sequence[Reading]) -> tuple[Check, ...]:
    return compared(readings) or (unknown("clock", "no other clock could be asked", "timedatectl"),)


def _flat(found: Iterable[Iterable[_T]]) -> list[_T]:
    return [item for items in found for item in items]
