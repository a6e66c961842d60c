"""Runs that wait to be taken up again."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import msgspec

from lastgood.journal import codec
from lastgood.journal.fold import fold
from lastgood.journal.live import Live
from lastgood.journal.store import Journal
from lastgood.model.chain import Line
from lastgood.model.errors import Exit, LastgoodError, LeaseHeld, UsageError
from lastgood.model.event import StepState
from lastgood.model.plan import NothingToDo


def only(runs: Sequence[str], what: str) -> str:
    """The one run of these. Raises UsageError, with `what` they are, where there is none, or more than one."""
    if len(runs) != 1:
        said = f"No run is {what}." if not runs else f"{len(runs)} runs are {what}: {', '.join(runs)}."
        raise UsageError(said, next=("lastgood runs",))
    return runs[0]


def interrupted(run_id: str, journal: Journal, live: Live) -> str:
    """Where a run stopped half-way, as `was interrupted in 1.verify`; empty where it did not, or is not known here."""
    run = fold(entries) if (entries := journal.entries(run_id)) else None
    if run is None or live.alive(run_id) or (run.ended and run.ended.exit is not Exit.IN_DOUBT):
        return ""
    begun = [step for step, state in run.steps.items() if state is StepState.STARTED]
    if begun:
        return f"was interrupted in {', '.join(begun)}"
    return f"was interrupted after {list(run.steps)[-1]}" if run.steps else "was interrupted before its first step"


def proven(nothing: NothingToDo, journal: Journal, live: Live, told: Callable[[str], tuple[Line, ...]]) -> NothingToDo:
    """The same, unless the run that put there what runs is not over: then nobody has seen yet that it is good.

    `told` are the run's lines as its hosts have them: another machine may have brought it to its end.
    """
    run, names = nothing.run, ", ".join(image.image.name for image in nothing.images)
    where = interrupted(run, journal, live) if run else ""
    if where and _over(run, told):
        return nothing
    if where:
        because, then = f"{where} and is not proven", f"lastgood resume {run}"
    elif run and journal.entries(run) and live.alive(run):
        because, then = "goes on and is not proven yet", f"lastgood show {run}"
    else:
        return nothing
    return msgspec.structs.replace(nothing, because=f"run {run}, which put {names} there, {because}", next=(then,))


def _over(run_id: str, told: Callable[[str], tuple[Line, ...]]) -> bool:
    try:
        ended = fold([codec.read(line) for line in told(run_id)]).ended
    except (LastgoodError, ValueError):  # nobody else knows of it
        return False
    return ended is not None and ended.exit is not Exit.IN_DOUBT


@contextlib.contextmanager
def ours(journal: Journal, live: Live, machine: str) -> Iterator[None]:
    """Say so where the lease that is in the way is that of a run which stopped half-way on this machine."""
    try:
        yield
    except LeaseHeld as held:
        where = interrupted(held.run, journal, live) if held.run and held.machine == machine else ""
        if not where:
            raise
        said = f"Run {held.run} {where} and is not proven; it still holds the lease."
        because = (*held.because[:1], "nothing was touched now: that run is to be brought to its end first")
        told = LeaseHeld(said, because=because, next=(f"lastgood resume {held.run}",))
        told.run, told.machine, told.ran_out = held.run, held.machine, held.ran_out
        raise told from held
