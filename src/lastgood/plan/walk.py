"""The next move of a run, from the journal alone: `resume` asks the same question as the first execution does."""

import msgspec

from lastgood.model.details import NEW
from lastgood.model.errors import Exit
from lastgood.model.event import Failure, Run, StepFailed, StepState
from lastgood.model.plan import Attempt
from lastgood.model.release import Grade
from lastgood.model.step import (
    BackupStep,
    FreshStep,
    RecordStep,
    SalvageStep,
    StopStep,
    UnpauseStep,
    VerifyStep,
    WatchStep,
)
from lastgood.model.target import shown
from lastgood.plan.lowered import needed
from lastgood.plan.moves import (
    DESCENDING,
    HALTING,
    Do,
    End,
    Move,
    begun,
    begun_any,
    failed_step,
    left_to_do,
    lost,
    mixed,
    salvaged,
    was_pinned,
    was_switched,
)
from lastgood.plan.undo import undo


def next_move(run: Run, elapsed: float) -> Move:
    """What to do next. `elapsed` is in seconds since consent, for the walk's budget."""
    doubt = _in_doubt(run)
    if doubt:
        return doubt
    if run.aborting:
        move = undo(run, End(Exit.DONE, f"Aborted: {run.plan.target} is as it was before."))
    else:
        move = _walk(run, elapsed)
    if isinstance(move, End) and move.winner:
        move = msgspec.structs.replace(move, next=(*move.next, *salvaged(run)))
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


def watched(run: Run, attempt: Attempt) -> tuple[WatchStep, ...]:
    """The steps that watched the logs and have something to tell: what is new there, or that they could not."""
    steps = (step for step in attempt.steps if isinstance(step, WatchStep) and step.id in run.done)
    return tuple(step for step in steps if run.done[step.id].details.get(NEW) != "0")


def _proven(run: Run, attempt: Attempt) -> bool:
    return all(run.steps.get(step.id) is StepState.DONE for step in proofs(attempt))


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


def _walk(run: Run, elapsed: float) -> Move:
    failed: list[str] = []
    why = "the walk's time was used up"
    for attempt in run.plan.attempts:
        failure = failed_step(run, attempt.steps)
        if failure is None:
            if not begun(run, attempt) and (_going_back(run) or (failed and elapsed > run.plan.budget_seconds)):
                break
            return _advance(run, attempt, failed)
        if winner(run) is attempt:
            return _settle(run, attempt)
        stop = _stop(run, attempt, failure)
        if stop:
            return stop if stop.winner else undo(run, stop)
        failed.append(f"{attempt.name}: {failure.because}")
        if _stuck(run, attempt):
            why = "they need the schema to go down as well"
            break
    if run.plan.action != "rollback":
        return _not_cured(run, failed)
    return undo(run, _nothing_passed(run, failed, why))


def _going_back(run: Run) -> bool:
    """Whether the state from before began to be put back: no attempt begins after that, whatever a clock says."""
    return run.plan.restore is not None and any(step.id in run.steps for step in run.plan.restore.steps)


def _stuck(run: Run, attempt: Attempt) -> bool:
    """Whether it failed before its release had a part in it: on the way down, which all further ones need as well."""
    kinds = (StopStep, BackupStep, SalvageStep, *DESCENDING)
    return any(isinstance(step, kinds) and step.id in run.failures for step in attempt.steps)


def _advance(run: Run, attempt: Attempt, failed: list[str]) -> Move:
    todo = left_to_do(run, (*run.plan.before, *needed(run, attempt)))
    if todo:
        new = failed and not begun(run, attempt)
        return Do(todo, f"{failed[-1]}; next: {attempt.name}" if new else "")
    told = [step.id for step in proofs(attempt)] + [step.id for step in watched(run, attempt)]
    seen = tuple(run.done[name].seen for name in told)
    without = _without(run)
    if without:
        service, _, env = run.plan.target.partition("/")
        what = f"{run.plan.target} serves {attempt.name}: mitigated, not resolved. Not every host was reached."
        again = f"lastgood rollback {service} {env} --to {attempt.parts[0].release.image.name}"
        resume = f"lastgood resume {run.id}" if lost(run) else again
        return End(Exit.MITIGATED, what, (*without, *seen), (f"when it answers again: {resume}",), attempt)
    fresh = tuple(run.done[step.id].seen for step in attempt.steps if isinstance(step, FreshStep))
    return End(Exit.DONE, f"{run.plan.target} serves {attempt.name}.", (*seen, *fresh), winner=attempt)


