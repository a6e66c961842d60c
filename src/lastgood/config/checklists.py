"""The checklist of `lastgood.yaml`: what it says, and the runbook's own where it says nothing."""

import re
from typing import Final

from lastgood.config.document import Document, Place
from lastgood.config.schema import ChecklistFile, PointFile
from lastgood.model.checklist import DEFAULT, Phase, Point

_ID: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def checklist(document: Document, given: ChecklistFile) -> tuple[Point, ...]:
    """All points, in order. Raises ConfigError for one that cannot be named, or two of one name."""
    found: dict[str, Point] = {}
    for phase in Phase:
        points: tuple[str | PointFile, ...] | None = getattr(given, phase.value)
        if points is None:
            found |= {point.id: point for point in DEFAULT[phase] if point.id not in found}
            continue
        for number, raw in enumerate(points):
            place: Place = ("checklist", phase.value, number)
            point = _point(phase, raw)
            if not point.text.strip() or not point.text.isprintable():
                raise document.error(place, "a point is one line of text")
            if not _ID.fullmatch(point.id):
                raise document.error(place, "its id has to be lower-case letters and digits, with hyphens between them")
            if point.id in found:
                raise document.error(place, f"there is a point {point.id} already; give it an id of its own")
            found[point.id] = point
    return tuple(found.values())


def _point(phase: Phase, raw: str | PointFile) -> Point:
    point = PointFile(raw) if isinstance(raw, str) else raw
    name = point.id or re.sub(r"[^a-z0-9]+", "-", point.text.lower()).strip("-")
    return Point(phase, name, point.text, point.check)
