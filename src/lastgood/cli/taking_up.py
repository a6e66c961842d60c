"""Taking a run up again, in the deploy repo that it was made for."""

from lastgood.cli.carry import carry
from lastgood.cli.session import Session
from lastgood.journal.fold import fold


def take_up(session: Session, run: str | None, *, aborting: bool) -> int:
    """Resume or abort the run whose id begins with `run`, or the one that is unfinished; its exit code."""
    found = session.journal.find(run) if run is not None else session.service.unfinished()
    folded = fold(session.journal.entries(found))
    service = session.service if session.repo else session.service_at(folded.repo)
    return carry(
        session,
        folded.plan.target,
        lambda tell: service.resume(found, tell, aborting=aborting),
        folded.plan,
    )
