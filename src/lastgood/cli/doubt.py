"""A second look beside a rollback: what is wrong, found out while it is planned, and whether it would be a cure."""

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from lastgood.cli import out
from lastgood.cli.asking import asked
from lastgood.cli.session import Session
from lastgood.cli.words import field
from lastgood.model.diagnosis import Scenario
from lastgood.model.errors import ConsentNeeded, LastgoodError, NeedsHuman
from lastgood.observe.together import Asked

if TYPE_CHECKING:
    from collections.abc import Callable

    from lastgood.model.diagnosis import Diagnosis
    from lastgood.model.target import Group, Target
    from lastgood.run.planning import Wish
    from lastgood.service import Service

SECONDS: Final = 2.0
"""How long a planned rollback waits for it at most: by then it has looked for as long as planning took, and longer."""

_JUDGING: Final = 0.3
"""Seconds of these that are for the judgement of what has been seen until then."""

_SHOWN: Final = 2


class Doubt:
    """Looks at every member of `chosen` from now on, in the background, where `--to` was not given.

    Only evidence that is sure stops anything: what is unknown or late never does.
    """

    def __init__(self, session: Session, chosen: "Group", wish: "Wish") -> None:
        self._session = session
        self._looks = [(target, self._look(target)) for target in chosen.members if not wish.to and not wish.down]

    def _look(self, target: "Target") -> "tuple[Asked[Diagnosis], threading.Event]":
        """A look in the background, and what tells it to come to its end."""
        late = threading.Event()
        return Asked(partial(_examined, self._session.service, target, late.is_set)), late

    def settle(self, *, asking: bool, anyway: bool) -> str:
        """Say what was found; where it doubts, ask. Raises NeedsHuman where nobody can be asked, unless `anyway`.

        Where there is no consent at all yet, it only says so. Raises ConsentNeeded where the operator says no. Gives
        what is to be written down where it is gone on with against a doubt, else nothing.
        """
        end = time.monotonic() + SECONDS
        found = [one for each in self._looks if (one := self._found(*each, end)) is not None]
        self._session.note([line for one in found for line in _told(one)])
        doubting = next((one for one in found if one.doubts), None)
        if doubting is None or (asking and not self._session.interactive and not anyway):
            return ""
        against = f"gone on with although the diagnosis is sure that a rollback cures nothing: {doubting.what}"
        if anyway:
            return against
        again = self._session.command(*self._session.argv, "--anyway")
        if not asking:
            raise NeedsHuman(
                f"Nothing was touched: a rollback would not cure this. {doubting.what}",
                because=tuple(one.said for one in doubting.evidence[:_SHOWN]),
                next=(doubting.recommendation.command, f"{again}   # all the same"),
            )
        out.lines(("A rollback would not cure this.",), err=True)
        if not asked("Go on all the same? [y/N] "):
            raise ConsentNeeded("Nothing was touched.", next=(doubting.recommendation.command,))
        return against

    def _found(
        self, target: "Target", look: "tuple[Asked[Diagnosis], threading.Event]", end: float
    ) -> "Diagnosis | None":
        """What was found; looked again where git was too old to tell what is there, as planning has fetched it now."""
        found = _within(*look, end)
        if found is not None and found.scenario is Scenario.UNKNOWN:
            found = _within(*self._look(target), end)
        return found


def _within(look: "Asked[Diagnosis]", late: threading.Event, end: float) -> "Diagnosis | None":
    try:
        found = look.within(max(0.0, end - _JUDGING - time.monotonic()))
        if found is None:
            late.set()
            found = look.within(max(0.0, end - time.monotonic()))
    except LastgoodError:
        return None
    except Exception as error:  # noqa: BLE001 - a defect in the second look must not stand in the way of a rollback
        out.traced(error)
        return None
    return found


def _told(found: "Diagnosis") -> tuple[str, ...]:
    if found.scenario in (Scenario.HEALTHY, Scenario.UNKNOWN):
        return ()
    said = f"{found.target}: {found.scenario}, {found.confidence} confidence: {found.what}"
    return field("diagnosis", said, *(f"{one.source:<10} {one.said}" for one in found.evidence[:_SHOWN]))


def _examined(service: "Service", target: "Target", late: "Callable[[], bool]") -> "Diagnosis":
    """In the background, what it takes is loaded as well: nobody waits for that."""
    from lastgood.examining import diagnose

    return diagnose(service, target, 0.0, late)
