"""Tries the declared user flows once the gate has passed: what customers have to be able to do is part of the proof."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from lastgood.model.details import FLOWS, UNTRIED
from lastgood.model.event import Failure, StepFailed
from lastgood.model.flow import FlowRun, FlowState, untried
from lastgood.model.step import VerifyStep
from lastgood.model.text import sanitise
from lastgood.ports import Declared, Stage
from lastgood.run import caching
from lastgood.run.doing import Doing
from lastgood.run.evidence import keep

_PAUSE = 1.0


class Tried(NamedTuple):
    """How a declared flow went the last time that it was tried."""

    name: str
    run: FlowRun


def tried(step: VerifyStep, doing: Doing) -> tuple[Tried, ...]:
    """The step's flows, one after the other, up to the first that fails however often it is tried."""
    found, declared = list[Tried](), {one.name: one for one in doing.tools.flows}
    for name in step.flows:
        doing.tell(f"user flow: {sanitise(name)}")
        found.append(Tried(name, _tried(step, doing, declared.get(name))))
        _keep(step, doing, found[-1])
        if found[-1].run.state is FlowState.FAILED:
            break
    return tuple(found)


def _tried(step: VerifyStep, doing: Doing, declared: Declared | None) -> FlowRun:
    """One of them; what the configuration declares no more, as it may when a run is taken up, was not tried."""
    if declared is None or doing.tools.stage is None:
        return untried("lastgood.yaml does not declare it any more")
    return caching.tried(step, doing, doing.tools.stage(step.image.image), partial(_often, declared))


def broken(step: VerifyStep, flows: Sequence[Tried]) -> StepFailed | None:
    """The failure of the step that a failed flow is; None where none failed."""
    for name, run in flows:
        if run.state is FlowState.FAILED:
            because = f"user flow {sanitise(name)}: {sanitise(run.because)}"
            return StepFailed(step.id, because, Failure.RELEASE, f"flow {sanitise(name)}: {sanitise(run.signature)}")
    return None


def praise(flows: Sequence[Tried]) -> tuple[str, ...]:
    """What is to be said of flows that did not fail."""
    return tuple(f"{sanitise(name)} works" if _worked(run) else _untried(name, run) for name, run in flows)


def details(flows: Sequence[Tried]) -> dict[str, str]:
    """What the journal keeps of them, for the checklist."""
    worked = ", ".join(sanitise(name) for name, run in flows if _worked(run))
    rest = "; ".join(_untried(name, run) for name, run in flows if not _worked(run))
    return ({FLOWS: worked} if worked else {}) | ({UNTRIED: rest} if rest else {})


def _worked(run: FlowRun) -> bool:
    return run.state is FlowState.PASSED


def _untried(name: str, run: FlowRun) -> str:
    return f"{sanitise(name)} could not be tried: {sanitise(run.because)}"


def _often(declared: Declared, stage: Stage) -> FlowRun:
    """Tried until it works: a cold cache or one slow answer is no broken release."""
    for left in reversed(range(declared.tries)):
        run = declared.flow.run(stage)
        if run.state is not FlowState.FAILED or not left:
            return run
        stage.clock.sleep(_PAUSE)
    return run


def _keep(step: VerifyStep, doing: Doing, one: Tried) -> None:
    if doing.run.plan.action == "check":
        return
    stem = f"flow-{step.id}-{''.join(c if c.isascii() and c.isalnum() else '-' for c in one.name)[:40]}"
    told = msgspec.json.encode({"flow": one.name, "state": one.run.state, "steps": one.run.steps})
    files = {f"{stem}-{name}": content for name, content in one.run.files.items()}
    keep(doing, {f"{stem}.json": msgspec.json.format(told, indent=2), **files})
