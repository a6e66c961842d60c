"""Numbers for people: medians, spreads and aligned columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Row:
    """A line of a table: its name and its cells."""

    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """One of the benchmark's figures: lines to print, the raw numbers, and what is to be said about them."""

    title: str
    lines: tuple[str, ...]
    raw: Mapping[str, object]
    notes: tuple[str, ...]

    def show(self) -> None:
        """Prints it."""
        print(f"\n{self.title}", *self.lines, *(f"  {note}" for note in self.notes), sep="\n", flush=True)


def spread(values: Sequence[float]) -> tuple[str, str]:
    """Median, and the smallest and the largest value."""
    return f"{median(values):.2f}", f"{min(values):.2f}-{max(values):.2f}"


def table(head: Sequence[str], rows: Sequence[Row]) -> tuple[str, ...]:
    """Aligned lines under a head."""
    lines = [("", *head), *((row.name, *row.cells) for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head) + 1)]
    return tuple(_aligned(line, widths) for line in lines)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (cell.ljust(width) for cell, width in zip(line[:1], widths, strict=False)), *line[1:]
    cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
    return "  " + "   ".join((*first, *cells))
