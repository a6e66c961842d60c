"""The doctor's checks as text. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence

from lastgood.model.report import Check, Mark

_WIDEST = 32


def doctor_text(checks: Sequence[Check]) -> tuple[str, ...]:
    """One line each, what to do below it, and the sum at the end."""
    return tuple(_told(checks))


def _told(checks: Sequence[Check]) -> Iterator[str]:
    width = min(_WIDEST, max(len(check.name) for check in checks))
    for check in checks:
        yield f"  {_sign(check.mark)} {check.mark:<7} {check.name:<{width}}  {check.said}"
        yield from (f"    {'':<8}{'':<{width}}  next: {each}" for each in check.next)
    count = Counter(check.mark for check in checks)
    yield ", ".join(f"{count[mark]} {mark}" for mark in Mark if count[mark]) + "."


def _sign(mark: Mark) -> str:
    return " " if mark is Mark.OK else "!"
