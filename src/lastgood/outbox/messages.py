"""From a run's journal lines to what is told about it. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from lastgood.journal.fold import fold
from lastgood.model.errors import Exit, LastgoodError
from lastgood.model.event import Acked, Entry, Resumed, Run, RunEnded, RunStarted, StepState, Ticked
from lastgood.model.forge import AWAITS_MERGE
from lastgood.model.message import Kind, Message
from lastgood.model.plan import Attempt
from lastgood.model.step import StartStep, StopStep, SwitchStep
from lastgood.model.target import Group
from lastgood.model.text import sanitise
from lastgood.record.redact import redact

_NEEDS_A_PERSON: Final = (Exit.IN_DOUBT, Exit.NEEDS_HUMAN)
_TOUCHED_NOTHING: Final = (Exit.REFUSED, Exit.LEASE_HELD, Exit.WORLD_MOVED)
_UNTOLD: Final = "check"
_CLAUSES: Final = 12
_LETTERS: Final = 500


def told(entries: Sequence[Entry]) -> Message | None:
    """What the last of these lines of a run tells the world; None where it is nothing to tell.

    A check is not told: it acts on nothing.
    """
    last = entries[-1].event
    if not isinstance(last, RunStarted | Resumed | RunEnded) or not isinstance(entries[0].event, RunStarted):
        return None
    run = fold(entries)
    if run.plan.action == _UNTOLD:
        return None
    if isinstance(last, Resumed):
        return _again(run, entries, last)
    return _begun(run, entries[0]) if isinstance(last, RunStarted) else _ended(run, entries[-1], last)


def died(entries: Sequence[Entry]) -> Message | None:
    """That a run without an end is carried out by nobody; None where it has one, or is a check."""
    run = fold(entries)
    if run.ended or run.plan.action == _UNTOLD:
        return None
    # What people say of it afterwards is no sign of life.
    last = next(entry for entry in reversed(entries) if not isinstance(entry.event, Ticked | Acked))
    again = (f"lastgood resume {run.id}", f"lastgood abort {run.id}", f"lastgood show {run.id}")
    what = f"Run {run.id} stopped half-way, and nobody carries it out."
    return _message(run, last, Kind.STOPPED, what, _failures(run), again)


def standstill(entries: Sequence[Entry]) -> Message | None:
    """What is told of a run that stands still now and needs a person; None where it does not."""
    run = fold(entries)
    if run.ended is None:
        return died(entries)
    last = max(number for number, entry in enumerate(entries) if isinstance(entry.event, RunEnded))
    message = told(entries[: last + 1])
    if message and any(failed.signature == AWAITS_MERGE for failed in run.failures.values()):
        risk = "until it is merged, the next deploy brings back the release that was left"
        return msgspec.structs.replace(message, kind=Kind.STOPPED, risk=(risk, *message.risk))
    return message if message and message.kind is Kind.STOPPED else None


def asking(  # noqa: PLR0913 - the parts of a message
    chosen: Group, action: str, ended: LastgoodError, *, then: Sequence[str], risk: Sequence[str], by: str
) -> Message:
    """That a command which acts on `chosen` ended so and a person is needed; whoever keeps it gives it id and time.

    `then` are further commands to go on with, `by` is who gave the command.
    """
    return Message(
        run="",
        seq=1,
        kind=Kind.STOPPED,
        at=0,
        target=chosen.name,
        action=action,
        what=_safe(ended.what),
        services=tuple(member.service for member in chosen.members),
        exit=int(ended.exit),
        because=tuple(_safe(each) for each in ended.because)[:_CLAUSES],
        next=tuple(dict.fromkeys(_safe(each) for each in (*ended.next, *then)))[:_CLAUSES],
        by=by,
        risk=tuple(_safe(each) for each in risk)[:_CLAUSES],
    )


def settles_nothing(entries: Sequence[Entry]) -> bool:
    """Whether a run says nothing about an older stop: it touched nothing, or it is a check that did not pass."""
    run = fold(entries)
    if run.plan.action == "check":
        return not (run.ended and run.ended.exit is Exit.DONE)
    return run.ended is not None and run.ended.exit in _TOUCHED_NOTHING


def _begun(run: Run, first: Entry) -> Message:
    plan = run.plan
    to = f" to {plan.attempts[0].name}" if plan.attempts else ""
    return _message(run, first, Kind.BEGAN, f"{plan.action} of {plan.target}{to} begun.", (plan.because,), ())


def _again(run: Run, entries: Sequence[Entry], resumed: Resumed) -> Message | None:
    """That somebody goes on; None where only git is brought to what runs, which nobody out there notices."""
    before = fold(entries[:-1]).ended
    if before and before.exit is Exit.MITIGATED and not resumed.aborting:
        return None
    why = "to put back the state from before" if resumed.aborting else "to finish it"
    what = f"Run {run.id} of {run.plan.target} is taken up again by {resumed.by}, {why}."
    return _message(run, entries[-1], Kind.BEGAN, what, (), ())


def _ended(run: Run, last: Entry, ended: RunEnded) -> Message:
    """How it ended; what was tried is told as well where a person has to go on."""
    stopped = ended.exit in _NEEDS_A_PERSON
    because = (*ended.because, *_failures(run)) if stopped else ended.because
    then = (*ended.next, f"lastgood show {run.id}") if stopped else ended.next
    return _message(run, last, Kind.STOPPED if stopped else Kind.ENDED, ended.what, because, then, int(ended.exit))


def _failures(run: Run) -> tuple[str, ...]:
    return tuple(f"{failed.step}: {failed.because}" for failed in run.failures.values())


def _message(  # noqa: PLR0913, PLR0917 - the parts of a message
    run: Run, at: Entry, kind: Kind, what: str, because: tuple[str, ...], then: tuple[str, ...], code: int | None = None
) -> Message:
    plan, attempt = run.plan, _reached(run)
    folders = (run.done[step.id].details.get("folder", "") for step in plan.before if step.id in run.done)
    return Message(
        run=run.id,
        seq=at.seq,
        kind=kind,
        at=at.at,
        target=plan.target,
        action=plan.action,
        what=_safe(what),
        services=tuple(member.service for member in plan.members),
        exit=code,
        because=tuple(dict.fromkeys(_safe(each) for each in because if each))[:_CLAUSES],
        next=tuple(dict.fromkeys(_safe(each) for each in then))[:_CLAUSES],
        running=_safe(plan.running),
        to=_safe(attempt.name) if attempt else "",
        commit=_commit(attempt) if attempt else "",
        by=_safe(run.consent.by),
        evidence=_safe(next(filter(None, folders), "")),
        risk=tuple(_safe(each) for each in _risk(run)) if kind is Kind.STOPPED else (),
    )


def _reached(run: Run) -> Attempt | None:
    """The attempt that the run is at: the last of which a step was begun, else the first."""
    begun = [attempt for attempt in run.plan.attempts if any(step.id in run.steps for step in attempt.steps)]
    known = begun or run.plan.attempts[:1]
    return known[-1] if known else None


def _commit(attempt: Attempt) -> str:
    """The commit that pinned what is gone back to; of several services the newest."""
    newest = max(attempt.parts, key=lambda part: part.release.at, default=None)
    return newest.release.commit if newest else ""


def _risk(run: Run) -> tuple[str, ...]:
    """What may come of it: steps that may or may not have taken effect, writers that stand still, the schema."""
    doubtful = [step for step, state in run.steps.items() if state is StepState.STARTED]
    stopped = [step for step in run.plan.steps() if isinstance(step, StopStep) and step.id in run.done]
    started = any(isinstance(step, StartStep | SwitchStep) and step.id in run.done for step in run.plan.steps())
    found = [f"{step} was begun, and whether it took effect is not known" for step in doubtful]
    if stopped and not started:
        found.append("what writes to the database was stopped, and was not started again by this run")
    if run.plan.schema not in {"", "untouched"}:
        found.append(f"the schema: {run.plan.schema}")
    return (*found, *run.plan.warnings)[:_CLAUSES]


def _safe(text: str) -> str:
    """One short line without control characters and without what looks like a credential: it leaves this machine."""
    masked, _ = redact(text.encode(errors="backslashreplace"), ())
    line = sanitise(masked.decode(errors="replace"))
    return line if len(line) <= _LETTERS else f"{line[:_LETTERS]} …"
