"""The facade behind `checklist`: how the points of a run's list stand, and what people say about them."""

from collections.abc import Callable, Sequence

from lastgood.config.typed import nearest
from lastgood.journal.fold import fold
from lastgood.journal.store import Journal
from lastgood.model.checklist import Checklist, State
from lastgood.model.errors import UsageError
from lastgood.model.event import Ticked
from lastgood.model.text import sanitise
from lastgood.record.checks import standing
from lastgood.run.notes import over
from lastgood.run.witnesses import told
from lastgood.service import Service
from lastgood.wiring import who


def checklist(journal: Journal, run_id: str, service: Service) -> Checklist:
    """How each point stands for a run, by its record and by what trackers and notifiers have taken.

    Raises NeedsHuman where the outbox cannot be read.
    """
    entries = journal.entries(run_id)
    run = fold(entries)
    told = service.post_office.reached(run_id) if service.tells else {}
    return Checklist(run_id, run.plan.target, standing(service.config.checklist, run, entries, told))


def ticked(listed: Checklist, name: str, how: str, *, skipped: bool, because: str) -> Ticked:
    """What a person says about a point. Raises UsageError for one that is not listed, or not for a person to say."""
    standing = next((one for one in listed.points if one.point.id == name), None)
    if standing is None:
        known = tuple(one.point.id for one in listed.points)
        raise UsageError(f"There is no point {sanitise(name)!r} on the list{nearest(name, known)}", because=known)
    point = standing.point
    if skipped and not because.strip():
        raise UsageError("Why is it skipped?", next=(f"lastgood checklist --skip {point.id} --because REASON",))
    if point.check and not skipped and standing.state is not State.OPEN and not standing.by:
        raise UsageError(
            f"{point.text}: that is for the record of the run to say, not for a person.",
            next=(f"lastgood checklist --skip {point.id} --because REASON",),
        )
    return Ticked(point.id, point.text, who(), how, skipped, because.strip())


def note(service: Service, run_id: str, said: Sequence[Ticked], tell: Callable[[str], None]) -> None:
    """Write down what a person says, here and on the run's hosts. Raises Refused where the run stopped half-way."""
    if said and not service.journal.entries(run_id):
        over(told(service.told(run_id)), said[0])  # one that goes on elsewhere is not taken over for that
    for one in said:
        service.note(run_id, one)
        tell(f"{one.text}: {'skipped' if one.skipped else 'done'}")
