"""A small picture of a run over time, failed requests above its steps, as inline SVG without scripts. Pure."""

from collections.abc import Sequence
from html import escape
from typing import Final

from lastgood.model.duration import spoken
from lastgood.model.text import sanitise
from lastgood.record.chart import HEIGHT, Chart

_WIDTH: Final = 720
_LABELS: Final = 200
_ROW: Final = 18
_MOST: Final = 60
_NAME: Final = 34


def picture(
    spans: Sequence[tuple[str, float, float | None, bool]],
    total: float,
    mitigated: float | None,
    charts: Sequence[Chart] = (),
) -> str:
    """The charts; below them a bar for each try at a step, failed ones marked, and a line where it was mitigated.

    Times are in seconds since the run began; `total` is how long it took.
    """
    shown, scale = spans[:_MOST], (_WIDTH - _LABELS - 70) / max(total, 0.001)
    height, above = _ROW * (len(shown) + 2), HEIGHT * len(charts)
    box = f"0 0 {_WIDTH} {height + above}"
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" role="img" font-size="11">']
    title = "; ".join((f"Steps over {spoken(total)}", *(chart.title() for chart in charts)))
    parts.append(f"<title>{escape(sanitise(title))}</title>")
    for number, chart in enumerate(charts):
        parts += [f'<g transform="translate(0 {number * HEIGHT})">', *chart.parts(), "</g>"]
    parts.append(f'<g transform="translate(0 {above})">')
    for row, (step, begun, ended, failed) in enumerate(shown):
        parts += _bar(row, step, (_at(begun, scale, total), _at(total if ended is None else ended, scale, total)),
                      spoken(max(0.0, (total if ended is None else ended) - begun)), failed=failed)  # fmt: skip
    if mitigated is not None:
        x = _at(mitigated, scale, total)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - _ROW}" stroke="#1a7f37" />')
        parts.append(
            f'<text x="{x:.1f}" y="{height - 5}" text-anchor="middle">proven {escape(spoken(mitigated))}</text>'
        )
    left = f"; {len(spans) - len(shown)} more tries are not shown" if len(spans) > len(shown) else ""
    parts.append(f'<text x="0" y="{height - 5}">0 to {escape(spoken(total))}{left}</text>')
    return "\n".join((*parts, "</g>", "</svg>"))


def _at(seconds: float, scale: float, total: float) -> float:
    """Where a time is across the picture; one that a clock that was set back made impossible is at its edge."""
    return _LABELS + min(max(seconds, 0.0), total) * scale


def _bar(row: int, step: str, ends: tuple[float, float], took: str, *, failed: bool) -> list[str]:
    y, name = row * _ROW, escape(sanitise(step if len(step) <= _NAME else f"{step[: _NAME - 1]}…"))
    width = max(2.0, ends[1] - ends[0])
    colour, mark = ("#cf222e", " failed") if failed else ("#0969da", "")
    return [
        f'<text x="0" y="{y + 13}">{name}</text>',
        f'<rect x="{ends[0]:.1f}" y="{y + 3}" width="{width:.1f}" height="{_ROW - 6}" fill="{colour}" />',
        f'<text x="{ends[0] + width + 4:.1f}" y="{y + 13}">{escape(took)}{mark}</text>',
    ]
