"""Carries one step out, and says what an error in the middle of it means."""

from typing import assert_never

from lastgood.model.errors import LastgoodError
from lastgood.model.event import Failure, StepDone, StepFailed
from lastgood.model.facts import Unknown
from lastgood.model.step import (
    AwaitStep,
    BackupStep,
    CaptureStep,
    CheckoutStep,
    DownStep,
    FreshStep,
    LossyDownStep,
    PauseStep,
    PinStep,
    PullStep,
    PurgeStep,
    RecordStep,
    ReloadStep,
    RenderStep,
    RestartStep,
    SalvageStep,
    StartStep,
    Step,
    StopStep,
    SwitchStep,
    SyncStep,
    TrialStep,
    UnpauseStep,
    VerifyStep,
    WatchStep,
)
from lastgood.plan.moves import host_of
from lastgood.run.doing import Doing, seen
from lastgood.run.steps import perform


def attempted(step: Step, doing: Doing) -> StepDone | StepFailed:
    """Carry the step out. What it raises is a failure of the step, and raised no further."""
    try:
        outcome = perform(step, doing)
    except (LastgoodError, OSError) as error:
        outcome = StepFailed(step.id, _said(error), _kind(step))
    if isinstance(outcome, StepFailed) and doing.run.plan.alone and host_of(step):
        view = seen(host_of(step), doing)
        if isinstance(view.containers, Unknown):
            return StepFailed(step.id, view.containers.reason, Failure.UNREACHABLE)
    return outcome


def _said(error: LastgoodError | OSError) -> str:
    if isinstance(error, LastgoodError):
        return " ".join((error.what, *error.because))
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)


def _kind(step: Step) -> Failure:
    """What an error during a step says: nothing about the release where it may have taken effect."""
    match step:
        case RecordStep() | SyncStep() | UnpauseStep():
            return Failure.UNSETTLED
        case PurgeStep() | FreshStep():
            return Failure.STALE
        case CaptureStep() | PullStep() | RenderStep() | PinStep() | CheckoutStep() | PauseStep() | AwaitStep():
            return Failure.PREPARE
        case BackupStep() | SalvageStep() | TrialStep():
            return Failure.PREPARE
        case WatchStep():
            return Failure.ELSEWHERE
        case (
            SwitchStep() | RestartStep() | VerifyStep()
            | StopStep() | StartStep() | DownStep() | LossyDownStep() | ReloadStep()
        ):  # fmt: skip
            return Failure.IN_DOUBT
        case _:
            assert_never(step)
