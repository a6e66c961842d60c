"""A run's checklist as text."""

from typing import Final

from lastgood.cli.words import field
from lastgood.model.checklist import Checklist, Phase, Standing, State

_MARKS: Final = {State.DONE: "[x]", State.SKIPPED: "[-]", State.OPEN: "[ ]", State.FAILED: "[!]", State.UNKNOWN: "[?]"}


def checklist_text(found: Checklist) -> tuple[str, ...]:
    """Each point with its mark, why it stands so, and how to answer what is left."""
    lines: list[str] = [f"{found.target}, run {found.run}: " + (_left(len(found.left)) or "everything is done")]
    for phase in Phase:
        points = [one for one in found.points if one.point.phase is phase]
        lines += [f"  {phase}"] if points else []
        lines += [line for one in points for line in _point(one)]
    waiting = [one for one in found.left if not one.point.check]
    step = f"lastgood checklist {found.run} --done {waiting[0].point.id}" if waiting else ""
    return (*lines, *field("next", step))


def _left(count: int) -> str:
    return "" if not count else f"{count} points are left" if count > 1 else "one point is left"


def _point(one: Standing) -> tuple[str, ...]:
    said = f"{one.by}, {one.at}" if one.by else ""
    why = "; ".join(filter(None, (said, one.because)))
    return (f"    {_MARKS[one.state]} {one.point.text}  ({one.point.id})", *((f"        {why}",) if why else ()))
