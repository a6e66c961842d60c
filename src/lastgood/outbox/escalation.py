"""Whom a run that needs a person calls, and when: the next contact after its time, until somebody says "I have it".

There is no daemon: any command looks at the clock, and `lastgood outbox run` from a timer does so without a person.
Nothing here acts on a target; calling people is all that ever happens by itself.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

from lastgood.journal.store import Journal
from lastgood.model.event import Acked
from lastgood.model.message import Acknowledged, Ask, Fate, Kind, Message
from lastgood.outbox.asks import standing
from lastgood.outbox.collect import Here, theirs
from lastgood.outbox.messages import settles_nothing, standstill
from lastgood.outbox.store import Outbox

_NANO: Final = 1_000_000_000
_NEWEST: Final = 500
"""Runs of a target that are looked at: checks that a timer gives each minute must not hide a stop for hours."""
_INCIDENT: Final = 86_400 * _NANO
_NOTE: Final = "ack:"
_SEEN: Final = "seen:"


@dataclass(frozen=True)
class Contact:
    """Somebody to call, `after` so many seconds. `name` is what the outbox calls them; empty `envs` are all."""

    name: str
    who: str
    after: float
    envs: tuple[str, ...] = ()


Heard: TypeAlias = Callable[[Message], Acknowledged | None]
"""Asks the hosts of a stop who has it, as said on another machine; and has the journal know what became of its run."""


def escalate(  # noqa: PLR0913, PLR0917 - two stores, who is called about what, at which time
    journal: Journal,
    outbox: Outbox,
    contacts: Sequence[Contact],
    here: Here,
    now: int,
    heard: Heard = lambda _: None,
) -> None:
    """Put into the outbox whom it is time to call, and take back who need not be called any more.

    The contacts are enlisted already. Before anybody is called who had to wait for their time, `heard` is asked.
    Raises NeedsHuman or JournalUnwritable where a store cannot be used.
    """
    known = outbox.enlisted()
    stops = _unanswered(journal, outbox, here)
    late = [one for one in stops if _is_next(journal, outbox, contacts, one, now)]
    if late:
        for one in late:
            if found := heard(one.message):
                acknowledge(outbox, one.message, found)
        stops = _unanswered(journal, outbox, here)
    for contact in contacts:
        calls = [_call(one.message, contact.who) for one in stops if _due(journal, outbox, contact, one, now)]
        if calls:
            outbox.take(contact.name, known[contact.name].position, calls)
        there = {(one.message.run, one.message.seq) for one in stops}
        for post in outbox.waiting(contact.name):
            if (post.message.run, post.message.seq) not in there:
                outbox.settle(post, Fate.SUPERSEDED, because="acknowledged, or the run went on")


def _unanswered(journal: Journal, outbox: Outbox, here: Here) -> tuple[Ask, ...]:
    """What stands and nobody has: stops of runs, and asks."""
    stops = (Ask(one, "", one.at) for one in stopped(journal, outbox, here))
    both = (*stops, *standing(journal, outbox, here))
    return tuple(one for one in both if acknowledged(journal, outbox, one.message) is None)


def _due(journal: Journal, outbox: Outbox, contact: Contact, one: Ask, now: int) -> bool:
    """Whether it is time to call a contact.

    Whoever is new is not called about what stopped before they were known, unless it is what people are called for now.
    """
    since = outbox.enlisted()[contact.name].since
    new = not one.cause and journal.position(one.message.run) <= since
    if new and now - one.message.at < _INCIDENT:
        new = not _is_called_for(outbox, one.message)
    return (
        not new
        and _is_for(contact, one.message)
        and now - _since(outbox, one.message, now) >= (contact.after + one.wait) * _NANO
    )


def _is_next(journal: Journal, outbox: Outbox, contacts: Sequence[Contact], one: Ask, now: int) -> bool:
    """Whether somebody is to be called who had to wait: meanwhile it may have been said elsewhere who has it."""
    due = (contact for contact in contacts if _due(journal, outbox, contact, one, now))
    new = [contact for contact in due if not outbox.holds(contact.name, _call(one.message, contact.who))]
    return any(contact.after + one.wait > 0 for contact in new) or (bool(new) and _is_called_for(outbox, one.message))


def _is_called_for(outbox: Outbox, stop: Message) -> bool:
    """Whether anybody was called about it, be it somebody whom the file names no more."""
    about = (post.message for post in outbox.about(stop.run))
    return any((each.kind, each.seq) == (Kind.CALLED, stop.seq) for each in about)


def stopped(journal: Journal, outbox: Outbox, here: Here, *, anywhere: bool = False) -> Iterator[Message]:
    """The stops that stand: of each target the newest run, where it waits for a person and stopped on this machine.

    `anywhere` is for those of other machines as well.
    """
    for target in journal.targets():
        for run in journal.runs(target)[:_NEWEST]:
            entries = journal.entries(run)
            if not here.tells(outbox, entries):
                continue
            stop = standstill(entries) if not here.alive(run) else None
            if stop and (anywhere or stop.seq > theirs(outbox, run)):
                yield stop
            if stop or not settles_nothing(entries):
                break


def acknowledged(journal: Journal, outbox: Outbox, stop: Message) -> Acknowledged | None:
    """Who said first that they have it, and when; None where nobody did. A run that stops again needs it again."""
    said = (each for each in journal.entries(stop.run) if each.seq > stop.seq and isinstance(each.event, Acked))
    first = next((each.event for each in said if isinstance(each.event, Acked)), None)
    if first:
        return Acknowledged(stop.run, stop.target, first.by, first.at // _NANO)
    noted = outbox.noted(f"{_NOTE}{stop.run}/{stop.seq}")
    return msgspec.json.decode(noted, type=Acknowledged) if noted else None


def acknowledge(outbox: Outbox, stop: Message, made: Acknowledged) -> None:
    """Note who has what the journal cannot tell of: an ask, or a run that another machine may be at."""
    outbox.note(f"{_NOTE}{stop.run}/{stop.seq}", msgspec.json.encode(made).decode())


def _since(outbox: Outbox, stop: Message, now: int) -> int:
    """Since when a stop waits for somebody. Where the clock was set back after it, since when it is known to."""
    if stop.at <= now:
        return stop.at
    noted = outbox.noted(f"{_SEEN}{stop.run}/{stop.seq}")
    if not noted or int(noted) > now:
        outbox.note(f"{_SEEN}{stop.run}/{stop.seq}", str(now))
        return now
    return int(noted)


def _is_for(contact: Contact, stop: Message) -> bool:
    return not contact.envs or stop.env in contact.envs


def _call(stop: Message, who: str) -> Message:
    have = f"lastgood ack {stop.run}"
    return msgspec.structs.replace(stop, kind=Kind.CALLED, who=who, next=(have, *stop.next))
