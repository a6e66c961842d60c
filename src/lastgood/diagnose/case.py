"""What checks are given, and the shape of their answers."""

from collections.abc import Callable
from dataclasses import dataclass

from lastgood.model.errors import LastgoodError
from lastgood.model.observed import Observed
from lastgood.model.report import Check, Mark
from lastgood.model.target import Target
from lastgood.model.text import sanitise
from lastgood.ports import Tools


@dataclass(frozen=True)
class Case:
    """One target, its tools, and what one look at the world showed, or why there was none."""

    target: Target
    tools: Tools
    seen: Observed | LastgoodError

    @property
    def name(self) -> str:
        """What the target's checks are called by."""
        return sanitise(self.target.name)


def ok(name: str, said: str) -> Check:
    """Fine as it is."""
    return Check(name, Mark.OK, sanitise(said))


def warn(name: str, said: str, *then: str) -> Check:
    """A rollback would begin, but something will be missing; `then` mends it."""
    return Check(name, Mark.WARN, sanitise(said), then)


def fail(name: str, said: str, *then: str) -> Check:
    """A rollback would be refused, or would not work; `then` mends it."""
    return Check(name, Mark.FAIL, sanitise(said), then)


def unknown(name: str, said: str, *then: str) -> Check:
    """It cannot be told; `then` finds out or makes it possible to tell."""
    return Check(name, Mark.UNKNOWN, sanitise(said), then)


def told(name: str, error: LastgoodError) -> Check:
    """An error as the failure that it would be in a rollback."""
    return fail(name, " ".join((error.what, *error.because)), *error.next)


def guarded(name: str, look: Callable[[], tuple[Check, ...]]) -> tuple[Check, ...]:
    """The answers of `look`; what it raises is an answer as well, so that one broken check never hides the others."""
    try:
        return look()
    except LastgoodError as error:
        return (told(name, error),)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return (unknown(name, f"could not be checked: {where}{error.strerror or error}"),)
    except Exception as error:  # noqa: BLE001 - a defect in one check must not take the others' answers away
        return (unknown(name, f"could not be checked: {type(error).__name__}: {error}"),)
