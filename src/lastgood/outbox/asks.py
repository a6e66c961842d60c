"""Asks: a command that acts ended before a run began, nobody sat at a terminal, and so a person has to be called.

The journal knows nothing of them, so they stand in the outbox: each once for its target and cause, however often a
timer comes to the same end, until somebody has it or a later run of the target has taken its place.
"""

import contextlib
import hashlib
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from lastgood.journal.store import Journal
from lastgood.model.event import RunStarted
from lastgood.model.message import ASKED, Ask, Message
from lastgood.outbox.collect import Here
from lastgood.outbox.messages import settles_nothing
from lastgood.outbox.store import Outbox

_NANO: Final = 1_000_000_000
_SAME: Final = 3600 * _NANO
_LONGEST: Final = 86_400 * _NANO
_NOTE: Final = "ask:"
_VARYING: Final = re.compile(r"[0-9a-f]{7,}|\d+(?:\.\d+)?", re.ASCII)
"""Digests, counts and lengths: what differs each time that the same thing is said."""


def ask(outbox: Outbox, message: Message, wait: float, now: int) -> Ask | None:
    """Keep that a person is needed; None where that is known. `message.run` is made up here.

    What was not met for an hour is met anew, even where somebody had it: it was over in between. Raises NeedsHuman.
    """
    with outbox.at_once():
        return _asked(outbox, message, wait, now)


def _asked(outbox: Outbox, message: Message, wait: float, now: int) -> Ask | None:
    cause = _cause(message)
    same = [one for one in known(outbox) if one.message.target == message.target and one.cause == cause]
    for one in same:
        if abs(now - one.seen) < _SAME:
            _keep(outbox, msgspec.structs.replace(one, seen=now))
            return None
        _keep(outbox, msgspec.structs.replace(one, over="it was met again later"))
    name = f"{ASKED}{datetime.fromtimestamp(now // _NANO, UTC):%Y%m%d-%H%M%S}-{cause[:4]}"
    made = Ask(msgspec.structs.replace(message, run=name, at=now), cause, now, wait)
    _keep(outbox, made)
    return made


def known(outbox: Outbox) -> tuple[Ask, ...]:
    """Those that are not over, oldest first."""
    found: list[Ask] = []
    for _, value in outbox.notes(_NOTE):
        with contextlib.suppress(msgspec.MsgspecError):  # one that is damaged must not keep the others from being told
            found.append(msgspec.json.decode(value, type=Ask))
    return tuple(one for one in found if not one.over)


def settled(outbox: Outbox, target: str, action: str) -> None:
    """That a command succeeded: what the same one asked for is over. Raises NeedsHuman."""
    for one in known(outbox):
        if (one.message.target, one.message.action) == (target, action):
            _keep(outbox, msgspec.structs.replace(one, over="it was done since"))


def standing(journal: Journal, outbox: Outbox, here: Here) -> Iterator[Ask]:
    """Those for which a person is needed now. A run of the target that came later ends it; while it goes on, it waits.

    Raises NeedsHuman or JournalUnwritable.
    """
    for one in known(outbox):
        later = _later(journal, here, one)
        if later is None:
            yield one
        elif not later:
            yield msgspec.structs.replace(one, wait=math.inf)
        else:
            _keep(outbox, msgspec.structs.replace(one, over=f"run {later} came after it"))


def _later(journal: Journal, here: Here, one: Ask) -> str | None:
    """The run that takes its place; empty while one goes on, None where there is none."""
    for run in journal.runs():
        entries = journal.entries(run)
        first = entries[0].event
        if entries[0].at < one.message.at - _LONGEST:  # newest first: of those before, none went on for so long
            return None
        if entries[-1].at < one.message.at or not isinstance(first, RunStarted) or not here.ours(first.repo):
            continue
        plan = first.plan
        moved = {member.service for member in plan.members} | {plan.target.rpartition("/")[0]}
        if plan.target.rpartition("/")[2] != one.message.env or not moved.issuperset(one.message.services):
            continue
        if here.alive(run):
            return ""
        if not settles_nothing(entries):
            return run
    return None


def _cause(message: Message) -> str:
    said = f"{message.target}\n{message.exit}\n{_VARYING.sub('#', message.what)}"
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _keep(outbox: Outbox, one: Ask) -> None:
    outbox.note(f"{_NOTE}{one.message.run}", msgspec.json.encode(one).decode())
