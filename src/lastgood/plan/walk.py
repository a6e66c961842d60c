"""The next move of a run, from the journal alone: `resume` asks the same question as the first execution does."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Final, TypeAlias

import msgspec

from lastgood.model.errors import Exit
from lastgood.model.event import Failure, Run, StepFailed, StepState
from lastgood.model.plan import Attempt
from lastgood.model.release import Grade
from lastgood.model.step import CaptureStep, PullStep, RenderStep, RestartStep, Step, SwitchStep

_PREPARATIONS: Final = (CaptureStep, PullStep, RenderStep)


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


def next_move(run: Run, elapsed: float) -> Move:
    """What to do next. `elapsed` is in seconds since consent, for the walk's budget."""
    doubt = _in_doubt(run)
    if doubt:
        return doubt
    if run.aborting:
        return _undo(run, End(Exit.DONE, f"Aborted: {run.plan.target} is as it was before."))
    return _walk(run, elapsed)


def winner(run: Run) -> Attempt | None:
    """The attempt whose release passed the gate in this run."""
    return next((a for a in run.plan.attempts if run.steps.get(verify_id(a)) is StepState.DONE), None)


def verify_id(attempt: Attempt) -> str:
    """The id of the attempt's proof."""
    return f"{attempt.number}.verify"


def _in_doubt(run: Run) -> End | None:
    for failure in run.failures.values():
        if failure.kind is Failure.IN_DOUBT:
            again = (f"lastgood resume {run.id}", f"lastgood abort {run.id}")
            what = f"{run.plan.target} is in doubt: step {failure.step} may or may not have taken effect."
            return End(Exit.IN_DOUBT, what, (failure.because,), (*failure.next, *again))
    return None


def _walk(run: Run, elapsed: float) -> Move:
    failed: list[str] = []
    for attempt in run.plan.attempts:
        failure = next((run.failures[s.id] for s in attempt.steps if s.id in run.failures), None)
        if failure is None:
            if failed and not _begun(run, attempt) and elapsed > run.plan.budget_seconds:
                break
            return _advance(run, attempt, failed)
        stop = _stop(run, attempt, failure)
        if stop:
            return stop if stop.winner else _undo(run, stop)
        failed.append(f"{attempt.release.image.name}: {failure.because}")
    if run.plan.action != "rollback":
        return _not_cured(run, failed)
    return _undo(run, _nothing_passed(run, failed))


def _advance(run: Run, attempt: Attempt, failed: list[str]) -> Move:
    todo = _todo(run, (*run.plan.before, *attempt.steps))
    if todo:
        new = failed and not _begun(run, attempt)
        return Do(todo, f"{failed[-1]}; next: {attempt.release.image.name}" if new else "")
    what = f"{run.plan.target} serves {attempt.release.image.name}."
    return End(Exit.DONE, what, (run.done[verify_id(attempt)].seen,), winner=attempt)


def _todo(run: Run, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The next step, or all the preparations that come next. Evidence that could not be kept is not tried again."""
    left = [s for s in steps if run.steps.get(s.id) is not StepState.DONE and not _passed_over(run, s)]
    together = tuple(takewhile(lambda step: isinstance(step, _PREPARATIONS), left))
    return together or tuple(left[:1])


def _passed_over(run: Run, step: Step) -> bool:
    return isinstance(step, CaptureStep) and run.steps.get(step.id) is StepState.FAILED


def _begun(run: Run, attempt: Attempt) -> bool:
    return any(step.id in run.steps for step in attempt.steps)


def _stop(run: Run, attempt: Attempt, failure: StepFailed) -> End | None:
    """Why the walk ends here although further releases may be left; None where walking on is right."""
    if winner(run) is attempt:
        return _unsettled(run, attempt, failure)
    if failure.kind is Failure.ELSEWHERE:
        return _not_the_release(run, failure.because, failure.next)
    if failure.kind is Failure.RELEASE and _seen_before(run, attempt, failure):
        because = f"{attempt.release.image.name} was {attempt.evidence.because} and now fails the same way"
        return _not_the_release(run, f"{because}: {failure.because}", ())
    return None


def _seen_before(run: Run, attempt: Attempt, failure: StepFailed) -> bool:
    """Whether a verified release now fails like what ran before it: then the release is not the cause."""
    others = {f.signature for f in run.failures.values() if f.step != failure.step} | {run.signature}
    return attempt.evidence.grade is Grade.VERIFIED and bool(failure.signature) and failure.signature in others


def _not_the_release(run: Run, because: str, commands: tuple[str, ...]) -> End:
    service, _, env = run.plan.target.partition("/")
    fate = "is not cured by a rollback" if run.plan.action == "rollback" else "does not pass the gate"
    what = f"{run.plan.target} {fate}: the release is not the cause."
    return End(Exit.NEEDS_HUMAN, what, (because,), (*commands, f"lastgood status {service} {env}"))


def _unsettled(run: Run, attempt: Attempt, failure: StepFailed) -> End:
    name = attempt.release.image.name
    if failure.kind is Failure.CONTRADICTED:
        what = f"{run.plan.target} serves {name}, but somebody else changed its pin meanwhile."
        return End(Exit.NEEDS_HUMAN, what, (failure.because,), failure.next, attempt)
    what = f"{run.plan.target} serves {name}: mitigated, not resolved. Git does not say so yet."
    return End(Exit.MITIGATED, what, (failure.because,), (*failure.next, f"lastgood resume {run.id}"), attempt)


def _not_cured(run: Run, failed: list[str]) -> End:
    after = "was restarted and " if run.plan.action == "restart" else ""
    what = f"{run.plan.target} {after}does not pass the gate."
    return End(Exit.NEEDS_HUMAN, what, tuple(failed), (f"lastgood rollback {run.plan.target.replace('/', ' ')}",))


def _nothing_passed(run: Run, failed: list[str]) -> End:
    untried = len(run.plan.attempts) - len(failed)
    left = (f"{untried} further releases were not tried: the walk's time was used up",) if untried else ()
    further = ("lastgood history " + run.plan.target.replace("/", " "),)
    if not _switched(run):
        what = f"No release could be prepared; {run.plan.target} was not touched."
        return End(Exit.REFUSED, what, (*failed, *left), further)
    return End(
        Exit.FAILED_RESTORED, f"No release passed; {run.plan.target} is as it was before.", (*failed, *left), further
    )


def _switched(run: Run) -> bool:
    """Whether an effect on what runs was begun."""
    steps = (step for attempt in run.plan.attempts for step in attempt.steps)
    return any(isinstance(step, SwitchStep | RestartStep) and step.id in run.steps for step in steps)


def _undo(run: Run, end: End) -> Move:
    """Put the state from before back, then end; end at once where nothing was switched."""
    if not _switched(run):
        return end
    if run.plan.restore is None:
        return _left(run, end, "the state from before is not known well enough to be put back")
    steps = run.plan.restore.steps
    failure = next((run.failures[step.id] for step in steps if step.id in run.failures), None)
    if failure:
        return _left(run, end, f"putting the state from before back failed: {failure.because}")
    todo = _todo(run, steps)
    begun = any(step.id in run.steps for step in steps)
    return Do(todo, end.because[-1] if end.because and not begun else "") if todo else end


def _left(run: Run, end: End, because: str) -> End:
    service, _, env = run.plan.target.partition("/")
    what = f"{run.plan.target} needs a human: it is neither on a good release nor as it was before."
    return End(Exit.NEEDS_HUMAN, what, (because, *end.because), (*end.next, f"lastgood status {service} {env}"))
