"""A run told line by line, for `lastgood show`. Pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo

import msgspec

from lastgood.model.event import (
    Acked,
    ChildStarted,
    Entry,
    Event,
    Judged,
    Kept,
    LogErrors,
    Resumed,
    RunEnded,
    RunStarted,
    Said,
    StepDone,
    StepFailed,
    StepStarted,
    Ticked,
)
from lastgood.model.target import shown
from lastgood.model.text import sanitise

_NANO = 1_000_000_000


class Line(msgspec.Struct, frozen=True):
    """One event: its time (ISO 8601 with milliseconds and offset), seconds since the first line, and a sentence."""

    at: str
    elapsed: float
    text: str


def lines(entries: Sequence[Entry], tz: tzinfo = UTC) -> tuple[Line, ...]:
    """Every event of a run in order, as lines whose text is harmless on a terminal; empty for no entries.

    `elapsed` may be negative where the machine's clock was set back in the middle of the run.
    """
    if not entries:
        return ()
    first = entries[0]
    begun = first.event.plan if isinstance(first.event, RunStarted) else None
    because = {step.id: step.because for step in begun.steps()} if begun else {}
    return tuple(
        Line(_time(each.at, tz), (each.at - first.at) / _NANO, sanitise("; ".join(_told(each.event, because))))
        for each in entries
    )


def _time(at: int, tz: tzinfo) -> str:
    seconds, rest = divmod(at, _NANO)
    moment = datetime.fromtimestamp(seconds, tz).replace(microsecond=rest // 1000)
    return moment.isoformat(timespec="milliseconds")


def _told(event: Event, because: dict[str, str]) -> Iterator[str]:  # noqa: C901, PLR0912 - one per kind of event
    """The clauses of an event's sentence."""
    match event:
        case RunStarted():
            yield from _begun(event)
        case StepStarted(step=step):
            yield f"{step}: begun" + (f", because {because[step]}" if because.get(step) else "")
        case ChildStarted(step=step, child=child):
            yield f"{step}: {f'process {child.pid}' if child.pid else shown(child.host)} runs {' '.join(child.argv)}"
        case StepDone(step=step, seen=seen):
            yield f"{step}: done, {seen}" if seen else f"{step}: done"
        case StepFailed(step=step):
            yield f"{step}: {event.kind}, because {event.because}"
            yield from (f"next: {each}" for each in event.next)
        case Kept(step=step, files=files, lost=lost):
            yield f"{step}: kept as evidence: {', '.join(one.name for one in files) or 'nothing'}"
            yield from lost
        case LogErrors(step=step, image=image, found=found):
            kinds = "kind of error message" if len(found) == 1 else "kinds of error messages"
            yield f"{step}: the logs of {image.name} show {len(found)} {kinds}"
        case Judged(target=target, image=image, grade=grade):
            yield f"{image.name} on {target} is {grade}, because {event.because}"
        case Ticked(text=text, by=by, how=how):
            yield f"{text}: {'skipped' if event.skipped else 'done'}, says {by} ({how})"
            yield from filter(None, (event.because,))
        case Acked(by=by, how=how, at=at):
            yield f"acknowledged by {by} ({how}) at {_time(at, UTC)}"
        case Said(text=text):
            yield text
        case Resumed(by=by, aborting=aborting):
            yield f"taken up again by {by}, " + ("to put back the state from before" if aborting else "to finish it")
        case RunEnded():
            yield f"ended with exit {int(event.exit)}: {event.what}"
            yield from event.because
            yield from (f"next: {each}" for each in event.next)


def _begun(event: RunStarted) -> Iterator[str]:
    plan, consent = event.plan, event.consent
    to = f" to {plan.attempts[0].name}" if plan.attempts else ""
    yield f"{plan.action} of {plan.target}{to} begun, because {plan.because}"
    yield f"approved by {consent.by} ({consent.how}), plan {consent.plan_digest}"
