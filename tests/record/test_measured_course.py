"""How many requests failed around a run: only where it was measured, in a picture and in words."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import msgspec

from lastgood.model.event import KeptFile
from lastgood.model.facts import Known, Unknown
from lastgood.model.rates import Rates, Share
from lastgood.model.telemetry import Figure, Recorded, Series, Span
from lastgood.record.chart import Chart
from lastgood.record.kept import Piece
from lastgood.record.measured import Course, course, question, rates, words
from lastgood.record.picture import picture
from lastgood.record.prose import plain

BEGIN = 1_795_348_800  # 2026-11-22 12:00:00 UTC
ROSE, DECIDED, PROVEN, END = BEGIN + 900, BEGIN + 1800, BEGIN + 1860, BEGIN + 2400


def series(values: dict[int, float]) -> Series:
    return Series("per second", 15, tuple(sorted(values.items())))


def measured(*, without: range = range(0)) -> Rates:
    """Ten requests a second; of these 0.1 % fail, four of ten after ROSE, and none once it was proven."""
    times = [at for at in range(BEGIN, END + 1, 15) if at not in without]
    errors = {at: 0.01 if at < ROSE else 4.0 if at < PROVEN else 0.0 for at in times}
    return Rates.of(series(dict.fromkeys(times, 10.0)), series(errors))


def seen(found: Rates, service: str = "shop-api", proven: float | None = PROVEN) -> Course:
    one = course(service, found, DECIDED, proven)
    assert one
    return one


def test_the_share_must_be_of_requests_and_unknown_where_there_were_none() -> None:
    times = range(0, 60, 15)
    found = Rates.of(series({at: float(at) for at in times}), series(dict.fromkeys(times, 3.0)))
    assert found.share(15, 45) == Share(9 / 90, 90 * 15)
    assert found.share(0, 0) is None
    assert found.share(100, 200) is None
    assert [at for at, _ in found.shares()] == [15, 30, 45]
    assert Rates.of(series({0: 1.0}), series({15: 1.0})).points == ()


def test_the_rise_must_be_where_it_was_seen_and_not_where_data_begins() -> None:
    assert measured().rose(DECIDED, 0.2) == ROSE
    assert measured().rose(ROSE - 15, 0.2) is None
    assert measured(without=range(BEGIN, ROSE + 60)).rose(DECIDED, 0.2) is None
    assert measured(without=range(ROSE - 300, ROSE + 60)).rose(DECIDED, 0.2) is None  # nobody saw it happen
    dip = measured()
    points = tuple((at, 0.0 if at == ROSE + 300 else errors, all_) for at, errors, all_ in dip.points)
    assert Rates(15, points).rose(DECIDED, 0.2) == ROSE


def test_before_worst_and_after_must_be_told_with_their_times() -> None:
    one = seen(measured())
    assert (round(one.before, 4), round(one.worst, 2), one.after, one.rose) == (0.001, 0.4, 0.0, ROSE)
    text = plain(words(one))
    assert "shop-api that failed: 0.1% until 2026-11-22 12:05:00 UTC, 40.0% at its worst at" in text
    assert "0.0% in the last minutes after the good release was proven" in text
    assert "rose at 2026-11-22 12:15:00 UTC, 15 min before the plan was approved" in plain(question(one, DECIDED))


def test_what_was_not_measured_must_not_be_told_as_a_number() -> None:
    assert seen(measured(without=range(PROVEN, END + 1))).after is None
    assert "not known in the last minutes" in plain(words(seen(measured(), proven=None)))
    assert course("shop-api", Rates(15, ()), DECIDED, PROVEN) is None
    quiet = Rates.of(series({BEGIN: 0.0, BEGIN + 15: 0.0}), series({BEGIN: 0.0, BEGIN + 15: 0.0}))
    assert course("shop-api", quiet, DECIDED, PROVEN) is None


def test_the_picture_must_show_the_line_with_its_gaps_above_the_steps_and_say_it_in_its_title() -> None:
    gap = range(DECIDED + 300, DECIDED + 420)
    charts = [Chart(seen(measured(without=gap), name), DECIDED, PROVEN) for name in ("shop-api", "<b onload=1>&")]
    svg = picture((("1.verify", 0.0, 60.0, False),), 60.0, 60.0, charts)
    root = ET.fromstring(svg)  # noqa: S314 - it was made a moment ago
    lines = [one for one in root.iter() if one.tag.endswith("polyline")]
    assert len(lines) == 4
    xs = [float(pair.split(",")[0]) for pair in lines[0].attrib["points"].split()]
    assert all(a <= b for a, b in pairwise(xs))
    assert 200 <= xs[0] <= xs[-1] <= 700
    title = next(one for one in root.iter() if one.tag.endswith("title")).text or ""
    assert "failed requests to shop-api: 0.1% before, 40.0% at worst, 0.0% after" in title
    assert "approved" in "".join(root.itertext())
    assert "<b onload" not in re.sub(r"&lt;b onload", "", svg)
    assert float(root.attrib["viewBox"].split()[3]) > 240
    assert picture((), 1.0, None, ()).count("polyline") == 0


def piece(step: str, content: bytes | None, name: str = "telemetry-x-metrics.json") -> Piece:
    return Piece(1, step, KeptFile(name, name, "", 0, ()), content)


def test_only_what_is_there_and_was_understood_must_be_read_each_for_its_service() -> None:
    span = Span(BEGIN, END)
    early = {Figure.REQUESTS: Known(series({BEGIN: 10.0, BEGIN + 15: 1.0})), Figure.ERRORS: Known(series({BEGIN: 1.0}))}
    later = {
        Figure.REQUESTS: Known(series({BEGIN: 20.0, BEGIN + 30: 8.0})),
        Figure.ERRORS: Known(series({BEGIN: 2.0, BEGIN + 30: 4.0})),
    }
    half = {Figure.REQUESTS: Known(series({BEGIN: 10.0})), Figure.ERRORS: Unknown("there is no data")}
    given = [
        piece("capture.a", msgspec.json.encode(Recorded("<redacted>", span, early))),
        piece("watch.a", msgspec.json.encode(Recorded("m", span, later))),
        piece("watch.b", msgspec.json.encode(Recorded("m", span, half))),
        piece("watch.b", b'{"status": "success", "data": {}}'),
        piece("watch.b", b"\xff not json"),
        piece("watch.b", None),
        piece("watch.b", msgspec.json.encode(Recorded("m", span, later)), "logs.json"),
    ]
    found = rates(given, {"capture.a": "shop-api", "watch.a": "shop-api", "watch.b": "shop-web"})
    assert found == (("shop-api", Rates(15, ((BEGIN, 2.0, 20.0), (BEGIN + 30, 4.0, 8.0)))),)
