"""The next move of a run, from the journal alone: `resume` asks the same question as the first execution does."""

from collections.abc import Sequence
from itertools import takewhile
from typing import TypeAlias

import msgspec

from lastgood.model.errors import Exit
from lastgood.model.event import Failure, Run, StepFailed, StepState
from lastgood.model.plan import Attempt
from lastgood.model.release import Grade
from lastgood.model.step import (
    AwaitStep,
    CaptureStep,
    CheckoutStep,
    PauseStep,
    PinStep,
    PullStep,
    RecordStep,
    RenderStep,
    RestartStep,
    Step,
    SwitchStep,
    SyncStep,
    UnpauseStep,
    VerifyStep,
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


def next_move(run: Run, elapsed: float) -> Move:
    """What to do next. `elapsed` is in seconds since consent, for the walk's budget."""
    doubt = _in_doubt(run)
    if doubt:
        return doubt
    if run.aborting:
        move = _undo(run, End(Exit.DONE, f"Aborted: {run.plan.target} is as it was before."))
    else:
        move = _walk(run, elapsed)
    return _after(run, move) if isinstance(move, End) else move


def _after(run: Run, end: End) -> Move:
    """What was paused for the run goes on again, however it ends; that it could not be made to is part of the end."""
    paused = [s for s in run.plan.after if isinstance(s, UnpauseStep) and run.steps.get(s.pause)]
    failed = [run.failures[s.id].because for s in paused if s.id in run.failures]
    todo = [s for s in paused if run.steps.get(s.id) not in (StepState.DONE, StepState.FAILED)]
    if todo:
        return Do(tuple(todo))
    if not failed:
        return end
    code = Exit.MITIGATED if end.exit is Exit.DONE else end.exit
    return End(code, end.what, (*end.because, *failed), (*end.next, f"lastgood resume {run.id}"), end.winner)


def winner(run: Run) -> Attempt | None:
    """The attempt whose release passed the gate in this run."""
    return next((attempt for attempt in run.plan.attempts if _proven(run, attempt)), None)


def proofs(attempt: Attempt) -> tuple[VerifyStep, ...]:
    """The steps that prove the attempt: one for each service."""
    return tuple(step for step in attempt.steps if isinstance(step, VerifyStep) and step.probed)


def _proven(run: Run, attempt: Attempt) -> bool:
    return all(run.steps.get(step.id) is StepState.DONE for step in proofs(attempt))


def lost(run: Run) -> tuple[str, ...]:
    """The hosts that the run went on without, for they stopped to answer and its configuration allows that."""
    steps = {step.id: step for step in run.plan.steps()}
    gone = (host_of(steps[f.step]) for f in run.failures.values() if f.kind is Failure.UNREACHABLE)
    unproven = (done.details[WITHOUT] for done in run.done.values() if WITHOUT in done.details)
    return tuple(dict.fromkeys((*gone, *(host for hosts in unproven for host in hosts.split()))))


def host_of(step: Step) -> str:
    """The host that a step acts on; empty for one that acts on none, or on several."""
    return step.host if not isinstance(step, VerifyStep) and hasattr(step, "host") else ""


def _in_doubt(run: Run) -> End | None:
    for failure in run.failures.values():
        if failure.kind is Failure.IN_DOUBT:
            again = (f"lastgood resume {run.id}", f"lastgood abort {run.id}")
            what = f"{run.plan.target} is in doubt: step {failure.step} may or may not have taken effect."
            return End(Exit.IN_DOUBT, what, (failure.because, *mixed(run)), (*failure.next, *again))
    if set(run.plan.hosts) <= set(lost(run)) and run.plan.hosts:
        again = (f"lastgood resume {run.id}", f"lastgood abort {run.id}")
        return End(Exit.IN_DOUBT, f"{run.plan.target} is in doubt: no host answers any more.", mixed(run), again)
    return None


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


def _walk(run: Run, elapsed: float) -> Move:
    failed: list[str] = []
    for attempt in run.plan.attempts:
        failure = _failure(run, attempt.steps)
        if failure is None:
            if failed and not _begun(run, attempt) and elapsed > run.plan.budget_seconds:
                break
            return _advance(run, attempt, failed)
        stop = _stop(run, attempt, failure)
        if stop:
            return stop if stop.winner else _undo(run, stop)
        failed.append(f"{attempt.name}: {failure.because}")
    if run.plan.action != "rollback":
        return _not_cured(run, failed)
    return _undo(run, _nothing_passed(run, failed))


def _advance(run: Run, attempt: Attempt, failed: list[str]) -> Move:
    todo = _todo(run, (*run.plan.before, *attempt.steps))
    if todo:
        new = failed and not _begun(run, attempt)
        return Do(todo, f"{failed[-1]}; next: {attempt.name}" if new else "")
    seen = tuple(run.done[step.id].seen for step in proofs(attempt))
    without = _without(run)
    if without:
        service, _, env = run.plan.target.partition("/")
        what = f"{run.plan.target} serves {attempt.name}: mitigated, not resolved. Not every host was reached."
        again = f"lastgood rollback {service} {env} --to {attempt.parts[0].release.image.name}"
        resume = f"lastgood resume {run.id}" if lost(run) else again
        return End(Exit.MITIGATED, what, (*without, *seen), (f"when it answers again: {resume}",), attempt)
    return End(Exit.DONE, f"{run.plan.target} serves {attempt.name}.", seen, winner=attempt)


def _without(run: Run) -> tuple[str, ...]:
    """What is to be said of the hosts that were left out, before the run or on the way."""
    before = tuple(f"{shown(one.host)} was left out, and may run anything: {one.because}" for one in run.plan.left_out)
    return (*before, *(f"{shown(host)} stopped to answer on the way, and may run anything" for host in lost(run)))


def _failure(run: Run, steps: Sequence[Step]) -> StepFailed | None:
    """The first failure that counts: a host gone on without fails no attempt, nor does a checkout left behind."""
    found = (run.failures[step.id] for step in steps if step.id in run.failures)
    return next((failure for failure in found if failure.kind is not Failure.UNREACHABLE), None)


_TOGETHER = ((CaptureStep, PullStep, RenderStep), (CheckoutStep,), (VerifyStep,), (PauseStep, AwaitStep), (SyncStep,))


def _todo(run: Run, steps: Sequence[Step]) -> tuple[Step, ...]:
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
    return host_of(step) in gone or (isinstance(step, VerifyStep) and set(step.hosts) <= set(gone))


def _begun(run: Run, attempt: Attempt) -> bool:
    return any(step.id in run.steps for step in attempt.steps)


def _stop(run: Run, attempt: Attempt, failure: StepFailed) -> End | None:
    """Why the walk ends here although further releases may be left; None where walking on is right."""
    if winner(run) is attempt:
        return _unsettled(run, attempt, failure)
    if any(isinstance(s, RecordStep) and run.steps.get(s.id) is StepState.DONE for s in attempt.steps):
        what = f"{run.plan.target} needs a human: {attempt.name} is recorded in git and no longer passes the gate."
        return End(Exit.NEEDS_HUMAN, what, (failure.because, *mixed(run)), winner=attempt)
    if failure.kind is Failure.ELSEWHERE:
        return _not_the_release(run, failure.because, failure.next)
    if failure.kind is Failure.RELEASE and _seen_before(run, attempt, failure):
        evidence = next(part.evidence for part in attempt.parts if part.evidence.grade is Grade.VERIFIED)
        because = f"{attempt.name} was {evidence.because} and now fails the same way"
        return _not_the_release(run, f"{because}: {failure.because}", ())
    return None


def _seen_before(run: Run, attempt: Attempt, failure: StepFailed) -> bool:
    """Whether a verified release now fails like what ran before it: then the release is not the cause."""
    others = {f.signature for f in run.failures.values() if f.step != failure.step} | {run.signature}
    verified = all(part.evidence.grade is Grade.VERIFIED for part in attempt.parts)
    return verified and bool(failure.signature) and failure.signature in others


def _not_the_release(run: Run, because: str, commands: tuple[str, ...]) -> End:
    service, _, env = run.plan.target.partition("/")
    fate = "is not cured by a rollback" if run.plan.action == "rollback" else "does not pass the gate"
    what = f"{run.plan.target} {fate}: the release is not the cause."
    return End(Exit.NEEDS_HUMAN, what, (because,), (*commands, f"lastgood status {service} {env}"))


def _unsettled(run: Run, attempt: Attempt, failure: StepFailed) -> End:
    name = attempt.name
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
    if not _switched(run) and not _pinned(run):
        what = f"No release could be prepared; {run.plan.target} was not touched."
        return End(Exit.REFUSED, what, (*failed, *left), further)
    return End(
        Exit.FAILED_RESTORED, f"No release passed; {run.plan.target} is as it was before.", (*failed, *left), further
    )


def _switched(run: Run) -> bool:
    """Whether an effect on what runs was begun."""
    steps = (step for attempt in run.plan.attempts for step in attempt.steps)
    return any(isinstance(step, SwitchStep | RestartStep) and step.id in run.steps for step in steps)


def _pinned(run: Run) -> bool:
    """Whether git was given a pin before the switch, or may have been."""
    steps = (step for attempt in run.plan.attempts for step in attempt.steps if isinstance(step, PinStep))
    begun = (step.id for step in steps if step.id in run.steps and step.id not in run.failures)
    return any(name not in run.done or run.done[name].details["commit"] for name in begun)


def _undo(run: Run, end: End) -> Move:
    """Put the state from before back, then end; end at once where neither git nor a host was given anything."""
    if not _switched(run) and not _pinned(run):
        return end
    if run.plan.restore is None:
        return _left(run, end, "the state from before is not known well enough to be put back")
    if not _switched(run):  # what runs is what ran: only git, and the checkouts that follow it, are put back
        steps = run.plan.restore.steps
        return _unpin(run, end, tuple(step for step in steps if isinstance(step, PinStep | CheckoutStep)))
    steps = _undoing(run, run.plan.restore.steps)
    failure = _failure(run, steps)
    if failure:
        return _left(run, end, f"putting the state from before back failed: {failure.because}")
    todo = _todo(run, steps)
    changed = _changed_and_lost(run)
    if changed and not todo:
        return _left(run, end, f"{changed} stopped to answer on the way, and may run anything")
    begun = any(step.id in run.steps for step in steps)
    return Do(todo, end.because[-1] if end.because and not begun else "") if todo else end


def _unpin(run: Run, end: End, steps: tuple[Step, ...]) -> Move:
    """Put the first pin back. A checkout that cannot follow is said: the next deploy has to bring it there anyway."""
    failures = [run.failures[step.id] for step in steps if step.id in run.failures]
    if any(isinstance(step, PinStep) and step.id in run.failures for step in steps):
        return _left(run, end, f"putting the first pin back failed: {failures[0].because}")
    todo = _todo(run, tuple(step for step in steps if step.id not in run.failures))
    if todo:
        return Do(todo, end.because[-1] if end.because and not any(step.id in run.steps for step in steps) else "")
    said, looks = (failure.because for failure in failures), (c for failure in failures for c in failure.next)
    return msgspec.structs.replace(end, because=(*end.because, *said), next=(*end.next, *looks))


def _changed_and_lost(run: Run) -> str:
    """A host that does not answer any more although something was switched there: nobody can say what it runs."""
    touched = {s.host for s in run.plan.steps() if isinstance(s, SwitchStep | RestartStep) and s.id in run.steps}
    return next((host for host in lost(run) if host in touched), "")


def _undoing(run: Run, steps: Sequence[Step]) -> tuple[Step, ...]:
    """Without what would be done to hosts that were never switched: they still run what ran before, undisturbed."""
    tried = (step for attempt in run.plan.attempts for step in attempt.steps)
    touched = {(s.service, s.host) for s in tried if isinstance(s, SwitchStep | RestartStep) and s.id in run.steps}
    changes = PullStep | RenderStep | SwitchStep
    return tuple(s for s in steps if not isinstance(s, changes) or (s.service, s.host) in touched)


def _left(run: Run, end: End, because: str) -> End:
    service, _, env = run.plan.target.partition("/")
    what = f"{run.plan.target} needs a human: it is neither on a good release nor as it was before."
    status = f"lastgood status {service} {env}"
    return End(Exit.NEEDS_HUMAN, what, (because, *mixed(run), *end.because), (*end.next, status))