def _without(run: Run) -> tuple[str, ...]:
    """What is to be said of the hosts that were left out, before the run or on the way."""
    before = tuple(f"{shown(one.host)} was left out, and may run anything: {one.because}" for one in run.plan.left_out)
    return (*before, *(f"{shown(host)} stopped to answer on the way, and may run anything" for host in lost(run)))


def _stop(run: Run, attempt: Attempt, failure: StepFailed) -> End | None:
    """Why the walk ends here although further releases may be left; None where walking on is right."""
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


def _settle(run: Run, attempt: Attempt) -> Move:
    """What customers get and what logs say is looked at whatever git says, each once."""
    over = (StepState.DONE, StepState.FAILED)
    looks = (step for step in attempt.steps if isinstance(step, FreshStep | WatchStep))
    todo = left_to_do(run, [step for step in looks if run.steps.get(step.id) not in over])
    return Do(todo) if todo else _unsettled(run, attempt)


def _unsettled(run: Run, attempt: Attempt) -> End:
    """Production runs it; what does not follow yet is named, each with how to go on."""
    failed = [(step, run.failures[step.id]) for step in attempt.steps if step.id in run.failures]
    counted = [failure for _, failure in failed if failure.kind is not Failure.UNREACHABLE]
    because = tuple(failure.because for failure in counted)
    commands = tuple(dict.fromkeys(command for failure in counted for command in failure.next))
    kinds, name = {failure.kind for failure in counted}, attempt.name
    if Failure.RELEASE in kinds:
        service, _, env = run.plan.target.partition("/")
        what = f"{run.plan.target} needs a human: {name} passed the gate, and does not any more."
        further = f"lastgood rollback {service} {env} --further"
        return End(Exit.NEEDS_HUMAN, what, because, (*commands, further), attempt)
    if Failure.CONTRADICTED in kinds:
        what = f"{run.plan.target} serves {name}, but somebody else changed its pin meanwhile."
        return End(Exit.NEEDS_HUMAN, what, because, commands, attempt)
    caches = dict.fromkeys(failure.signature for failure in counted if failure.kind is Failure.STALE)
    what = f"{run.plan.target} {'runs' if caches else 'serves'} {name}: mitigated, not resolved"
    what += f": {', and '.join(caches)}." if caches else "."
    what += " Git does not say so yet." if Failure.UNSETTLED in kinds else ""
    return End(Exit.MITIGATED, what, because, (*commands, f"lastgood resume {run.id}"), attempt)


def _not_cured(run: Run, failed: list[str]) -> End:
    after = "was restarted and " if run.plan.action == "restart" else ""
    what = f"{run.plan.target} {after}does not pass the gate."
    return End(Exit.NEEDS_HUMAN, what, tuple(failed), (f"lastgood rollback {run.plan.target.replace('/', ' ')}",))


def _nothing_passed(run: Run, failed: list[str], why: str) -> End:
    untried = len(run.plan.attempts) - len(failed)
    left = (f"{untried} further releases were not tried: {why}",) if untried else ()
    further = ("lastgood history " + run.plan.target.replace("/", " "),)
    if not was_switched(run) and not was_pinned(run) and not begun_any(run, HALTING):
        what = f"No release could be prepared; {run.plan.target} was not touched."
        return End(Exit.REFUSED, what, (*failed, *left), further)
    return End(
        Exit.FAILED_RESTORED, f"No release passed; {run.plan.target} is as it was before.", (*failed, *left), further
    )
