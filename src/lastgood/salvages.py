"""The facade behind `lastgood db salvage`: what ways down lost, kept, and put back."""

from lastgood.database import salvaging
from lastgood.database.choices import addressed
from lastgood.model.salvage import PuttingBack, Salvage, Salvages
from lastgood.model.target import Target
from lastgood.run import lease
from lastgood.service import Service


def listed(service: Service, target: Target) -> Salvages:
    """The salvages of a target. Raises UsageError where it has no database, Refused where they cannot be listed."""
    with addressed(target):
        return salvaging.listed(service.database(target))


def chosen(service: Service, target: Target, run: str) -> Salvage:
    """The salvage that is meant. Raises UsageError, Refused as `salvaging.chosen` does."""
    with addressed(target):
        return salvaging.chosen(service.database(target), run)


def look(service: Service, target: Target, kept: Salvage, over: frozenset[str]) -> PuttingBack:
    """What putting it back would do. Raises UsageError, Refused, NeedsHuman."""
    with addressed(target):
        return salvaging.look(service.database(target), kept, over)


def put_back(service: Service, target: Target, kept: Salvage, by: str, over: frozenset[str]) -> PuttingBack:
    """Put it back. Raises LeaseHeld where a run acts on the target, and what `salvaging.put_back` raises."""
    tools = service.tools(target)
    for host in target.hosts:
        lease.free(tools.files(host), tools.clock, target.state, target.name)
    with addressed(target):
        return salvaging.put_back(service.database(target), kept, by, over)
