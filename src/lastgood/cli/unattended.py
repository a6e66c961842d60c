"""Commands that act while nobody sits at a terminal: where one ends and a person is needed, one is called.

A run says so by itself, in the journal. Here is what ends before there is a run, or with one that tells nobody.
"""

import os
import time
from typing import TYPE_CHECKING, Final, Self

from lastgood.cli import afterwards
from lastgood.model.errors import Exit, LastgoodError, NeedsHuman, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lastgood.cli.session import Session
    from lastgood.model.event import RunEnded
    from lastgood.model.report import Status
    from lastgood.model.target import Group, Target
    from lastgood.service import Service, Teller

_SOON: Final = 120.0
"""Seconds that a program has to approve, or plan anew, what it may itself, before a person is called for that."""
_OTHERS: Final = 600.0
"""Seconds that somebody else has who acts on the target: that long walking back may take."""
_LOOK: Final = 3.0
"""Seconds in which it is looked how what runs fares, once everything else is done."""
_UNLESS_HEALTHY: Final = (Exit.FAILED_RESTORED, Exit.REFUSED, Exit.LEASE_HELD, Exit.WORLD_MOVED)
_WELL: Final = (Exit.DONE, Exit.MITIGATED)
_CALLS: Final = (Exit.IN_DOUBT, Exit.NEEDS_HUMAN, Exit.CONSENT_NEEDED, *_UNLESS_HEALTHY)


class Watch:
    """A command that acts on `chosen`: however it ends, a person is called afterwards where one is needed.

    As a context manager it hears of what is raised; `ends` hears of an end that is handed back.
    """

    def __init__(self, session: "Session", service: "Service", chosen: "Group", action: str) -> None:
        self._session = session
        self._service = service
        self._chosen = chosen
        self._action = action

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, LastgoodError):
            self._stopped(error)
        elif isinstance(error, Exception):
            self._stopped(NeedsHuman(f"internal error: {type(error).__name__}", because=("a defect of lastgood",)))

    def ends(self, act: "Callable[[Teller], RunEnded]") -> "Callable[[Teller], RunEnded]":
        """`act`, whose end is told where no run tells it by itself."""

        def acted(tell: "Teller") -> "RunEnded":
            ended = act(tell)
            self.ended(ended.exit, ended.what, ended.because, ended.next)
            return ended

        return acted

    def ended(self, code: Exit, what: str, because: tuple[str, ...] = (), then: tuple[str, ...] = ()) -> None:
        """That it ended so."""
        error = LastgoodError(what, because=because, next=then)
        error.exit = code
        self._stopped(error)

    def _stopped(self, error: LastgoodError) -> None:
        """It is looked at, and somebody called, when the command has said everything."""
        if not self._service.config.file.contacts:
            return
        if error.exit in _WELL:
            settled = lambda: self._service.post_office.settled(self._chosen.name, self._action)  # noqa: E731 - used once
            afterwards.then(self._session, settled)
        elif error.exit in _CALLS and not attended():
            afterwards.then(self._session, lambda: self._call(error))

    def _call(self, error: LastgoodError) -> None:
        from lastgood.outbox.messages import asking
        from lastgood.wiring import who

        if (error.exit not in _UNLESS_HEALTHY or error.exit is Exit.LEASE_HELD) and self._journalled(error):
            return
        chosen, seen = self._chosen, _looked(self._service, self._chosen)
        if error.exit in _UNLESS_HEALTHY and all(said is None for said in seen.values()):
            return
        risk = [f"{name}: {said}" for name, said in seen.items() if said is not None]
        then = (self._session.command(*self._session.argv), f"lastgood status {chosen.service} {chosen.env}")
        message = asking(chosen, self._action, error, then=then, risk=risk, by=who())
        self._service.post_office.ask(message, _waits(error))

    def _journalled(self, error: LastgoodError) -> bool:
        """Whether it is how a run ended, or that it has no end: such a run calls by itself, but for a check."""
        last = self._service.journal.last_run_for(self._chosen.name)
        if last is None or last.plan.action == "check":
            return False
        if last.ended is None:
            return error.exit is Exit.IN_DOUBT or (error.exit is Exit.LEASE_HELD and self._stopped_here(last.id))
        return (last.ended.exit, last.ended.what) == (error.exit, error.what)

    def _stopped_here(self, run: str) -> bool:
        try:
            _, _, ours = self._service.post_office.stop(run)
        except UsageError:  # it goes on, or waits for nobody
            return False
        return ours


def _waits(error: LastgoodError) -> float:
    """Seconds for which somebody else, a program or whoever acts on the target, may make the call needless."""
    if error.exit is Exit.LEASE_HELD:
        return 0.0 if getattr(error, "ran_out", False) else _OTHERS
    may = error.exit is Exit.WORLD_MOVED or (
        error.exit is Exit.CONSENT_NEEDED and not getattr(error, "by_person", False)
    )
    return _SOON if may else 0.0


def attended() -> bool:
    """Whether anybody sees what this process says, or types into it."""
    return any(_terminal(stream) for stream in (0, 1, 2))


def _terminal(stream: int) -> bool:
    try:
        return os.isatty(stream)
    except OSError:
        return False


def _looked(service: "Service", chosen: "Group") -> dict[str, str | None]:
    """How each service fares, in a clause; None where it is known to be healthy."""
    from functools import partial

    from lastgood.observe.together import Asked

    end = time.monotonic() + _LOOK
    looks = {member.name: Asked(partial(_status, service, member)) for member in chosen.members}
    return {name: _fares(look.within(max(0.0, end - time.monotonic()))) for name, look in looks.items()}


def _status(service: "Service", member: "Target") -> "Status | LastgoodError":
    try:
        return service.status(member)
    except LastgoodError as error:
        return error


def _fares(seen: "Status | LastgoodError | None") -> str | None:
    from lastgood.model.report import Health

    if seen is None or isinstance(seen, LastgoodError):
        return f"how it fares is not known: {seen.what if seen else 'it could not be seen in time'}"
    return None if seen.health is Health.HEALTHY else f"{seen.health}: {seen.health_because}"
