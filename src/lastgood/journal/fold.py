"""From a run's journal lines to what they add up to. Pure."""

from collections.abc import Sequence

from lastgood.model.event import (
    ChildStarted,
    Entry,
    Failure,
    Resumed,
    Run,
    RunEnded,
    RunStarted,
    StepDone,
    StepFailed,
    StepStarted,
    StepState,
)
from lastgood.model.step import PurgeStep, VerifyStep


def fold(entries: Sequence[Entry]) -> Run:
    """Add up a run's lines, in their order.

    A step begun anew (after a resume) is in doubt anew. `children` are the processes of steps still in doubt: what
    `resume` must see ended before it asks reality; a step that failed in doubt keeps its own. Taking a run up again
    clears `ended`. Raises ValueError where the lines do not begin with one RunStarted, hold a second one, or are of
    several runs.
    """
    if not entries or not isinstance(entries[0].event, RunStarted):
        message = "a run begins with RunStarted"
        raise ValueError(message)
    total = _Total(entries[0].run, entries[0].event)
    for entry in entries[1:]:
        if entry.run != entries[0].run or isinstance(entry.event, RunStarted):
            message = f"line {entry.seq} of {entry.run} does not belong to run {entries[0].run}"
            raise ValueError(message)
        total.add(entry)
    return total.run(entries[0].at, entries[-1].at)


class _Total:
    """What was added up so far."""

    def __init__(self, run: str, begun: RunStarted) -> None:
        self.id = run
        self.begun = begun
        self.lease = begun.lease
        self.aborting = False
        self.ended: RunEnded | None = None
        self.steps: dict[str, StepState] = {}
        self.done: dict[str, StepDone] = {}
        self.failures: dict[str, StepFailed] = {}
        self.children: list[ChildStarted] = []

    def add(self, entry: Entry) -> None:
        match entry.event:
            case StepStarted(step=step):
                self._set(step, StepState.STARTED)
            case StepDone(step=step) as event:
                self._set(step, StepState.DONE)
                self.done[step] = event
                self._over(step)
            case StepFailed(step=step) as event:
                self._set(step, StepState.FAILED)
                self.failures[step] = event
                if event.kind is not Failure.IN_DOUBT:
                    self._over(step)
            case ChildStarted() as event:
                self.children.append(event)
            case Resumed(aborting=aborting, lease=lease):
                self.aborting, self.lease, self.ended = aborting, lease, None
                self._look_again()
            case RunEnded() as event:
                self.ended = event
            case _:  # Kept, Judged, Ticked, Acked and Said tell the reader something and change no state
                pass

    def _set(self, step: str, state: StepState) -> None:
        self.steps[step] = state
        self.done.pop(step, None)
        self.failures.pop(step, None)

    def _look_again(self) -> None:
        """Failures that said nothing about the release are in doubt anew once the run is taken up again.

        What was proven without a host that did not answer is to be proven with it; a CDN is asked once more for a purge
        that it did not accept.
        """
        again = [each for each in self.failures.values() if each.kind.retried]
        partial = any(done.details for step, done in self.done.items() if step in self._proofs())
        if partial or any(each.kind is Failure.UNREACHABLE for each in again):
            for step in self._proofs():
                if self.done.pop(step, None):
                    self.steps.pop(step)
        for failure in again:
            self._set(failure.step, StepState.STARTED)
        for purge in (step.id for step in self.begun.plan.steps() if isinstance(step, PurgeStep)):
            if purge in self.done and self.done[purge].details:
                self._set(purge, StepState.STARTED)

    def _proofs(self) -> list[str]:
        return [step.id for step in self.begun.plan.steps() if isinstance(step, VerifyStep)]

    def _over(self, step: str) -> None:
        self.children = [child for child in self.children if child.step != step]

    def run(self, started: int, last: int) -> Run:
        return Run(
            id=self.id,
            plan=self.begun.plan,
            consent=self.begun.consent,
            started=started,
            repo=self.begun.repo,
            lease=self.lease,
            signature=self.begun.signature,
            steps=self.steps,
            failures=self.failures,
            done=self.done,
            children=tuple(each.child for each in self.children),
            aborting=self.aborting,
            ended=self.ended,
            last=last,
        )
