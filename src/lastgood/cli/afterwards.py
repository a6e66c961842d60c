"""What a command does once it has said everything: work the outbox, for a bounded time and without ever failing."""

import os
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from lastgood.cli.session import Session

T = TypeVar("T")

_SESSIONS: "Final[list[Session]]" = []
_THEN: "Final[list[tuple[Session, Callable[[], None]]]]" = []


def then(session: "Session", act: "Callable[[], None]") -> None:
    """Have `work` do this first. What it raises is told, and changes nothing."""
    _THEN.append((session, act))


def remember(session: "Session") -> None:
    """Have `work` look at this session."""
    _SESSIONS.append(session)


def work() -> None:
    """Deliver what is due for the sessions that were remembered. An interrupt ends it, and changes nothing else.

    Only a command that had to read the configuration does so; where that names nobody to tell, nothing is loaded.
    """
    sessions, first = tuple(_SESSIONS), tuple(_THEN)
    _SESSIONS.clear()
    _THEN.clear()
    for session, act in first:
        _told(session, act)
    for session in sessions:
        service = session.__dict__.get("service")  # what was not needed so far is not made now
        if service is not None and service.tells and not os.environ.get("LASTGOOD_NO_OUTBOX"):
            _work(session)


def _work(session: "Session") -> None:
    from lastgood.posting import AFTERWARDS

    missed = _told(session, lambda: session.service.post_office.work(AFTERWARDS))
    if missed:
        session.note((f"  ! not told yet: {', '.join(missed)}; it is tried again, see lastgood outbox",))


def _told(session: "Session", act: "Callable[[], T]") -> "T | None":
    """Do it; whatever it raises is told, and ends there."""
    from lastgood.model.errors import LastgoodError

    try:
        return act()
    except LastgoodError as error:
        session.note((f"  ! {error.what} {' '.join(error.because)}",))
    except KeyboardInterrupt:
        session.note(("  ! interrupted; what was not delivered waits: lastgood outbox",))
    except Exception as error:  # noqa: BLE001 - what the command did stands, whatever happens to telling of it
        from lastgood.cli import out

        out.traced(error)
        session.note((f"  ! telling of it failed: {type(error).__name__}; what was not delivered waits",))
    return None
