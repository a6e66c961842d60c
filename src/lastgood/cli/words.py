"""Times, releases and labelled lines, worded alike everywhere. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime

from lastgood.model.duration import spoken
from lastgood.model.release import Image, Release, short

_LABEL = 10


def field(label: str, *values: str) -> tuple[str, ...]:
    """Lines with the label before the first value and the rest below it; empty values are left out."""
    shown = [value for value in values if value]
    return tuple(f"  {label if n == 0 else '':<{_LABEL}} {value}" for n, value in enumerate(shown))


def moment(at: int) -> str:
    """Unix seconds as `2026-11-22 17:45 UTC`."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def ago(at: int, now: int) -> str:
    """How long ago `at` was, both in Unix seconds: `3 h 10 min ago`."""
    return f"{spoken(max(0, now - at))} ago"


def since(text: str, now: int) -> str:
    """An engine's ISO 8601 time as `2026-11-22 17:45 UTC (3 min ago)`; as it stands where it cannot be read."""
    try:
        at = int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        return text
    return f"{moment(at)} ({ago(at, now)})"


def image(found: Image) -> str:
    """An image as people compare it: tag and the digest's beginning."""
    return "  ".join(filter(None, (found.tag, short(found.digest) if found.digest else "")))


def commit(release: Release, now: int) -> str:
    """Where a release comes from: `commit 1a2b3c "subject" by Robin, 2026-11-20 10:00 UTC (2 d ago)`."""
    if not release.commit:
        return ""
    by = f" by {release.author}" if release.author else ""
    return f'commit {short(release.commit)} "{release.subject}"{by}, {moment(release.at)} ({ago(release.at, now)})'


def table(rows: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Rows with their columns aligned, indented by two; the last column is not padded."""
    known = list(rows)
    widths = [max(len(cell) for cell in column) for column in zip(*known, strict=True)]
    return tuple(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in known
    )
