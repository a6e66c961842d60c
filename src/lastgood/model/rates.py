"""How many of the requests failed, over time: what was measured at the same moments, and what follows from it. Pure."""

from collections.abc import Iterator

import msgspec

from lastgood.model.telemetry import Series

_GAP = 5
_MISSES = 2


class Share(msgspec.Struct, frozen=True):
    """The part of requests that failed in a stretch of time, and how many requests that is known of."""

    failed: float
    requests: float


class Rates(msgspec.Struct, frozen=True):
    """`points` of (Unix seconds, failed requests per second, requests per second), oldest first, `step` seconds apart.

    There is a point only where both are known.
    """

    step: int
    points: tuple[tuple[int, float, float], ...]

    @classmethod
    def of(cls, requests: Series, errors: Series) -> "Rates":
        """From two figures; moments at which one of them has no point are left out."""
        known = dict(requests.points)
        points = ((at, max(0.0, value), known[at]) for at, value in errors.points if at in known)
        return cls(max(requests.step, errors.step), tuple(points))

    def share(self, begin: float, end: float) -> Share | None:
        """The share between two moments, Unix seconds; None where nothing is known or nothing was requested."""
        inside = [one for one in self.points if begin <= one[0] <= end]
        requests = sum(one[2] for one in inside)
        if requests <= 0:
            return None
        return Share(min(1.0, sum(one[1] for one in inside) / requests), requests * self.step)

    def shares(self) -> tuple[tuple[int, float], ...]:
        """The share at each moment at which something was requested."""
        return tuple((at, min(1.0, errors / requests)) for at, errors, requests in self.points if requests > 0)

    def rose(self, until: float, level: float) -> int | None:
        """Since when, looking back from `until`, the share has been at `level` or above, single moments apart.

        None where it was so from the first moment that there is data of, or just after a gap in it: then nobody saw it
        rise. None as well where it is below.
        """
        high: int | None = None
        misses, last = 0, until
        for at, share in self._back(until):
            if last - at > _GAP * self.step and high is not None:
                return None
            last = at
            if share >= level:
                high, misses = at, 0
            elif (misses := misses + 1) == _MISSES:
                return high
        return high if misses and high is not None else None

    def _back(self, until: float) -> Iterator[tuple[int, float]]:
        return ((at, share) for at, share in reversed(self.shares()) if at <= until)
