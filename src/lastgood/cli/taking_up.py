"""Taking a run up again, in the deploy repo that it was made for."""

from typing import TYPE_CHECKING

from lastgood.cli.carry import carry
from lastgood.cli.records import WHOLE
from lastgood.cli.session import Session
from lastgood.cli.unattended import Watch
from lastgood.journal.fold import fold
from lastgood.model.errors import UsageError

if TYPE_CHECKING:
    from lastgood.service import Service


def take_up(session: Session, run: str | None, *, aborting: bool = False, take_over: bool = False) -> int:
    """Resume or abort the run whose id begins with `run`, or the one that is unfinished; its exit code.

    A run that only the hosts know, for another machine began it, is given by its whole id.
    """
    found, service = _found(session, session.service.unfinished() if run is None else run)
    return taken_up(session, service, found, aborting=aborting, take_over=take_over)


def taken_up(session: Session, service: "Service", run: str, *, aborting: bool, take_over: bool) -> int:
    """Carry on with a run of a deploy repo; its exit code."""
    plan = fold(session.journal.entries(run)).plan
    service_name, _, env = plan.target.partition("/")
    with Watch(session, service, service.group(service_name, env), "abort" if aborting else "resume") as watch:
        act = watch.ends(lambda tell: service.resume(run, tell, aborting=aborting, take_over=take_over))
        return carry(session, plan.target, act, plan)


def _found(session: Session, run: str) -> "tuple[str, Service]":
    """The run's whole id, in the journal by now, and the service of its deploy repo."""
    try:
        found = session.journal.find(run)
    except UsageError:
        if not WHOLE.fullmatch(run):
            raise
        session.service.adopt(run)
        return run, session.service
    repo = fold(session.journal.entries(found)).repo
    return found, session.service if session.repo else session.service_at(repo)
