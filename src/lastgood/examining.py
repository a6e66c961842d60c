"""The facade behind `doctor` and `diagnose`: whether a rollback would be ready, and what is wrong."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from lastgood.database.desk import DatabaseDesk
from lastgood.database.status import status
from lastgood.diagnose import doctor as practising
from lastgood.diagnose import look
from lastgood.model.diagnosis import Diagnosis
from lastgood.model.errors import UsageError
from lastgood.model.observed import Observed
from lastgood.model.report import Check
from lastgood.model.standing import DatabaseStatus
from lastgood.model.target import Target
from lastgood.observe import visits
from lastgood.observe.world import observe
from lastgood.service import Service

_DEPTH: Final = 12


def doctor(service: Service, targets: Sequence[Target]) -> tuple[Check, ...]:
    """Everything a rollback of these targets will need. Never raises: what cannot be checked is a check as well."""
    practice = practising.Practice(
        config=service.config.path,
        tools=service.tools,
        judgements=service.journal.judgements,
        lease=service.leased,
        reserve=service.journal.reserve,
        unfinished=service.waiting,
        outside=lambda: service.post_office.checks() if service.tells else (),
    )
    return practising.examine(practice, targets)


def diagnose(service: Service, target: Target, seconds: float, beside: Callable[[], bool] | None = None) -> Diagnosis:
    """What is wrong with a target, as far as can be seen in so many `seconds`. Touches nothing.

    Where it is done `beside` something else, git is taken as it was last fetched, so that this need not wait for a
    remote; as long as it says False, nobody waits for the diagnosis either, and it takes longer.
    """
    desk = service.database(target) if target.database else None
    tools = look.as_fetched(service.tools(target)) if beside else service.tools(target)
    said = service.journal.judgements(target.name)
    lease = "" if beside else service.leased(target, tools)
    ward = look.Ward(
        target=target,
        tools=tools,
        observe=partial(observe, target, tools, said, _DEPTH, lease),
        schema=partial(_schema_of, desk) if desk else None,
        others=[
            (other, partial(service.tools, other))
            for other in service.targets()
            if other.env == target.env and other.service != target.service
        ],
    )
    return look.examine(ward, seconds, beside or (lambda: True))


def screenshot(service: Service, target: Target) -> bytes:
    """The page as the diagnosis just made saw it in a browser, a PNG. Raises UsageError, with the reason, for none."""
    tools = service.tools(target)
    found = visits.last(tools)
    if found is None or not found.visit.picture:
        missing = tools.browser.missing() if tools.browser else ""
        raise UsageError("There is no picture.", because=(missing or "no page of the service was seen in a browser",))
    return found.visit.picture


def _schema_of(desk: DatabaseDesk, observed: Observed) -> DatabaseStatus:
    return status(desk, observed)
