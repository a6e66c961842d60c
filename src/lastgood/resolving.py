"""The facade behind `lastgood db resolve` and `db status`: a target's database, and what was really applied to it."""

from collections.abc import Callable

from lastgood.database import resolve
from lastgood.database.choices import addressed
from lastgood.database.drift import drift
from lastgood.database.resolve import Case, Looked
from lastgood.database.status import status as standing
from lastgood.model.database import Difference
from lastgood.model.facts import Fact
from lastgood.model.schema import SchemaState
from lastgood.model.standing import DatabaseStatus, Resolution
from lastgood.model.target import Target
from lastgood.run import lease
from lastgood.service import Service


def case(service: Service, target: Target, note: Callable[[str], None]) -> Case:
    """The database of a target, to look into. Raises UsageError where the configuration names none, and Refused."""
    with addressed(target):
        return resolve.case(service.database(target), service.observe(target), note)


def settle(service: Service, target: Target, here: Case, looked: Looked) -> Resolution:
    """Set the version. Raises LeaseHeld where a run acts on the target, and what `resolve.settle` raises."""
    tools = service.tools(target)
    for host in target.hosts:
        lease.free(tools.files(host), tools.clock, target.state, target.name)
    with addressed(target):
        return resolve.settle(here, looked)


def status(service: Service, target: Target, note: Callable[[str], None]) -> DatabaseStatus:
    """How the database of a target stands, with its drift. Raises Refused, NeedsHuman where it cannot be asked."""
    desk, observed = service.database(target), service.observe(target)
    with addressed(target):
        here = resolve.case(desk, observed, note)

    def drifted(_: object, state: SchemaState) -> Fact[Difference]:
        return drift(here.stand(), state, here.sources)

    with addressed(target):
        return standing(desk, observed, drifted)
