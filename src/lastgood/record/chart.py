"""The share of failed requests over time as a part of a picture: SVG without scripts. Pure."""

from collections.abc import Iterator
from html import escape
from typing import Final

from lastgood.model.duration import spoken
from lastgood.model.text import sanitise
from lastgood.record.measured import Course

HEIGHT: Final = 120
"""How high a chart is."""
_WIDTH: Final = 720
_LEFT: Final = 200
_RIGHT: Final = 20
_TOP: Final = 10
_FLOOR: Final = 90
_LEAST: Final = 0.05
_GAP: Final = 3


class Chart:
    """The course of one service, on a time axis of its own; `decided` and `proven` are marked on it, Unix seconds."""

    def __init__(self, course: Course, decided: float, proven: float | None) -> None:
        self._course = course
        self._decided = decided
        self._proven = proven
        shares = course.rates.shares()
        self._begin = shares[0][0]
        self._end = max(shares[-1][0], self._begin + 1)
        self._most = max(_LEAST, *(share for _, share in shares))

    def title(self) -> str:
        """What the chart shows, for those who do not see it."""
        one = self._course
        after = "not known" if one.after is None else f"{one.after:.1%}"
        return f"failed requests to {one.service}: {one.before:.1%} before, {one.worst:.1%} at worst, {after} after"

    def parts(self) -> Iterator[str]:
        """Its elements, `HEIGHT` high."""
        yield f'<text x="0" y="{_TOP + 10}">{escape(sanitise(self._course.service))[:60]}</text>'
        yield f'<text x="0" y="{_TOP + 26}">failed requests</text>'
        yield f'<text x="{_LEFT - 6}" y="{_TOP + 8}" text-anchor="end">{self._most:.0%}</text>'
        yield f'<text x="{_LEFT - 6}" y="{_FLOOR}" text-anchor="end">0%</text>'
        yield f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{_FLOOR}" y2="{_FLOOR}" stroke="#8c959f" />'
        yield from self._mark(self._decided, "approved", "#57606a")
        if self._proven is not None:
            yield from self._mark(self._proven, "proven", "#1a7f37")
        for line in self._lines():
            dots = " ".join(f"{self._x(at):.1f},{self._y(share):.1f}" for at, share in line)
            yield f'<polyline points="{dots}" fill="none" stroke="#cf222e" stroke-width="1.5" />'
        before = spoken(max(0.0, self._decided - self._begin))
        yield f'<text x="{_LEFT}" y="{_FLOOR + 24}">{escape(before)} before the plan was approved</text>'

    def _x(self, at: float) -> float:
        inside = min(max(at, self._begin), self._end)
        return _LEFT + (inside - self._begin) / (self._end - self._begin) * (_WIDTH - _LEFT - _RIGHT)

    def _y(self, share: float) -> float:
        return _FLOOR - share / self._most * (_FLOOR - _TOP)

    def _mark(self, at: float, name: str, colour: str) -> Iterator[str]:
        if self._begin <= at <= self._end:
            x = self._x(at)
            yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_FLOOR}" stroke="{colour}" />'
            side = "end" if name == "approved" else "start"
            yield f'<text x="{x:.1f}" y="{_FLOOR + 12}" text-anchor="{side}" fill="{colour}">{name}</text>'

    def _lines(self) -> Iterator[list[tuple[int, float]]]:
        """The line, broken where there is no data."""
        line: list[tuple[int, float]] = []
        for at, share in self._course.rates.shares():
            if line and at - line[-1][0] > _GAP * self._course.rates.step:
                yield line
                line = []
            line.append((at, share))
        yield line
