"""Going back: what of the state from before has to be put back, from the journal alone."""

from collections.abc import Sequence

import msgspec

from lastgood.model.errors import Exit
from lastgood.model.event import Run, StepState
from lastgood.model.step import (
    BackupStep,
    CheckoutStep,
    PinStep,
    PullStep,
    ReloadStep,
    RenderStep,
    StartStep,
    Step,
    StopStep,
    SwitchStep,
)
from lastgood.model.target import shown
from lastgood.plan.moves import (
    DESCENDING,
    HALTING,
    SWITCHING,
    Do,
    End,
    Move,
    begun_any,
    failed_step,
    left_to_do,
    lost,
    mixed,
    was_pinned,
    was_switched,
)


def undo(run: Run, end: End) -> Move:
    """Put the state from before back, then end; end at once where neither git nor a host was given anything."""
    switched, halted = was_switched(run), begun_any(run, HALTING)
    if not switched and not halted and not was_pinned(run):
        return end
    if run.plan.restore is None:
        return _left(run, end, "the state from before is not known well enough to be put back", _by_hand(run))
    if not switched and not halted:  # what runs is what ran: only git, and the checkouts that follow it, are put back
        steps = run.plan.restore.steps
        return _unpin(run, end, tuple(step for step in steps if isinstance(step, PinStep | CheckoutStep)))
    if switched and begun_any(run, DESCENDING):
        return _served(run, end)
    return _restore(run, end, _undoing(run, run.plan.restore.steps))


def _restore(run: Run, end: End, steps: tuple[Step, ...]) -> Move:
    failure = failed_step(run, steps)
    if failure:
        because = f"putting the state from before back failed: {failure.because}"
        return _left(run, end, because, (*failure.next, *_by_hand(run)))
    todo = left_to_do(run, steps)
    changed = _changed_and_lost(run)
    if changed and not todo:
        return _left(run, end, f"{changed} stopped to answer on the way, and may run anything")
    begun = any(step.id in run.steps for step in steps)
    return Do(todo, end.because[-1] if end.because and not begun else "") if todo else end


def _served(run: Run, end: End) -> Move:
    """The schema went down and traffic has come since: what was written then is lost by going back, which nobody said.

    A person decides, with the backup at hand.
    """
    because = "the schema went down and traffic came since: putting the backup back would lose what was written then"
    return _left(run, end, because, _backed_up(run))


def _backed_up(run: Run) -> tuple[str, ...]:
    """The commands that put the run's backups back."""
    service, _, env = run.plan.target.partition("/")
    made = {step.id for step in run.plan.steps() if isinstance(step, BackupStep)}
    paths = (done.details["path"] for done in run.done.values() if done.step in made)
    return tuple(f"lastgood db restore {service} {env} {path}" for path in paths)


def _by_hand(run: Run) -> tuple[str, ...]:
    """What a human would do in place of what cannot be put back: the database first, then who was stopped."""
    if was_switched(run):
        return ()
    steps = run.plan.restore.steps if run.plan.restore else ()
    back = [step for step in steps if run.steps.get(step.id) is StepState.DONE]
    reload = begun_any(run, DESCENDING) and not any(isinstance(step, ReloadStep) for step in back)
    started = {step.stop for step in back if isinstance(step, StartStep)}
    stopped = (step for step in run.plan.steps() if isinstance(step, StopStep) and step.id in run.steps)
    start = (f"on {shown(s.host)}: docker start {' '.join(s.containers)}" for s in stopped if s.id not in started)
    return (*(_backed_up(run) if reload else ()), *start)


def _unpin(run: Run, end: End, steps: tuple[Step, ...]) -> Move:
    """Put the first pin back. A checkout that cannot follow is said: the next deploy has to bring it there anyway."""
    failures = [run.failures[step.id] for step in steps if step.id in run.failures]
    if any(isinstance(step, PinStep) and step.id in run.failures for step in steps):
        return _left(run, end, f"putting the first pin back failed: {failures[0].because}")
    todo = left_to_do(run, tuple(step for step in steps if step.id not in run.failures))
    if todo:
        return Do(todo, end.because[-1] if end.because and not any(step.id in run.steps for step in steps) else "")
    said, looks = (failure.because for failure in failures), (c for failure in failures for c in failure.next)
    return msgspec.structs.replace(end, because=(*end.because, *said), next=(*end.next, *looks))


def _changed_and_lost(run: Run) -> str:
    """A host that does not answer any more although something was switched there: nobody can say what it runs."""
    touched = {s.host for s in run.plan.steps() if isinstance(s, SWITCHING) and s.id in run.steps}
    return next((host for host in lost(run) if host in touched), "")


def _undoing(run: Run, steps: Sequence[Step]) -> tuple[Step, ...]:
    """Without what would undo nothing: hosts that were never switched still run what ran before, undisturbed.

    Containers that were stopped are started again where nothing was switched; a schema that was never taken down stays.
    """
    tried = [step for attempt in run.plan.attempts for step in attempt.steps if step.id in run.steps]
    touched = {(s.service, s.host) for s in tried if isinstance(s, SWITCHING)}
    stopped = {(s.service, s.host) for s in tried if isinstance(s, StopStep)} - touched
    down = any(isinstance(step, DESCENDING) for step in tried)
    pinned = was_pinned(run)

    def wanted(step: Step) -> bool:
        match step:
            case PullStep() | RenderStep() | SwitchStep():
                return (step.service, step.host) in touched
            case StartStep():
                return (step.service, step.host) in stopped
            case ReloadStep():
                return down
            case PinStep() | CheckoutStep():
                return bool(touched) or pinned
            case _:
                return True

    return tuple(filter(wanted, steps))


def _left(run: Run, end: End, because: str, commands: tuple[str, ...] = ()) -> End:
    service, _, env = run.plan.target.partition("/")
    what = f"{run.plan.target} needs a human: it is neither on a good release nor as it was before."
    status = f"lastgood status {service} {env}"
    return End(Exit.NEEDS_HUMAN, what, (because, *mixed(run), *end.because), (*commands, *end.next, status))
