"""What a command does once it has said everything: work the outbox, for a bounded time and without ever failing."""

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lastgood.cli.session import Session

_SESSIONS: "Final[list[Session]]" = []


def remember(session: "Session") -> None:
    """Have `work` look at this session."""
    _SESSIONS.append(session)


def work() -> None:
    """Deliver what is due for the sessions that were remembered. An interrupt ends it, and changes nothing else.

    Only a command that had to read the configuration does so; where that names nobody to tell, nothing is loaded.
    """
    sessions = tuple(_SESSIONS)
    _SESSIONS.clear()
    for session in sessions:
        service = session.__dict__.get("service")  # what was not needed so far is not made now
        if service is not None and service.tells and not os.environ.get("LASTGOOD_NO_OUTBOX"):
            _work(session)


def _work(session: "Session") -> None:
    from lastgood.model.errors import LastgoodError
    from lastgood.posting import AFTERWARDS

    try:
        missed = session.service.post_office.work(AFTERWARDS)
        if missed:
            session.note((f"  ! not told yet: {', '.join(missed)}; it is tried again, see lastgood outbox",))
    except LastgoodError as error:
        session.note((f"  ! {error.what} {' '.join(error.because)}",))
    except KeyboardInterrupt:
        session.note(("  ! interrupted; what was not delivered waits: lastgood outbox",))
    except Exception as error:  # noqa: BLE001 - what the command did stands, whatever happens to telling of it
        from lastgood.cli import out

        out.traced(error)
        session.note((f"  ! telling of it failed: {type(error).__name__}; what was not delivered waits",))
