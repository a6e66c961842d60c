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
    PurgeStep,
    ReloadStep,
    RenderStep,
    StartStep,
    Step,
    StopStep,
    SwitchStep,
)
from lastgood.model.target import shown
from lastgood.plan.lowered import owners, reload, reloads, serves, starts, sunk, waits
from lastgood.plan.moves import (
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
    salvaged,
    unpurged,
    was_pinned,
    was_switched,
)


def undo(run: Run, end: End) -> Move:
    """Put the state from before back, then end; end at once where neither git nor a host was given anything."""
    switched, halted = was_switched(run), begun_any(run, HALTING)
    if not switched and not halted and not was_pinned(run):
        return end
    if any(sunk(run, database) for database in owners(run)):
        return _served(run, end)
    if run.plan.restore is None:
        return _left(run, end, "the state from before is not known well enough to be put back", _by_hand(run))
    if not switched and not halted:  # what runs is what ran: only git, and the checkouts that follow it, are put back
        steps = run.plan.restore.steps
        return _unpin(run, end, tuple(step for step in steps if isinstance(step, PinStep | CheckoutStep)))
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
    if todo:
        return Do(todo, _why(run, end, steps))
    kept = unpurged(run, steps)
    code = Exit.MITIGATED if kept and end.exit is Exit.DONE else end.exit
    return msgspec.structs.replace(end, exit=code, because=(*end.because, *kept))


def _served(run: Run, end: End) -> Move:
    """The schema went down and traffic has come since: what was written then is lost by going back, which nobody said.

    A person decides, with the backups at hand. What was begun after that traffic loses nothing by being taken back:
    what served last serves again, on the schema that it had.
    """
    steps = run.plan.restore.steps if run.plan.restore else ()
    back = tuple(step for step in steps if _wanted_back(run, step))
    failure = failed_step(run, back)
    because = "the schema went down and traffic came since: putting the backup back would lose what was written then"
    if failure:
        because = f"{because}; and what served last could not be put back: {failure.because}"
        return _left(run, end, because, (*failure.next, *_backed_up(run)))
    todo = left_to_do(run, back)
    if todo:
        return Do(todo, _why(run, end, back))
    ahead = _pinned_ahead(run)
    said = f"{because}; git was given the pin of {ahead} already" if ahead else because
    return _left(run, end, said, (*_backed_up(run), *salvaged(run)))


def _pinned_ahead(run: Run) -> str:
    """The attempt whose pin git may have although nothing was switched to it."""
    begun = [a for a in run.plan.attempts if any(isinstance(s, PinStep) and s.id in run.steps for s in a.steps)]
    switched = any(isinstance(step, SWITCHING) and step.id in run.steps for a in begun[-1:] for step in a.steps)
    return begun[-1].name if begun and not switched else ""


def _wanted_back(run: Run, step: Step) -> bool:
    return (isinstance(step, ReloadStep) and reloads(run, step)) or (isinstance(step, StartStep) and serves(run, step))


def _why(run: Run, end: End, steps: Sequence[Step]) -> str:
    """What led to going back, where that begins."""
    return end.because[-1] if end.because and not any(step.id in run.steps for step in steps) else ""


def _backed_up(run: Run) -> tuple[str, ...]:
    """The commands that put the run's backups back, the oldest first; of several each says what it is of."""
    made = [
        (attempt, step)
        for attempt in run.plan.attempts
        for step in attempt.steps
        if isinstance(step, BackupStep) and run.steps.get(step.id) is StepState.DONE
    ]
    first = made[0][0].number if made else 0
    return tuple(
        _restoring(run, step) + (f"   # as it was before {attempt.name}" if made[-1][0].number > first else "")
        for attempt, step in made
    )


def _restoring(run: Run, step: BackupStep) -> str:
    env = run.plan.target.partition("/")[2]
    return f"lastgood db restore {step.service} {env} {run.done[step.id].details['path']}"


def _by_hand(run: Run) -> tuple[str, ...]:
    """What a human would do in place of what cannot be put back: the databases first, then who was stopped."""
    steps = run.plan.restore.steps if run.plan.restore else ()
    back = {step.id for step in steps if run.steps.get(step.id) is StepState.DONE}
    reloaded = {step.backup for step in steps if isinstance(step, ReloadStep) and step.id in back}
    started = {step.stop for step in steps if isinstance(step, StartStep) and step.id in back}
    wanted = {reload(run, database) for database in owners(run)} - reloaded
    restore = (_restoring(run, s) for s in run.plan.steps() if isinstance(s, BackupStep) and s.id in wanted)
    stopped = (s for s in run.plan.steps() if isinstance(s, StopStep) and waits(run, s) and s.id not in started)
    return (*restore, *(f"on {shown(s.host)}: docker start {' '.join(s.containers)}" for s in stopped))


def _unpin(run: Run, end: End, steps: tuple[Step, ...]) -> Move:
    """Put the first pin back. A checkout that cannot follow is said: the next deploy has to bring it there anyway."""
    failures = [run.failures[step.id] for step in steps if step.id in run.failures]
    if any(isinstance(step, PinStep) and step.id in run.failures for step in steps):
        return _left(run, end, f"putting the first pin back failed: {failures[0].because}")
    todo = left_to_do(run, tuple(step for step in steps if step.id not in run.failures))
    if todo:
        return Do(todo, _why(run, end, steps))
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
    pinned = was_pinned(run)

    def wanted(step: Step) -> bool:
        match step:
            case PullStep() | RenderStep() | SwitchStep():
                return (step.service, step.host) in touched
            case PurgeStep():
                return any(step.service == service for service, _ in touched)
            case StartStep():
                return starts(run, step) and (step.service, step.host) not in touched
            case ReloadStep():
                return reloads(run, step)
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
