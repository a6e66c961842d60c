"""What the moves of a run are, and what its journal says of its steps: shared by going on and going back."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Final, TypeAlias

import msgspec

from lastgood.model.details import UNPURGED
from lastgood.model.errors import Exit
from lastgood.model.event import Failure, Run, StepFailed, StepState
from lastgood.model.plan import Attempt
from lastgood.model.salvage import titled
from lastgood.model.step import (
    AwaitStep,
    CaptureStep,
    CheckoutStep,
    DownStep,
    FreshStep,
    LossyDownStep,
    PauseStep,
    PinStep,
    PullStep,
    PurgeStep,
    RenderStep,
    RestartStep,
    SalvageStep,
    StartStep,
    Step,
    StopStep,
    SwitchStep,
    SyncStep,
    VerifyStep,
    WatchStep,
)
from lastgood.model.target import shown

WITHOUT = "without"  # in a proof's details: the hosts, set apart by blanks, that it is no proof of


class Do(msgspec.Struct, frozen=True):
    """Take these steps next, at the same time where there are several: preparations do not depend on each other.

    `why` is said to the reader where a decision led to them.
    """

    steps: tuple[Step, ...]
    why: str = ""


class End(msgspec.Struct, frozen=True):
    """Nothing is left to do. `winner` is the attempt that passed, if one did."""

    exit: Exit
    what: str
    because: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    winner: Attempt | None = None


Move: TypeAlias = Do | End


def lost(run: Run) -> tuple[str, ...]:
    """The hosts that the run went on without, for they stopped to answer and its configuration allows that."""
    steps = {step.id: step for step in run.plan.steps()}
    gone = (host_of(steps[f.step]) for f in run.failures.values() if f.kind is Failure.UNREACHABLE)
    unproven = (done.details[WITHOUT] for done in run.done.values() if WITHOUT in done.details)
    return tuple(dict.fromkeys((*gone, *(host for hosts in unproven for host in hosts.split()))))


def host_of(step: Step) -> str:
    """The host that a step acts on; empty for one that acts on none, or on several."""
    return step.host if not isinstance(step, VerifyStep) and hasattr(step, "host") else ""


def mixed(run: Run) -> tuple[str, ...]:
    """What was last switched on each host, by name, where there are several: nothing is left silently half-way."""
    if len(run.plan.hosts) == 1:
        return ()
    said: dict[str, str] = {}
    for step in run.plan.steps():
        if isinstance(step, SwitchStep) and step.id in run.steps:
            known = run.steps[step.id] is StepState.DONE
            state = f"runs {step.image.image.name}" if known else f"may run {step.image.image.name}, or what ran before"
            said[step.host] = f"{shown(step.host)}: {step.service} {state}"
    return tuple(said.get(host, f"{shown(host)}: was not switched") for host in run.plan.hosts)


def failed_step(run: Run, steps: Sequence[Step]) -> StepFailed | None:
    """The first failure that counts: a host gone on without fails no attempt, nor does a checkout left behind."""
    found = (run.failures[step.id] for step in steps if step.id in run.failures)
    return next((failure for failure in found if failure.kind is not Failure.UNREACHABLE), None)


_TOGETHER = (
    (CaptureStep, PullStep, RenderStep),
    (CheckoutStep,),
    (VerifyStep,),
    (PauseStep, AwaitStep),
    (SyncStep,),
    (WatchStep,),
    (PurgeStep,),
    (FreshStep,),
    (StopStep,),
    (StartStep,),
)


def left_to_do(run: Run, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The next step, or all those that come next and may be taken at the same time.

    Preparations do not depend on each other; hosts of one service that stand side by side are switched together, as
    the plan's order says; services are not. Evidence that could not be kept is not tried again.
    """
    left = [s for s in steps if run.steps.get(s.id) is not StepState.DONE and not _passed_over(run, s)]
    if not left:
        return ()
    first = left[0]
    if isinstance(first, SwitchStep):
        return tuple(takewhile(lambda s: isinstance(s, SwitchStep) and s.service == first.service, left))
    kinds = next((kinds for kinds in _TOGETHER if isinstance(first, kinds)), ())
    if isinstance(first, VerifyStep) and not first.probed:
        kinds = ()
    return tuple(takewhile(lambda step: isinstance(step, kinds), left)) or (first,)


def _passed_over(run: Run, step: Step) -> bool:
    if isinstance(step, CaptureStep) and run.steps.get(step.id) is StepState.FAILED:
        return True
    gone = lost(run)
    return host_of(step) in gone or (isinstance(step, VerifyStep | WatchStep) and set(step.hosts) <= set(gone))


def begun(run: Run, attempt: Attempt) -> bool:
    """Whether anything of an attempt was begun."""
    return any(step.id in run.steps for step in attempt.steps)


SWITCHING: Final = (SwitchStep, RestartStep)
DESCENDING: Final = (DownStep, LossyDownStep)
HALTING: Final = (StopStep, *DESCENDING)


def begun_any(run: Run, kinds: tuple[type, ...]) -> bool:
    """Whether a step of such a kind was begun in an attempt."""
    steps = (step for attempt in run.plan.attempts for step in attempt.steps)
    return any(isinstance(step, kinds) and step.id in run.steps for step in steps)


def was_switched(run: Run) -> bool:
    """Whether an effect on what runs was begun."""
    return begun_any(run, SWITCHING)


def was_pinned(run: Run) -> bool:
    """Whether git was given a pin before the switch, or may have been."""
    steps = (step for attempt in run.plan.attempts for step in attempt.steps if isinstance(step, PinStep))
    begun = (step.id for step in steps if step.id in run.steps and step.id not in run.failures)
    return any(name not in run.done or run.done[name].details["commit"] for name in begun)


def unpurged(run: Run, steps: Sequence[Step]) -> tuple[str, ...]:
    """Which of these purges were not accepted, and why: customers may still get what was there before."""
    done = (run.done[step.id] for step in steps if isinstance(step, PurgeStep) and step.id in run.done)
    return tuple(one.seen for one in done if UNPURGED in one.details)


def salvaged(run: Run) -> tuple[str, ...]:
    """The commands that put back what the run's ways down lost, for when its schema is there again."""
    env = run.plan.target.rpartition("/")[2]
    return tuple(
        f"after the next roll-forward: lastgood db salvage put-back {step.service} {env} {titled(run.id, step.id)}"
        for step in run.plan.steps()
        if isinstance(step, SalvageStep) and run.steps.get(step.down) is StepState.DONE
    )
