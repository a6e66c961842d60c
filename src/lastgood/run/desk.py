"""What a run is carried out with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lastgood.journal.live import Live
from lastgood.journal.store import Journal
from lastgood.model.event import Entry
from lastgood.model.plan import AnyPlan
from lastgood.model.target import Group, Target
from lastgood.ports import Keeper, Tools

if TYPE_CHECKING:
    from lastgood.database.desk import DatabaseDesk


@dataclass(frozen=True)
class Desk:
    """What moves, tools by service, journal, where evidence is kept, who acts on which machine, and whom to tell.

    `database` gives the database of a service, by its name.
    """

    group: Group
    tools: dict[str, Tools]
    journal: Journal
    live: Live
    keeper: Callable[[str], Keeper]
    holder: str
    machine: str
    tell: Callable[[Entry], None]
    progress: Callable[[str], None]
    database: Callable[[str], "DatabaseDesk"]

    @property
    def shared(self) -> Tools:
        """Tools for what is the same for all members: clock, processes, files, the deploy repo."""
        return self.tools[self.group.first.service]

    def of(self, service: str) -> tuple[Target, Tools]:
        """A member and its tools; the first one's where `service` is empty."""
        target = self.group.member(service) if service else self.group.first
        return target, self.tools[target.service]


def repository(plan: AnyPlan, service: str) -> str:
    """The repository that a service's images are in."""
    return plan.attempts[0].part(service).image.image.repository
