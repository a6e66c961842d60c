"""The CDN in front of a service: purged after the switch, kept out of the gate's judgement, and seen to follow at last.

Nothing here says anything of a release, so nothing here fails an attempt. What customers get decides, with a purge that
was accepted: this machine sees one place of a CDN only, and what it sees there is no proof for all the others.
"""

import dataclasses
import shlex
from collections.abc import Callable
from typing import Final

import msgspec

from lastgood.judge.fresh import Fresh, Stale, Unseen
from lastgood.model.details import UNPURGED
from lastgood.model.event import Failure, Run, StepDone, StepFailed
from lastgood.model.facts import Known, Unknown
from lastgood.model.flow import FlowRun, FlowState
from lastgood.model.gate import Failed, Passed, Sample
from lastgood.model.observed import Observed
from lastgood.model.report import Health, Status
from lastgood.model.step import FreshStep, PurgeStep, VerifyStep, WatchStep
from lastgood.model.target import Cdn, Target
from lastgood.observe import stale
from lastgood.observe.uncached import Noticing
from lastgood.observe.world import looks_at
from lastgood.plan import report
from lastgood.plan.gate import Question
from lastgood.ports import Stage, Tools
from lastgood.run.doing import Doing, Outcome
from lastgood.run.evidence import keep_sights
from lastgood.run.gate import watch

_PAUSES: Final = (1.0, 3.0, 5.0)
"""Seconds after each further purge until what customers get is looked at again."""
_LONGEST: Final = 30.0
"""Seconds after which no further purge is begun."""
_STALE: Final = "the CDN still serves something else"
_UNSEEN: Final = "what the CDN serves is not known"
_REFUSED: Final = "the CDN was not purged"
_NONE: Final = "lastgood.yaml names no CDN any more"


def purge(step: PurgeStep, doing: Doing) -> StepDone:
    """Purge once. A refusal is noted and stops nothing: production comes first, the proof is next."""
    if doing.tools.cache is None:
        return StepDone(step.id, _NONE)
    refused = _purged(doing)
    if refused:
        return StepDone(step.id, f"the CDN was not purged: {refused}", {UNPURGED: refused})
    return StepDone(step.id, f"the CDN ({step.cdn}) accepted the purge")


def _purged(doing: Doing) -> str:
    """Why the purge was not accepted; empty where it was, or where nothing is to be purged any more."""
    try:
        done = doing.tools.cache().purge() if doing.tools.cache else Known("")
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it must not stop a rollback
        return f"it could not be asked ({type(error).__name__})"
    return done.reason if isinstance(done, Unknown) else ""


def _before(step: VerifyStep | WatchStep | FreshStep, doing: Doing) -> StepDone | None:
    """What became of the purge of this step's attempt; None where there was none."""
    attempt = next(one for one in doing.run.plan.attempts if step in one.steps)
    purges = (one.id for one in attempt.steps if isinstance(one, PurgeStep) and one.service == step.service)
    return next((doing.run.done[name] for name in purges if name in doing.run.done), None)


def _refusal(purged: StepDone | None) -> str:
    """Why the purge was not accepted; empty where it was."""
    return purged.details.get(UNPURGED, "") if purged else ""


def watched(
    step: VerifyStep | WatchStep, doing: Doing, target: Target, asked: Question
) -> tuple[Passed | Failed, Sample, str]:
    """The gate's watch. Behind a CDN no release is judged by what a cache has kept of another.

    Probes ask as always, unless the purge failed; where a cache answered in a watch that failed after a purge, it is
    taken once more round the cache. The third of what comes back says that a cache answered in the watch that failed:
    the release is not to blame then.
    """
    if target.cdn is None:
        return *watch(target, doing.tools, asked, doing.tell), ""
    for around in _ways(_before(step, doing)):
        http = Noticing(doing.tools.http, around=around)
        decision, sample = watch(target, dataclasses.replace(doing.tools, http=http), asked, doing.tell)
        if isinstance(decision, Passed) or not http.kept:
            return decision, sample, ""
    return decision, sample, http.kept


def _ways(purged: StepDone | None) -> tuple[bool, ...]:
    """How the service is asked, the next where a cache answered: as customers do, or round the cache."""
    if purged is None:
        return (False,)
    return (True,) if _refusal(purged) else (False, True)


