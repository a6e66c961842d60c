"""A diagnosis asks what watches from outside within its time: what hangs is unknown, and the others still count."""

import time
from dataclasses import dataclass
from typing import Any, cast

from lastgood.diagnose.look import Ward, examine
from lastgood.model.errors import Refused
from lastgood.model.facts import Known
from lastgood.model.observed import Observed
from lastgood.model.telemetry import Figure, Reading, Series, Span
from lastgood.ports import Tools
from tests.standin.clock import NANO, Clock
from tests.standin.held import LONG, not_held

BEGIN = 1_790_000_000


class Real(Clock):
    """The stand-in's time of day, and seconds that pass."""

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class Source:
    seconds: float = 0.0

    def look(self, span: Span) -> Reading:
        time.sleep(self.seconds)
        points = tuple((at, 20.0) for at in range(span.begin, span.end + 1, 15))
        rising = tuple((at, 10.0 if at > BEGIN - 600 else 0.0) for at, _ in points)
        return Reading({
            Figure.REQUESTS: Known(Series("per second", 15, points)),
            Figure.ERRORS: Known(Series("per second", 15, rising)),
        })  # fmt: skip


def blind() -> Observed:
    raise Refused("The engine does not answer.")


def test_one_that_hangs_must_be_unknown_and_the_others_still_tell() -> None:
    class Given:
        name = "shop/prod"
        hosts = ()
        probes = ()
        telemetry = (("metrics", None), ("hung", None))

    class Only:
        clock = Real(BEGIN * NANO)
        telemetry = staticmethod(lambda _seconds: {"metrics": Source(), "hung": Source(LONG)})

    given = cast("Any", Given())
    for seconds in (1.0, 5.0, 25.0):  # more where the machine is too busy for the other
        with not_held():
            found = examine(Ward(given, cast("Tools", Only()), blind, None, ()), seconds)
        if found.evidence:
            break
    assert [one.said for one in found.evidence] == ["50.0% of requests fail"]
    assert found.since == Known(BEGIN - 585)
    assert "hung: no answer in time" in found.unknown
