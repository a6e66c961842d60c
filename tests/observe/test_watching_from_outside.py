"""Sources of telemetry asked at once: who is late or breaks takes nothing away, and what they say is made harmless."""

import threading
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.telemetry import Figure, Reading, Recorded, Routed, Router, Routing, Series, Server, Span, Written
from lastgood.observe.telemetry import Asking, checks, files, watched
from lastgood.ports import Telemetry, Tools
from tests.standin.held import LONG, not_held

SPAN = Span(1_790_000_000, 1_790_001_800)
SERIES = Known(Series("per second", 15, ((SPAN.begin, 2.0),)))


@dataclass
class Source:
    """Answers, raises, or is silent for as long as anybody waits."""

    reading: Reading | Exception | None
    asked: list[Span] = field(default_factory=list)

    def look(self, span: Span) -> Reading:
        self.asked.append(span)
        if self.reading is None:
            threading.Event().wait(LONG)
        if isinstance(self.reading, Exception):
            raise self.reading
        return self.reading or Reading()

    def check(self) -> Fact[str]:
        self.look(SPAN)
        return Known("fine")


def tools(**sources: Source) -> Tools:
    @dataclass
    class Only:
        telemetry: Any

    return cast("Tools", Only(lambda _seconds: cast("dict[str, Telemetry]", sources)))


def test_who_is_late_or_breaks_must_take_nothing_away_from_the_others() -> None:
    sources = {"a": Source(None), "b": Source(ZeroDivisionError("x")), "c": Source(Reading({Figure.REQUESTS: SERIES}))}
    for seconds in (0.5, 5.0, 25.0):  # more where the machine is too busy for the others
        with not_held():
            found = Asking(tools(**sources), SPAN, seconds).answers()
        if Unknown("no answer in time") not in (found["b"], found["c"]):
            break
    assert found["a"] == Unknown("no answer in time")
    assert found["b"] == Unknown("ZeroDivisionError: x")
    assert found["c"] == Known(Reading({Figure.REQUESTS: SERIES}))
    assert checks({"a": sources["a"], "c": sources["c"]}, seconds) == {
        "a": Unknown("no answer in time"),
        "c": Known("fine"),
    }
    late, _, fine = watched(found)
    assert (late.name, late.late, fine.figures) == ("a", "no answer in time", {Figure.REQUESTS: SERIES})


def test_only_those_that_are_wanted_must_be_asked() -> None:
    sources = {"a": Source(Reading()), "b": Source(Reading())}
    assert set(Asking(tools(**sources), SPAN, 1, frozenset({"b"})).answers()) == {"b"}
    assert (sources["a"].asked, sources["b"].asked) == ([], [SPAN])


def test_what_a_store_has_must_become_lines_without_secrets_and_escapes() -> None:
    at = (SPAN.begin + 5) * 10**9 + 3
    lines = (Written(at, "\x1b[31mred\nnext, password=hunter22"), Written(at + 10**9, "panic: boom"))
    (one,) = watched({"logs": Known(Reading(lines=Known(lines), cut=True))})
    assert isinstance(one.log, Known)
    assert [(line.at, line.text) for line in one.log.value.lines] == [
        (SPAN.begin + 5, "red next, password=<redacted>"),
        (SPAN.begin + 6, "panic: boom"),
    ]
    assert (one.log.value.container, one.log.value.cut) == ("logs", True)


def test_what_a_router_says_must_be_harmless() -> None:
    router = Router(
        "shop@docker", "shop@docker", "Host(`x`)", enabled=False, errors=("token=s3cretvalue \x1b]0;x\x07",)
    )
    server = Server("http://ops:hunter22@10.0.0.2", Known(value=False))
    (one,) = watched({"r": Known(Reading(routing=Known(Routing((router,), (Routed("s@d", True, (server,)),)))))})  # noqa: FBT003 - it is there
    assert isinstance(one.routing, Known)
    told = str(one.routing.value)
    assert "s3cretvalue" not in told
    assert "hunter22" not in told
    assert "\x1b" not in told
    assert one.routing.value.services[0].servers[0].up == Known(value=False)


def test_files_must_hold_what_was_understood_and_of_long_answers_whole_lines() -> None:
    long = b"".join(b"%06d password=abcdefgh\n" % number for number in range(20_000))
    raw = {"lines.txt": long, "requests.json": b"[" + b"1," * 200_000 + b"1]", "errors.json": b"[]"}
    reading = Reading({Figure.REQUESTS: SERIES}, lines=Known((Written(1, "x"),)), raw=raw)
    made = files("capture", SPAN, {"m": Known(reading), "hung": Unknown("no answer in time")})
    assert set(made) == {
        "telemetry-capture-m.json",
        "telemetry-capture-m-errors.json",
        "log-capture-m-lines.txt",
        "telemetry-capture-hung.json",
    }
    kept = made["log-capture-m-lines.txt"]
    assert len(kept) <= 256 * 1024
    assert kept[:6].isdigit()
    assert kept.endswith(b"019999 password=abcdefgh\n")
    told = msgspec.json.decode(made["telemetry-capture-m.json"], type=Recorded)
    assert told == Recorded("m", SPAN, {Figure.REQUESTS: SERIES}, Known(1))
    silent = msgspec.json.decode(made["telemetry-capture-hung.json"], type=Recorded)
    assert silent.because == "no answer in time"
