"""What was measured of a service, now and before the newest change: failed requests, how long answers take. Pure.

No data is nothing to judge by, and neither are a few requests: then there is no number here, and nobody takes its
absence for a zero.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Final

from lastgood.model.diagnosis import Evidence, Source
from lastgood.model.facts import Known
from lastgood.model.rates import Rates
from lastgood.model.situation import Situation
from lastgood.model.telemetry import Figure, Series

BAD: Final = 0.05
"""The share of failed requests from which on a service counts as failing."""

_FEW: Final = 0.005  # the share below which users are served
_LAG: Final = 300  # seconds that figures lag behind: a rate's window, and what `_NOW` averages over
_NOW: Final = 180
_BEFORE: Final = 15 * 60
_HOUR: Final = 3600
_LEAST: Final = 20  # requests, for a share to say anything
_TIMES: Final = 2
_SLOWER: Final = 0.2  # seconds that people notice
_POINTS: Final = 3


class Measured:
    """The figures of one situation; `changed` is when the newest change took effect, None where there is none."""

    def __init__(self, seen: Situation, changed: int | None) -> None:
        self._now = seen.now
        self._split = seen.now - _NOW if changed is None else min(changed, seen.now)
        self._changed = changed is not None
        self._series = {figure: _first(seen, figure) for figure in Figure}

    @cached_property
    def rates(self) -> Rates | None:
        """Failed requests over time, where both figures are known."""
        requests, errors = self._series[Figure.REQUESTS], self._series[Figure.ERRORS]
        return Rates.of(requests, errors) if requests and errors else None

    @cached_property
    def share(self) -> float | None:
        """The share of requests that failed in the last minutes; None where that is not known, or they were few."""
        return self._share(self._now - _NOW, self._now)

    @cached_property
    def before(self) -> float | None:
        """The share of requests that failed before the newest change."""
        return self._share(self._split - _BEFORE, self._split - 1) if self._changed else None

    @property
    def bad(self) -> bool:
        """Whether so many requests fail that the service counts as failing."""
        return self.share is not None and self.share >= BAD

    @cached_property
    def rose(self) -> int | None:
        """When the share of failed requests rose to what it is, in Unix seconds; None where nobody saw it rise."""
        if not self.bad or self.rates is None or self.share is None:
            return None
        return self.rates.rose(self._now, max(BAD, self.share / _TIMES))

    def against(self, onset: int | None) -> Iterator[str]:
        """What the figures say against failures since `onset` that the newest change brought."""
        share = self.share or 0.0
        if self.bad and self.before is not None and self.before >= share / _TIMES:
            yield f"{_part(self.before)} of requests failed before the newest change"
        late = onset is not None and self._now - onset > _LAG  # what was measured lags behind by some minutes
        if late and self.share is not None and share < _FEW:
            yield f"users are served: {_part(share)} of requests fail"

    def errors(self) -> tuple[Evidence, ...]:
        """That requests fail, where they do."""
        if self.share is None or not self.bad:
            return ()
        was = f", {_part(self.before)} before the newest change" if self.before is not None else ""
        always = "" if self.rose else ", for as long as there is data"
        return (Evidence(Source.METRICS, f"{_part(self.share)} of requests fail{was}{always}", self.rose),)

    def slower(self) -> tuple[Evidence, ...]:
        """That answers take much longer than they did, where they do."""
        now = self._mean(Figure.LATENCY, self._now - _NOW, self._now)
        end = self._split - 1
        was = self._mean(Figure.LATENCY, end - (_BEFORE if self._changed else _HOUR), end)
        if now is None or was is None or now < _TIMES * was or now - was < _SLOWER:
            return ()
        when = "before the newest change" if self._changed else "in the hour before"
        return (Evidence(Source.METRICS, f"answers take {now:.2f} s, {was:.2f} s {when}"),)

    def silent(self) -> tuple[Evidence, ...]:
        """That no request arrives any more, where many did; that nothing is known of requests is no silence."""
        now = self._mean(Figure.REQUESTS, self._now - _NOW, self._now)
        was = self._mean(Figure.REQUESTS, self._now - _NOW - _HOUR, self._now - _NOW - 1)
        if now is None or was is None or now > 0 or was * _NOW < _LEAST:
            return ()
        return (Evidence(Source.METRICS, f"no request arrives; {was:.1f} did each second in the hour before"),)

    def fine(self) -> tuple[Evidence, ...]:
        """The share of failed requests, where it is known and low."""
        known = self.share is not None and not self.bad
        return (Evidence(Source.METRICS, f"{_part(self.share or 0.0)} of requests fail"),) if known else ()

    def _share(self, begin: int, end: int) -> float | None:
        found = self.rates.share(begin, end) if self.rates else None
        return found.failed if found and found.requests >= _LEAST else None

    def _mean(self, figure: Figure, begin: int, end: int) -> float | None:
        series = self._series[figure]
        found = [value for at, value in (series.points if series else ()) if begin <= at <= end]
        return sum(found) / len(found) if len(found) >= _POINTS else None


def _first(seen: Situation, figure: Figure) -> Series | None:
    """The figure from the first source that knows it."""
    facts = (one.figures.get(figure) for one in seen.watched)
    return next((fact.value for fact in facts if isinstance(fact, Known)), None)


def _part(share: float) -> str:
    return f"{share:.1%}"
