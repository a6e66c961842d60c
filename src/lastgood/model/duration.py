"""Durations as people write them: `500ms`, `2s`, `10m`, `1h`."""

import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PATTERN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


class Duration(float):
    """A length of time in seconds. A subclass of float so that a configuration can tell it from a plain number."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Read `500ms`, `2s`, `1.5m` or `1h`. Raises ValueError for anything else, a bare number included."""
        found = _PATTERN.fullmatch(text.strip())
        if found is None:
            message = f"{text!r} is not a duration; write it like 500ms, 2s, 10m or 1h"
            raise ValueError(message)
        return cls(float(found[1]) * _UNITS[found[2]])

    def __str__(self) -> str:
        """As a configuration would have it, in the largest unit that is exact."""
        whole = round(self * 1000)
        for unit in ("h", "m", "s"):
            if whole and whole % round(_UNITS[unit] * 1000) == 0:
                return f"{whole // round(_UNITS[unit] * 1000)}{unit}"
        return f"{whole}ms"


def spoken(seconds: float) -> str:
    """Seconds as a reader at night takes them in: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 10:  # noqa: PLR2004 - below ten seconds the tenth matters
        return f"{seconds:.1f} s"
    total = round(seconds)
    for size, unit, smaller, rest in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if total >= size:
            tail = total % size // smaller
            return f"{total // size} {unit}" + (f" {tail} {rest}" if tail else "")
    return f"{total} s"
