"""A second look beside a rollback: what is wrong, found out while it is planned, and whether it would be a cure."""

import time
from typing import TYPE_CHECKING, Final

from lastgood.cli import out
from lastgood.cli.asking import asked
from lastgood.cli.session import Session
from lastgood.model.errors import ConsentNeeded, LastgoodError, NeedsHuman
from lastgood.observe.together import Asked

if TYPE_CHECKING:
    from lastgood.model.diagnosis import Diagnosis
    from lastgood.model.target import Group
    from lastgood.run.planning import Wish

SECONDS: Final = 2.0
"""How long a rollback may wait for it, counted from the beginning of planning."""

_SHOWN: Final = 2


class Doubt:
    """Looks at every member of `chosen` from now on, in the background, where `--to` was not given.

    Only evidence that is sure stops anything: what is unknown or late never does.
    """

    def __init__(self, session: Session, chosen: "Group", wish: "Wish") -> None:
        self._session = session
        self._chosen = chosen
        self._end = time.monotonic() + SECONDS
        self._looks: list[Asked[Diagnosis]] = []
        if not wish.to and not wish.down:
            service = session.service
            self._looks = [
                Asked(lambda target=target: service.diagnose(target, SECONDS, fetch=False))  # type: ignore[misc] # mypy cannot type a lambda's default
                for target in chosen.members
            ]

    def settle(self, *, asking: bool, anyway: bool) -> None:
        """Say what was found; where it doubts, ask. Raises NeedsHuman where nobody can be asked, unless `anyway`.

        Where there is no consent at all yet, it only says so. Raises ConsentNeeded where the operator says no.
        """
        found = [one for one in map(self._within, self._looks) if one is not None]
        self._session.note([line for one in found for line in _told(one)])
        doubting = next((one for one in found if one.doubts), None)
        if doubting is None or anyway or (asking and not self._session.interactive):
            return
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

    def _within(self, look: "Asked[Diagnosis]") -> "Diagnosis | None":
        try:
            return look.within(max(0.0, self._end - time.monotonic()))
        except LastgoodError:
            return None
        except Exception as error:  # noqa: BLE001 - a defect in the second look must not stand in the way of a rollback
            out.traced(error)
            return None


def _told(found: "Diagnosis") -> tuple[str, ...]:
    from lastgood.cli.words import field
    from lastgood.model.diagnosis import Scenario

    if found.scenario in (Scenario.HEALTHY, Scenario.UNKNOWN):
        return ()
    said = f"{found.target}: {found.scenario}, {found.confidence} confidence: {found.what}"
    return field("diagnosis", said, *(f"{one.source:<10} {one.said}" for one in found.evidence[:_SHOWN]))
