"""What carrying out a step is given, and what it sees of the hosts."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from lastgood.model.command import Child
from lastgood.model.event import Event, Run, StepDone, StepFailed
from lastgood.model.observed import HostView
from lastgood.model.plan import AnyPlan
from lastgood.model.target import Target
from lastgood.observe.hosts import look_at
from lastgood.ports import Keeper, Tools
from lastgood.run.desk import Desk, repository

Outcome: TypeAlias = StepDone | StepFailed
Sights: TypeAlias = dict[tuple[str, str], HostView]
"""What hosts showed, by service and host."""


class FirstLook:
    """One look at each host for steps that begin at the same moment: whoever asks first asks for all of them.

    `fresh` is what was seen of hosts a moment ago.
    """

    def __init__(self, desk: Desk, plan: AnyPlan, fresh: Sights) -> None:
        self._desk = desk
        self._plan = plan
        self._seen = dict(fresh)
        self._lock = threading.Lock()

    def at(self, service: str, host: str) -> HostView:
        """What the host showed of a service."""
        with self._lock:
            if (service, host) not in self._seen:
                target, tools = self._desk.of(service)
                wanted = repository(self._plan, service)
                self._seen[service, host] = look_at(target, tools, host, wanted, brief=True)
            return self._seen[service, host]


@dataclass(frozen=True)
class Doing:
    """What carrying out a step needs: what moves and with what, the run so far, and whom to tell.

    `service` is whose step it is, empty where it is everybody's; `since` is when it was begun, Unix nanoseconds on this
    machine's clock; `first` is what steps begun together see of a host; `note` adds to the record; `lost` are hosts
    that stopped to answer.
    """

    desk: Desk
    service: str
    run: Run
    keeper: Keeper
    tell: Callable[[str], None]
    child: Callable[[Child], None]
    since: int
    first: "FirstLook"
    note: Callable[[Event], None]
    lost: tuple[str, ...] = ()

    @property
    def target(self) -> Target:
        """The step's service in its environment."""
        return self.desk.of(self.service)[0]

    @property
    def tools(self) -> Tools:
        """The step's service's tools."""
        return self.desk.of(self.service)[1]

    @property
    def repository(self) -> str:
        """The repository that the step's service's images are in."""
        return repository(self.run.plan, self.target.service)


def seen(host: str, doing: Doing) -> HostView:
    """What a host shows of the step's service right now."""
    return look_at(doing.target, doing.tools, host, doing.repository, brief=True)
