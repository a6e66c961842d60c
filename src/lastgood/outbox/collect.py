"""Makes the messages that the journal's lines call for, each once for each destination."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from lastgood.journal.store import Journal
from lastgood.model.event import Entry, RunEnded, RunStarted
from lastgood.model.message import Kind, Message
from lastgood.outbox.messages import died, told
from lastgood.outbox.store import Enlisted, Outbox

_TOLD: Final = ("run-started", "resumed", "run-ended")
_RECENT: Final = 3600 * 1_000_000_000
_NEWEST: Final = 20
_THEIRS: Final = "adopted:"


@dataclass(frozen=True)
class Subscription:
    """What a destination wants to hear of; empty `envs` are all."""

    name: str
    kinds: frozenset[Kind]
    envs: tuple[str, ...] = ()

    def wants(self, message: Message) -> bool:
        """Whether the message is for it."""
        return message.kind in self.kinds and (not self.envs or message.env in self.envs)


@dataclass(frozen=True)
class Here:
    """Which runs are told here: `alive` says whether a run is carried out, `ours` whether a deploy repo is this one.

    A journal is its user's, and holds the runs of all deploy repos that they work in.
    """

    alive: Callable[[str], bool]
    ours: Callable[[str], bool]

    def tells(self, outbox: Outbox, entries: Sequence[Entry]) -> bool:
        """Whether a run is this deploy repo's: begun in it, or taken up in it from another machine."""
        first = entries[0].event if entries else None
        return isinstance(first, RunStarted) and (self.ours(first.repo) or theirs(outbox, entries[0].run) > 0)


def collect(journal: Journal, outbox: Outbox, wanted: Sequence[Subscription], here: Here, now: int) -> None:
    """Bring the outbox up to the journal. Raises NeedsHuman or JournalUnwritable where one of them cannot be used.

    A destination that is new hears of a run that goes on, or began within the last hour: it may be the one during
    which it was to be enlisted. Of runs before that it hears nothing. What another machine wrote down of a run that was
    taken up here is for that machine to tell.
    """
    known = outbox.enlisted()
    for one in wanted:
        if one.name not in known:
            outbox.enlist(one.name, _beginning(journal, outbox, here, now))
    known = outbox.enlisted()
    end = journal.position()
    for one in wanted:
        _take(journal, outbox, one, known[one.name], end, here)
        stopped = tuple(_stopped(journal, outbox, known[one.name].since, here))
        missing = [message for message in stopped if one.wants(message)]
        if missing:
            outbox.take(one.name, end, missing)


def adopted(outbox: Outbox, run: str, seq: int) -> None:
    """Note that the lines of a run up to `seq` are another machine's. Raises NeedsHuman."""
    outbox.note(f"{_THEIRS}{run}", str(seq))


def theirs(outbox: Outbox, run: str) -> int:
    """Up to which line a run is another machine's; 0 for one of this machine. Raises NeedsHuman."""
    return int(outbox.noted(f"{_THEIRS}{run}") or 0)


def _take(  # noqa: PLR0913, PLR0917 - two stores, who wants what, from where to where
    journal: Journal, outbox: Outbox, one: Subscription, known: Enlisted, end: int, here: Here
) -> None:
    """Look at the journal's lines since the last time; a journal that got shorter is another one, and read anew."""
    position = known.position if known.position <= end else 0
    if position == end:
        return
    heads = journal.after(position, _TOLD)
    lines = (_until(journal, run, seq) for run, seq in heads if seq > theirs(outbox, run))
    made = (told(entries) for entries in lines if here.tells(outbox, entries))
    outbox.take(one.name, end, [message for message in made if message and one.wants(message)])


def _until(journal: Journal, run: str, seq: int) -> tuple[Entry, ...]:
    return tuple(entry for entry in journal.entries(run) if entry.seq <= seq)


def _stopped(journal: Journal, outbox: Outbox, since: int, here: Here) -> Iterator[Message]:
    """Runs without an end that nobody carries out: their processes were killed, or the machine was."""
    ended = dict(journal.after(since, ("run-ended",)))
    begun = dict(journal.after(since, ("run-started",))) | dict(journal.after(since, ("resumed",)))
    unfinished = [run for run, seq in begun.items() if ended.get(run, 0) < seq]
    for run in unfinished[-_NEWEST:]:
        if not here.alive(run):
            # Read after the look: a run that ended in between has its end by now.
            entries = journal.entries(run)
            message = died(entries) if here.tells(outbox, entries) else None
            if message and message.seq > theirs(outbox, run):
                yield message


def _beginning(journal: Journal, outbox: Outbox, here: Here, now: int) -> int:
    """From where on the journal is for a destination that is new."""
    for run in journal.runs()[:_NEWEST]:
        entries = journal.entries(run)
        if here.tells(outbox, entries):
            over = any(isinstance(entry.event, RunEnded) for entry in entries)
            return journal.position() if over and now - entries[0].at > _RECENT else journal.position(run) - 1
    return journal.position()
