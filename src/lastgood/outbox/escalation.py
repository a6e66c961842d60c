"""Whom a run that needs a person calls, and when: the next contact after its time, until somebody says "I have it".

There is no daemon: any command looks at the clock, and `lastgood outbox run` from a timer does so without a person.
Nothing here acts on a target; calling people is all that ever happens by itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from lastgood.journal.fold import fold
from lastgood.journal.store import Journal
from lastgood.model.errors import Exit
from lastgood.model.event import Entry, RunStarted
from lastgood.model.message import Acknowledged, Fate, Kind, Message
from lastgood.outbox.collect import Here, theirs
from lastgood.outbox.messages import standstill
from lastgood.outbox.store import Outbox

_NANO: Final = 1_000_000_000
_NEWEST: Final = 20
_NOTE: Final = "ack:"
_TOUCHED_NOTHING: Final = (Exit.REFUSED, Exit.LEASE_HELD, Exit.WORLD_MOVED)


@dataclass(frozen=True)
class Contact:
    """Somebody to call, `after` so many seconds. `name` is what the outbox calls them; empty `envs` are all."""

    name: str
    who: str
    after: float
    envs: tuple[str, ...] = ()


def escalate(
    journal: Journal,
    outbox: Outbox,
    contacts: Sequence[Contact],
    here: Here,
    now: int,
) -> None:
    """Put into the outbox whom it is time to call, and take back who need not be called any more.

    The contacts are enlisted already. Raises NeedsHuman or JournalUnwritable where a store cannot be used.
    """
    known = outbox.enlisted()
    found = (one for one in stopped(journal, outbox, here) if acknowledged(outbox, one) is None)
    stops = {one.run: one for one in found}
    for contact in contacts:
        since = known[contact.name].since
        mine = [one for one in stops.values() if journal.position(one.run) > since]
        due = [one for one in mine if _is_for(contact, one) and now - one.at >= contact.after * _NANO]
        calls = [_call(one, contact.who) for one in due]
        if calls:
            outbox.take(contact.name, known[contact.name].position, calls)
        for post in outbox.waiting(contact.name):
            standing = stops.get(post.message.run)
            if standing is None or standing.seq != post.message.seq:
                outbox.settle(post, Fate.SUPERSEDED, because="acknowledged, or the run went on")


def stopped(journal: Journal, outbox: Outbox, here: Here) -> Iterator[Message]:
    """The stops that stand: of each target the newest run, where it waits for a person and stopped on this machine."""
    settled: set[str] = set()
    for run in journal.runs()[:_NEWEST]:
        entries = journal.entries(run)
        target = _target(entries)
        if target in settled or not here.tells(outbox, entries):
            continue
        standing = standstill(entries) if not here.alive(run) else None
        if standing and standing.seq > theirs(outbox, run):
            yield standing
        if standing or not _settles_nothing(entries):
            settled.add(target)


def acknowledged(outbox: Outbox, stop: Message) -> Acknowledged | None:
    """Who said that they have it, and when; None where nobody did. A run that stops again needs it again."""
    noted = outbox.noted(f"{_NOTE}{stop.run}/{stop.seq}")
    return msgspec.json.decode(noted, type=Acknowledged) if noted else None


def acknowledge(outbox: Outbox, stop: Message, by: str, now: int) -> Acknowledged:
    """Note that somebody has it; the first one who said so stays."""
    there = acknowledged(outbox, stop)
    if there:
        return there
    made = Acknowledged(stop.run, stop.target, by, now // _NANO)
    outbox.note(f"{_NOTE}{stop.run}/{stop.seq}", msgspec.json.encode(made).decode())
    return made


def _target(entries: Sequence[Entry]) -> str:
    first = entries[0].event
    return first.plan.target if isinstance(first, RunStarted) else ""


def _settles_nothing(entries: Sequence[Entry]) -> bool:
    """Whether a run says nothing about an older stop: it touched nothing, or it is a check that did not pass."""
    run = fold(entries)
    if run.plan.action == "check":
        return not (run.ended and run.ended.exit is Exit.DONE)
    return run.ended is not None and run.ended.exit in _TOUCHED_NOTHING


def _is_for(contact: Contact, stop: Message) -> bool:
    return not contact.envs or stop.env in contact.envs


def _call(stop: Message, who: str) -> Message:
    have = f"lastgood ack {stop.run}"
    return msgspec.structs.replace(stop, kind=Kind.CALLED, who=who, next=(have, *stop.next))
