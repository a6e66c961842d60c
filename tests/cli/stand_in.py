"""The command line with a service that plans a world in memory and, instead of acting, leaves a mark.

Run as a program (`python -m tests.cli.stand_in ARGUMENTS`) it is what a terminal is given in the consent tests; what
real rollbacks do is for `tests/real`.
"""

import os
import sys
from pathlib import Path
from typing import Any

from lastgood.cli.app import run
from lastgood.journal.fold import fold
from lastgood.model.errors import Exit, LastgoodError, Refused
from lastgood.model.event import Event, RunEnded, RunStarted
from lastgood.model.facts import Unknown
from lastgood.model.plan import Approved
from lastgood.model.report import Health, Planned, Status
from lastgood.service import Service, Teller
from tests.plans.builders import World, history, planned

RUN = "20261122-174501-7f3a"


def touched() -> Path:
    """The file that a rollback leaves: how it was approved."""
    return Path(os.environ["HOME"]) / "touched"


def plan(_self: Service, *_: Any) -> Planned:
    """The ordinary plan."""
    return planned(World(history("sha-bad", "sha-two", "sha-one")))


def rollback(self: Service, _target: Any, approved: Approved, signature: str, tell: Teller, **_: Any) -> RunEnded:
    """Begin a run, leave the mark, and end well; with INTERRUPTED set, be interrupted in the middle."""
    touched().write_text(approved.consent.how)

    def append(event: Event) -> None:
        tell.entry(self.journal.append(RUN, event, 1_795_000_000_000_000_000))

    append(RunStarted(approved.plan, approved.consent, self.repo, "token", signature, "0"))
    if os.environ.get("INTERRUPTED"):
        raise KeyboardInterrupt
    ended = RunEnded(Exit.DONE, "shop-api/prod serves sha-two.", ("every container runs sha-two",))
    append(ended)
    assert fold(self.journal.entries(RUN)).ended == ended
    return ended


def overview(self: Service) -> tuple[tuple[str, Status | LastgoodError], ...]:
    """What UNHEALTHY names is unhealthy, what UNKNOWN names cannot be seen, the rest is healthy."""
    return tuple((target.name, _status(target.name)) for target in self.targets())


def _status(name: str) -> Status | LastgoodError:
    if name in os.environ.get("UNKNOWN", ""):
        return Refused("It cannot be seen what runs on local.")
    health = Health.UNHEALTHY if name in os.environ.get("UNHEALTHY", "") else Health.HEALTHY
    nothing = Unknown("not looked at")
    return Status(name, nothing, "", "", nothing, nothing, "", health, "", nothing, nothing, (), (), "")


def main() -> int:
    """The command line, with this service."""
    stand_in = {"plan": plan, "rollback": rollback, "overview": overview}
    for name, function in stand_in.items():
        setattr(Service, name, function)
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
