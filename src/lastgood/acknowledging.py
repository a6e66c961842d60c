"""The facade behind `ack`: a person has what needs one, and whoever would be called next hears of it."""

import re
from dataclasses import dataclass
from typing import Final

from lastgood.effects.clock import SystemClock
from lastgood.model.errors import UsageError
from lastgood.model.event import Acked
from lastgood.model.message import ASKED, Acknowledged, Message
from lastgood.service import Service

_NANO: Final = 1_000_000_000
_WHOLE: Final = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}", re.ASCII)


@dataclass(frozen=True)
class TakenOn:
    """Who has it, the command to go on with, and whether another machine can know: the one that calls may be one."""

    made: Acknowledged
    next: str
    told: bool


def take_on(service: Service, name: str, by: str, how: str) -> TakenOn:
    """Say that `by` has a run, or an ask, on whichever machine it stopped. Whoever said so first stays.

    `name` is an id, or the beginning of one that is known here. Raises UsageError where nobody knows it or it waits for
    nobody, and what `Service.adopt` and `note` raise.
    """
    if name.startswith(ASKED):
        return _ask(service, name, by)
    _known(service, name)
    stop, first, ours = service.post_office.stop(name)
    then = f"lastgood show {stop.run}"
    if first:
        return TakenOn(first, then, told=True)
    if not ours and service.run(stop.run).ended is None:
        # It may be under way there, and then its record is its own.
        return _aside(service, stop, by, then)
    now = SystemClock().now()
    told = service.note(stop.run, Acked(by, how, now))
    said = service.post_office.stop(stop.run)[1]
    return TakenOn(said or Acknowledged(stop.run, stop.target, by, now // _NANO), then, bool(told))


def _known(service: Service, name: str) -> None:
    """Have the run here as the hosts know it. Raises UsageError where neither does."""
    try:
        name = service.journal.find(name)
    except UsageError:
        if not _WHOLE.fullmatch(name):
            raise
    service.adopt(name)


def _ask(service: Service, name: str, by: str) -> TakenOn:
    try:
        stop, first, _ = service.post_office.stop(name)
    except UsageError:
        found = service.calls.find(tuple(one.name for one in service.targets()), name)
        if found is None:
            raise
        stop, first = found.message, None
    if first:
        return TakenOn(first, "lastgood outbox", told=True)
    return _aside(service, stop, by, f"lastgood status {stop.service} {stop.env}")


def _aside(service: Service, stop: Message, by: str, then: str) -> TakenOn:
    """Say so beside the record, on the hosts and here."""
    now = SystemClock().now() // _NANO
    made, told = service.calls.answer(stop, Acknowledged(stop.run, stop.target, by, now))
    service.post_office.has(stop, made)
    return TakenOn(made, then, told)
