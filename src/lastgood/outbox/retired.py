"""Asks that are over leave the outbox's file: a timer may make one each hour, for as long as there are timers.

What is told of runs stays, as their record does: of a message that was gone it could not be told that it arrived, and
it would be made from the journal once more. Of an ask nothing is ever made again: it stands in this file alone.
"""

import contextlib
from collections.abc import Iterator
from typing import Final

import msgspec

from lastgood.model.message import ASKED, Acknowledged, Ask
from lastgood.outbox.store import Outbox

KEPT: Final = 30 * 86_400 * 1_000_000_000
"""Nanoseconds for which one is kept that was not met again: somebody may want to see who was called."""
_NANO: Final = 1_000_000_000
_ASK: Final = "ask:"
_HAS: Final = f"ack:{ASKED}"


def retire(outbox: Outbox, now: int) -> None:
    """Take out what is over, or somebody has, and was not met for long. One that is open stays. Raises NeedsHuman."""
    if not any(_gone(outbox, now)):  # most looks find none, and hold nobody up
        return
    with outbox.at_once():  # looked at again: somebody may have met one meanwhile
        for run in tuple(_gone(outbox, now)):
            outbox.drop(run, (f"{_ASK}{run}", f"ack:{run}", f"seen:{run}"))


def _gone(outbox: Outbox, now: int) -> Iterator[str]:
    """The ids of those that may go, and of those of another machine that somebody said here to have."""
    has = {name.removeprefix("ack:").partition("/")[0]: value for name, value in outbox.notes(_HAS)}
    asks = {name.removeprefix(_ASK): value for name, value in outbox.notes(_ASK)}
    for run, value in asks.items():
        with contextlib.suppress(msgspec.MsgspecError):
            one = msgspec.json.decode(value, type=Ask)
            if (one.over or run in has) and now - one.seen > KEPT and outbox.done_with(run):
                yield run
    for run in has.keys() - asks.keys():
        with contextlib.suppress(msgspec.MsgspecError):
            if now - msgspec.json.decode(has[run], type=Acknowledged).at * _NANO > KEPT:
                yield run
