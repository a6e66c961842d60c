"""What a run's record says of the incident: times, lengths, and what is not known. Pure; nothing is made up."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from lastgood.model.errors import Exit
from lastgood.model.event import (
    Acked,
    Entry,
    Failure,
    Kept,
    Resumed,
    Run,
    RunEnded,
    Said,
    StepDone,
    StepFailed,
    StepStarted,
)
from lastgood.model.plan import Attempt
from lastgood.model.rates import Rates
from lastgood.model.release import Release
from lastgood.model.step import VerifyStep
from lastgood.record.measured import Course, course

_NANO = 1_000_000_000
_GAP = 300.0
"""So many seconds without a line in the record are asked about."""
_NOTICEABLE = 1.0

STATUS = {
    Exit.DONE: "resolved",
    Exit.MITIGATED: "mitigated, not resolved",
    Exit.FAILED_RESTORED: "failed; what was before is back",
    Exit.IN_DOUBT: "in doubt",
    Exit.NEEDS_HUMAN: "needs a human",
    Exit.WORLD_MOVED: "over; somebody else acted since",
}


class Times(msgspec.Struct, frozen=True):
    """When what happened, in Unix seconds; None where the record does not say.

    `changed` is when the release that was left was committed, `detected` what a person stated, `decided` when the plan
    was approved, `mitigated` when the release that was put back was proven, `resolved` when it was over, with git and
    runtime agreeing; `stopped` is when it first needed a person, `acknowledged` when one said that they have it.
    """

    changed: float | None
    detected: float | None
    decided: float
    mitigated: float | None
    resolved: float | None
    stopped: float | None = None
    acknowledged: float | None = None


class Gap(msgspec.Struct, frozen=True):
    """A time without any line, after line `after`."""

    after: int
    seconds: float


class Incident(msgspec.Struct, frozen=True):
    """A run, added up for people. `took` is how long it took, in seconds, `courses` what was measured meanwhile.

    `set_back` is where the machine's clock was: a time from before and one from after cannot be compared.
    """

    run: Run
    entries: tuple[Entry, ...]
    status: str
    times: Times
    winner: Attempt | None
    took: float
    gaps: tuple[Gap, ...]
    set_back: tuple[Gap, ...]
    evidence: tuple[Kept, ...]
    head: str
    courses: tuple[Course, ...] = ()


def incident(
    run: Run,
    entries: Sequence[Entry],
    head: str,
    detected: float | None = None,
    measured: Sequence[tuple[str, Rates]] = (),
) -> Incident:
    """Add a run up. `head` is the hash of its newest line, `detected` when a person says that it was noticed.

    `measured` are failed requests over time, by service.
    """
    ended = run.ended
    status = STATUS.get(ended.exit, "ended") if ended else "not over"
    if run.aborting and ended and ended.exit is Exit.DONE:
        status = "aborted; what was before is back"
    won = winner(run)
    proven = [e.at / _NANO for e in entries if won and isinstance(e.event, StepDone) and e.event.step in proofs(won)]
    over = _over(entries)[-1].at / _NANO if ended and ended.exit is Exit.DONE and won else None
    changed = max((one.at for one in left(run)), default=None)
    needed, acked = _needed(entries)
    times = Times(changed, detected, entries[0].at / _NANO, max(proven, default=None), over, needed, acked)
    kept = tuple(e.event for e in entries if isinstance(e.event, Kept))
    took = (max(one.at for one in _over(entries)) - entries[0].at) / _NANO
    gaps, back = tuple(_gaps(_over(entries))), tuple(_set_back(_over(entries)))
    found = (course(name, rates, times.decided, times.mitigated) for name, rates in measured)
    courses = tuple(one for one in found if one)
    return Incident(run, tuple(entries), status, times, won, took, gaps, back, kept, head, courses)


def left(run: Run) -> tuple[Release, ...]:
    """The releases that the run left, or was to leave as far as it came; those of them that are known in git.

    A service that only a release further back would have moved stays on what it runs.
    """
    won = winner(run)
    tried = [one for one in run.plan.attempts if any(step.id in run.steps for step in one.steps)]
    attempts = (won,) if won else tried or run.plan.attempts[:1]
    moving = {part.service for attempt in attempts for part in attempt.parts if part.moves}
    return tuple(one.release for one in run.plan.members if one.release and one.service in moving)


def moves(run: Run, won: Attempt | None) -> Iterator[tuple[str, Release | None, Release]]:
    """Each service that moves: its name, the release that it left, and the one that it went, or was to go, to."""
    attempt = won or next(iter(run.plan.attempts), None)
    for part in attempt.parts if attempt else ():
        member = next((one for one in run.plan.members if one.service == part.service), None)
        if part.moves:
            yield part.service, member.release if member else None, part.release


def put_back(run: Run) -> bool:
    """Whether what ran before the run was seen to be back."""
    steps = run.plan.restore.steps if run.plan.restore else ()
    checks = [step.id for step in steps if isinstance(step, VerifyStep)]
    return bool(checks) and all(step in run.done for step in checks)


def failures(entries: Sequence[Entry]) -> tuple[StepFailed, ...]:
    """Every step that failed on the way, whether or not it was done again."""
    return tuple(e.event for e in entries if isinstance(e.event, StepFailed))


def takings_up(entries: Sequence[Entry]) -> tuple[Resumed, ...]:
    """Every time that the run was taken up again."""
    return tuple(e.event for e in entries if isinstance(e.event, Resumed))


def stopped(entries: Sequence[Entry]) -> bool:
    """Whether the run was taken up because it had stopped half-way, and not in order to settle it."""
    before: RunEnded | None = None
    for entry in entries:
        if isinstance(entry.event, Resumed) and (before is None or before.exit is Exit.IN_DOUBT):
            return True
        before = entry.event if isinstance(entry.event, RunEnded) else before
    return False


def notes(entries: Sequence[Entry]) -> tuple[str, ...]:
    """What was said beside the steps: walking on, retries, interruptions."""
    return tuple(e.event.text for e in entries if isinstance(e.event, Said))


def spans(entries: Sequence[Entry]) -> tuple[tuple[str, float, float | None, bool], ...]:
    """Each try at a step: its id, begin and end in seconds since the first line (None: no end), whether it failed."""
    open_: dict[str, float] = {}
    found: list[tuple[str, float, float | None, bool]] = []
    for entry in entries:
        at, event = (entry.at - entries[0].at) / _NANO, entry.event
        if isinstance(event, StepStarted):
            open_[event.step] = at
        elif isinstance(event, StepDone | StepFailed) and event.step in open_:
            found.append((event.step, open_.pop(event.step), at, isinstance(event, StepFailed)))
    rest = [(step, begun, None, True) for step, begun in open_.items()]
    return tuple(sorted((*found, *rest), key=lambda one: one[1]))


def blamed(run: Run, entries: Sequence[Entry]) -> tuple[StepFailed, ...]:
    """What failed of the releases that were tried."""
    known = {step.id for step in run.plan.steps() if isinstance(step, VerifyStep)}
    return tuple(one for one in failures(entries) if one.step in known and one.kind is Failure.RELEASE)


def winner(run: Run) -> Attempt | None:
    """The attempt whose release was proven in the run; None where none was, or it was aborted."""
    if run.aborting:
        return None
    return next(
        (one for one in run.plan.attempts if (ids := proofs(one)) and all(id_ in run.done for id_ in ids)), None
    )


def proofs(attempt: Attempt) -> tuple[str, ...]:
    """The ids of the steps that prove it: one for each service."""
    return tuple(step.id for step in attempt.steps if isinstance(step, VerifyStep) and step.probed)


def _needed(entries: Sequence[Entry]) -> tuple[float | None, float | None]:
    """When the run first needed a person, and when one said that they have it."""
    acked = next((at for at, entry in enumerate(entries) if isinstance(entry.event, Acked)), None)
    stopped = next((at for at, entry in enumerate(entries) if _stops(entry)), None)
    if stopped is None and acked:  # its process died, which leaves no line: it was there until the line before
        stopped = acked - 1
    return _said(entries, stopped), _said(entries, acked)


def _said(entries: Sequence[Entry], at: int | None) -> float | None:
    if at is None:
        return None
    event = entries[at].event
    return (event.at if isinstance(event, Acked) else entries[at].at) / _NANO


def _stops(entry: Entry) -> bool:
    return isinstance(entry.event, RunEnded) and entry.event.exit in (Exit.IN_DOUBT, Exit.NEEDS_HUMAN)


def _over(entries: Sequence[Entry]) -> Sequence[Entry]:
    """The lines up to the run's end: what people said later is not of its times."""
    ends = [at for at, entry in enumerate(entries, start=1) if isinstance(entry.event, RunEnded)]
    return entries[: ends[-1]] if ends else entries


def _gaps(entries: Sequence[Entry]) -> Iterator[Gap]:
    for before, after in pairwise(entries):
        if (seconds := (after.at - before.at) / _NANO) > _GAP:
            yield Gap(before.seq, seconds)


def _set_back(entries: Sequence[Entry]) -> Iterator[Gap]:
    for before, after in pairwise(entries):
        if (seconds := (before.at - after.at) / _NANO) > _NOTICEABLE:
            yield Gap(before.seq, seconds)
