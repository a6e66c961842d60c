"""How many requests failed around a run, from the evidence that it kept: before, at its worst, after. Pure.

A number is only where both figures were measured at the same moment. Where there is none, that is said.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from lastgood.model.duration import spoken
from lastgood.model.facts import Known
from lastgood.model.rates import Rates
from lastgood.model.telemetry import Figure, Recorded
from lastgood.record.kept import Piece
from lastgood.record.prose import Q, Rich

_AROUND: Final = 300
_MINUTE: Final = 60
_BAD: Final = 0.05


class Course(msgspec.Struct, frozen=True):
    """The course of one service's failed requests: the share `before`, at its `worst` moment, and `after`.

    Times are in Unix seconds. `rose` is when it rose to its worst, None where that was not seen; `after` None where
    there is no data of after the good release was proven.
    """

    service: str
    rates: Rates
    before: float
    before_until: int
    worst: float
    worst_at: int
    after: float | None
    rose: int | None


def rates(pieces: Iterable[Piece], services: dict[str, str]) -> tuple[tuple[str, Rates], ...]:
    """What was measured of each service, out of the files of a run; of moments in several files, the last.

    `services` says whose a step is, by its id: in a file a name may be masked.
    """
    steps: dict[str, int] = {}
    points: dict[str, dict[int, tuple[int, float, float]]] = {}
    for piece in pieces:
        found, service = _read(piece), services.get(piece.step, "")
        if found:
            steps[service] = max(found.step, steps.get(service, 0))
            points.setdefault(service, {}).update({one[0]: one for one in found.points})
    return tuple((name, Rates(steps[name], tuple(found[at] for at in sorted(found)))) for name, found in points.items())


def _read(piece: Piece) -> Rates | None:
    if piece.content is None or not piece.file.name.startswith("telemetry-"):
        return None
    try:
        found = msgspec.json.decode(piece.content, type=Recorded)
    except msgspec.MsgspecError:  # an answer as it came
        return None
    requests, errors = (found.figures.get(figure) for figure in (Figure.REQUESTS, Figure.ERRORS))
    if isinstance(requests, Known) and isinstance(errors, Known):
        return Rates.of(requests.value, errors.value)
    return None


def course(service: str, found: Rates, decided: float, proven: float | None) -> Course | None:
    """What became of the share; None where nothing was requested at any known moment."""
    shares = found.shares()
    if not shares:
        return None
    smooth = [(one.failed if (one := found.share(at - _MINUTE, at)) else 0.0, at) for at, _ in shares]
    worst, worst_at = max(smooth, key=lambda one: one[0])
    rose = found.rose(worst_at, worst / 2) if worst >= _BAD else None
    first, last = shares[0][0], shares[-1][0]
    until = int(min(first + _AROUND, rose - 1 if rose else decided))
    before = found.share(first, until)
    after = found.share(max(last - _AROUND, proven), last) if proven is not None and last > proven else None
    return Course(service, found, before.failed if before else shares[0][1], until, worst, worst_at,
                  after.failed if after else None, rose)  # fmt: skip


def words(one: Course) -> Rich:
    """The course in a sentence."""
    after = "not known" if one.after is None else f"{one.after:.1%}"
    return (
        "Requests to ",
        Q(one.service),
        f" that failed: {one.before:.1%} until {_clock(one.before_until)}, ",
        f"{one.worst:.1%} at its worst at {_clock(one.worst_at)}, ",
        f"{after} in the last minutes after the good release was proven.",
    )


def question(one: Course, decided: float) -> Rich:
    """What the rise leaves open: that it is when somebody noticed is for people to say."""
    waited = decided - (one.rose or decided)
    when = f"{spoken(waited)} before the plan was approved" if waited >= 0 else "after the plan was approved"
    return ("Failed requests to ", Q(one.service), f" rose at {_clock(one.rose or 0)}, {when}. Was it noticed then?")


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