def tried(step: VerifyStep, doing: Doing, stage: Stage, flow: Callable[[Stage], FlowRun]) -> FlowRun:
    """A user flow, asked for in the same ways. Where a cache may have answered, it says nothing about the release."""
    purged = _before(step, doing)
    if doing.target.cdn is None or purged is None:
        return flow(stage)
    for around in _ways(purged):
        http = Noticing(stage.http, around=around)
        found = flow(dataclasses.replace(stage, http=http))
        if found.state is not FlowState.FAILED or not http.kept:
            break
    refused = "" if http.asked else _refusal(purged)  # a browser or a program has its own way to ask
    if found.state is not FlowState.FAILED or not (http.kept or refused):
        return found
    because = f"a cache may have answered ({http.kept or refused}): {found.because}"
    return msgspec.structs.replace(found, state=FlowState.UNKNOWN, because=because)


def fresh(step: FreshStep, doing: Doing) -> Outcome:
    """Look at what customers get, and purge again where that is not what runs; within about a minute at most."""
    cdn, clock = doing.target.cdn, doing.tools.clock
    if cdn is None:
        return StepDone(step.id, _NONE)
    end, refused = clock.monotonic() + _LONGEST, _refusal(_before(step, doing))
    for pause in (*_PAUSES, 0.0):
        seen = _looked(cdn, doing.tools)
        well = isinstance(seen.freshness, Fresh) and not refused
        if well or not pause or clock.monotonic() > end:
            break
        doing.tell(_clause(seen))
        if refused or isinstance(seen.freshness, Stale):
            refused = _purged(doing)
            if refused:  # what it says twice it says thrice; `resume` asks again
                break
        clock.sleep(pause)
    keep_sights(step, doing, seen.sights)
    if isinstance(seen.freshness, Fresh) and not refused:
        return StepDone(step.id, f"customers get it: {seen.freshness.seen}")
    return _failed(step, doing.target, cdn, seen, refused)


def status(target: Target, tools: Tools, observed: Observed, waits: Callable[[str], bool]) -> Status:
    """The status of a target; where it is its CDN that fails, a purge is the cure and going back is none.

    That it is, shows where every probe passes past the CDN and one still fails by it. `waits` says of a run whether it
    is known here and waits for the CDN.
    """
    said = report.status(target, observed)
    bare = msgspec.structs.replace(observed, looks=())
    if target.cdn is None or said.health is not Health.UNHEALTHY or report.failing(bare):
        return said
    past = looks_at(dataclasses.replace(tools, http=Noticing(tools.http, around=True)), observed)
    if not all(look.ok for look in past):
        return said
    failed = next((look for look in looks_at(tools, observed) if not look.ok), None)
    if failed is None:
        return said
    because = f"what runs is healthy past the CDN, but customers still get something else: {failed.said}"
    purge = (f"lastgood resume {said.run}   # purges it again",)
    return msgspec.structs.replace(
        said, health_because=because, next=purge if waits(said.run) else _cdn_looks(target, target.cdn)
    )


def behind(run: Run) -> bool:
    """Whether a CDN did not follow a run as it ended."""
    return any(failure.kind is Failure.STALE for failure in run.failures.values())


def _looked(cdn: Cdn, tools: Tools) -> stale.Seen:
    return stale.look(tools.http, tools.clock, cdn, tools.cache().passed if tools.cache else lambda _: True)


def kept(target: Target, tools: Tools) -> str:
    """What customers get in place of what runs, or why that is not known; empty where it is right, or without a CDN."""
    if target.cdn is None:
        return ""
    match _looked(target.cdn, tools).freshness:
        case Fresh():
            return ""
        case Stale(several):
            return "; ".join(several)
        case Unseen(because):
            return because


def _clause(seen: stale.Seen) -> str:
    if isinstance(seen.freshness, Fresh):
        return _REFUSED
    return _STALE if isinstance(seen.freshness, Stale) else _UNSEEN


def _failed(step: FreshStep, target: Target, cdn: Cdn, seen: stale.Seen, refused: str) -> StepFailed:
    """Git and production are settled; customers may not be, and that is said."""
    match seen.freshness:
        case Fresh(said):
            because = f"customers are given what runs as far as this machine sees: {said}; other places may differ"
        case Stale(several):
            because = "; ".join(several)
        case Unseen(because):
            pass
    because += f"; it was not purged: {refused}" if refused else "; the purge was accepted"
    looks = _cdn_looks(target, cdn)
    return StepFailed(step.id, because, Failure.STALE, _clause(seen), looks if refused else looks[:1])


def _cdn_looks(target: Target, cdn: Cdn) -> tuple[str, str]:
    return (
        f"curl -sSI {shlex.quote(cdn.pages[0])}   # what customers get",
        f"lastgood doctor {target.service} {target.env}   # whether it would be purged",
    )
