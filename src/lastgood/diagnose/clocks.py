"""Clocks that must agree: evidence and commit trailers are put in order by time."""

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec

from lastgood.diagnose.case import ok, warn
from lastgood.model.duration import spoken
from lastgood.model.facts import Fact, Known
from lastgood.model.report import Check
from lastgood.ports import Clock, Http, Response

_NANO = 1_000_000_000
_MOST = 5.0


class Reading(msgspec.Struct, frozen=True):
    """Another's clock, asked between `before` and `after` of ours; it showed `earliest` to `latest`. Nanoseconds."""

    whose: str
    before: int
    after: int
    earliest: int
    latest: int

    @property
    def skew(self) -> float:
        """By how many seconds the two clocks differ at least; positive where the other is ahead."""
        if self.earliest > self.after:
            return (self.earliest - self.after) / _NANO
        return -max(0, self.before - self.latest) / _NANO


class Dated:
    """`ports.Http` that keeps the `Date` header of every answer it hands on (RFC 9110, 6.6.1: whole seconds)."""

    def __init__(self, http: Http, clock: Clock) -> None:
        self._http = http
        self._clock = clock
        self.readings: list[Reading] = []

    def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        timeout: float = 5.0,
        body: bytes | None = None,
    ) -> Fact[Response]:
        """As the effect it stands before; `timeout` in seconds."""
        before = self._clock.now()
        answer = self._http.ask(url, method=method, headers=headers, timeout=timeout, body=body)
        if isinstance(answer, Known):
            date = _date(answer.value.headers)
            if date is not None:
                self.readings.append(Reading(urlsplit(url).netloc, before, self._clock.now(), date, date + _NANO))
        return answer


def _date(headers: dict[str, str]) -> int | None:
    """When the answer was made; None where that is not told, or a cache kept it since (RFC 9111, 5.1)."""
    from email.utils import parsedate_to_datetime

    if "age" in headers or "date" not in headers:
        return None
    try:
        date = parsedate_to_datetime(headers["date"])
    except ValueError:
        return None
    return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()) * _NANO


def compared(readings: Sequence[Reading]) -> tuple[Check, ...]:
    """One answer about all the others' clocks."""
    worst = {reading.whose: reading for reading in sorted(readings, key=lambda one: abs(one.skew))}
    wrong = tuple(_wrong(one) for one in worst.values() if abs(one.skew) > _MOST)
    if wrong or not worst:
        return wrong
    return (ok("clock", f"agrees with {', '.join(sorted(worst))}"),)


def _wrong(reading: Reading) -> Check:
    way = "behind" if reading.skew > 0 else "ahead of"
    ours = datetime.fromtimestamp(reading.after / _NANO, UTC)
    said = f"this machine's clock ({ours:%H:%M:%S} UTC) is {spoken(abs(reading.skew))} {way} that of {reading.whose}"
    return warn("clock", f"{said}; evidence is put in order by time", "timedatectl   # see that both are synchronised")
