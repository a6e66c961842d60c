"""Every source of telemetry must tell what there is, take nothing for zero, and fail in words without secrets."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from lastgood import catalog
from lastgood.effects.http import PlainHttp
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.target import Adapter
from lastgood.model.telemetry import Figure, Reading, Span
from lastgood.outside.bounded import Bounded
from lastgood.ports import Outside, Telemetry
from tests.standin.held import LONG, not_held
from tests.standin.services import Service
from tests.standin.watchers import NANO, LokiApi, PrometheusApi, TraefikApi, Watcher, balancer

NOW = 1_790_000_000
SPAN = Span(NOW - 1800, NOW)
QUERIES = {"requests": "requests", "errors": "errors", "latency": "latency"}
SERVICE = "shop-api@docker"


def filled_prometheus() -> PrometheusApi:
    api = PrometheusApi()
    api.series = {name: [lambda _at, value=value: value] for name, value in zip(QUERIES, "842", strict=True)}
    return api


def filled_loki() -> LokiApi:
    api = LokiApi()
    api.push((NOW - 60) * NANO + 7, "panic: boom", service="shop-api")
    api.push(int(time.time() - 60) * NANO, "now", service="shop-api")
    return api


def filled_traefik() -> TraefikApi:
    api = TraefikApi()
    api.services = {SERVICE: balancer("http://10.0.0.2:8080", usedBy=["shop@docker"])}
    api.routers = [router("shop@docker", "shop-api"), router("other@docker", "other")]
    return api


def router(name: str, service: str, **more: Any) -> dict[str, Any]:
    rule = "PathPrefix(`/`)"
    return {"name": name, "service": service, "rule": rule, "status": "enabled", "provider": "docker"} | more


@dataclass(frozen=True)
class Case:
    kind: str
    serve: Callable[[], Watcher]
    options: dict[str, Any] = field(default_factory=dict)


CASES = (
    Case("prometheus", filled_prometheus, QUERIES),
    Case("loki", filled_loki, {"query": '{service="shop-api"}'}),
    Case("traefik", filled_traefik, {"service": SERVICE}),
)
NAMED = pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)


class Bench:
    """A case at work."""

    def __init__(self, case: Case, service: Any) -> None:
        self.case = case
        self.service = service

    def member(self, seconds: float = LONG / 2, token: str | None = Service.TOKEN, **options: Any) -> Telemetry:
        env = {} if token is None else {"TOKEN": token}
        outside = Outside(
            Bounded(PlainHttp(), time.monotonic() + seconds), LocalSecrets(LocalProcess(), env), time.time_ns()
        )
        raw = {"token": "env:TOKEN", "url": self.service.url} | self.case.options | options
        made = msgspec.convert(raw, catalog.options("telemetry", self.case.kind))
        return catalog.telemetry(Adapter(self.case.kind, made), outside)

    def look(self, span: Span = SPAN, **options: Any) -> Reading:
        return self.member(**options).look(span)


@pytest.fixture
def bench_of() -> Iterator[Callable[[str], Bench]]:
    with ExitStack() as stack:
        yield lambda kind: next(Bench(one, stack.enter_context(one.serve())) for one in CASES if one.kind == kind)


def facts(found: Reading) -> list[Fact[Any]]:
    rest = (found.lines, found.routing)
    return [*found.figures.values(), *(one for one in rest if one is not None)]


def reasons(found: Reading) -> str:
    assert facts(found)
    assert all(isinstance(one, Unknown) for one in facts(found)), found
    said = "; ".join(one.reason for one in facts(found) if isinstance(one, Unknown))
    assert "s3cret" not in said
    assert "\x1b" not in said
    return said


def test_every_kind_must_have_a_case() -> None:
    assert {case.kind for case in CASES} == set(catalog.kinds("telemetry"))


@NAMED
def test_what_is_there_must_be_told_and_the_answers_kept(case: Case, bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of(case.kind)
    found = bench.look()
    assert all(isinstance(one, Known) for one in facts(found)), found
    assert found.raw
    assert all(found.raw.values())
    assert isinstance(bench.member().check(), Known)
    assert {asked.method for asked in bench.service.log} == {"GET"}


@NAMED
def test_times_that_nobody_asked_for_must_not_count(case: Case, bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of(case.kind)
    found = bench.look()
    bench.service.astray = (-(10**14), 0, SPAN.begin - 3600, SPAN.end + 60, 10**14)
    assert facts(bench.look()) == facts(found)


@NAMED
@pytest.mark.parametrize("trouble", ["html", "redirect", "silent", 401, 403, 404, 500, 502, "busy"])
def test_trouble_must_be_unknown_and_told_without_a_secret(
    case: Case, trouble: int | str, bench_of: Callable[[str], Bench]
) -> None:
    bench = bench_of(case.kind)
    bench.service.trouble = trouble
    with not_held():
        assert reasons(bench.look(seconds=0.4)).startswith("127.0.0.1")
        checked = bench.member(seconds=0.4).check()
    assert isinstance(checked, Unknown)
    assert "s3cret" not in checked.reason


@NAMED
def test_a_missing_or_wrong_secret_must_be_named_and_not_shown(case: Case, bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of(case.kind)
    assert "env:TOKEN is not set" in reasons(bench.look(token=None))
    assert bench.service.log == []
    assert "(401)" in reasons(bench.look(token="tk_s3cret-other"))  # noqa: S106 - wrong on purpose
    assert isinstance(bench.member(token="tk_s3cret-other").check(), Unknown)  # noqa: S106 - as above
    reasons(bench.look(token="tk_s3cret\r\nX-Evil: 1"))  # noqa: S106 - as above
    assert not any("x-evil" in asked.headers for asked in bench.service.log)


@NAMED
def test_a_user_must_make_the_token_a_password(case: Case, bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of(case.kind)
    bench.service.open_ = True
    bench.look(user="ops")
    assert bench.service.log[0].headers["authorization"] == "Basic b3BzOnRrX3MzY3JldDAxMjM0NTY3ODk="


@NAMED
def test_an_answer_of_another_shape_must_be_unknown(case: Case, bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of(case.kind)
    for body in ({"status": "success", "data": {"resultType": "matrix", "result": {"a": 1}}}, ["a"], 7, {}):
        bench.service.answered = lambda _asked, body=body: _json(body)
        if body == {} and case.kind == "traefik":  # a service without anything is one
            continue
        assert reasons(bench.look())
        assert isinstance(bench.member().check(), Unknown)


def _json(body: Any) -> Any:
    from tests.standin.services import Answer

    return Answer(200, body)


# Prometheus


def points(found: Reading, figure: Figure = Figure.REQUESTS) -> dict[int, float]:
    fact = found.figures[figure]
    assert isinstance(fact, Known), fact
    return dict(fact.value.points)


def test_no_series_and_no_number_must_be_unknown_and_never_zero(bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of("prometheus")
    bench.service.series |= {"errors": [], "latency": [lambda _: "NaN"]}
    found = bench.look()
    assert set(points(found).values()) == {8.0}
    assert isinstance(found.figures[Figure.ERRORS], Unknown)
    assert isinstance(found.figures[Figure.LATENCY], Unknown)
    checked = bench.member().check()
    assert isinstance(checked, Unknown)
    assert "errors: there is no data now" in checked.reason
    assert "or 0 *" in checked.reason


def test_several_series_must_be_added_up_and_gaps_stay_gaps(bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of("prometheus")
    begin = SPAN.begin - SPAN.begin % 15
    stopped = begin + 600
    bench.service.series = {
        "requests": [lambda at: "2" if at < stopped else None, lambda at: "NaN" if at == begin else "0.5"],
        "latency": [lambda _: "+Inf", lambda _: "0.25", lambda at: "NaN" if at < stopped else "3"],
    }
    found = bench.look()
    requests = points(found)
    assert begin not in requests  # a part of the sum is no number
    assert (requests[begin + 15], requests[stopped]) == (2.5, 0.5)
    assert points(found, Figure.LATENCY)[begin] == 0.25
    assert points(found, Figure.LATENCY)[SPAN.end - SPAN.end % 15] == 3.0


def test_a_partial_answer_must_not_be_taken_for_the_whole(bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of("prometheus")
    bench.service.warnings = ["store gateway 2 did not answer \x1b[31m"]
    assert "only in part: store gateway 2" in reasons(bench.look())
    assert isinstance(bench.member().check(), Unknown)


def test_a_long_span_must_not_ask_for_more_points_than_are_given(bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of("prometheus")
    week = bench.look(Span(NOW - 7 * 86400, NOW))
    assert 1000 < len(points(week)) <= 2001


def test_a_long_query_must_go_in_a_body_and_a_wrong_one_be_told(bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of("prometheus")
    long = "requests" + " " * 2000
    bench.service.series[long] = [lambda _: "1"]
    assert set(points(bench.look(requests=long)).values()) == {1.0}
    assert bench.service.log[0].method == "POST"
    wrong = bench.look(requests="rate(!!")
    fact = wrong.figures[Figure.REQUESTS]
    assert isinstance(fact, Unknown)
    assert "parse error: unexpected character" in fact.reason
    assert isinstance(wrong.figures[Figure.ERRORS], Known)


def test_what_only_speaks_the_api_must_do(bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of("prometheus")
    bench.service.built = False
    assert isinstance(bench.member().check(), Known)
    bench.look(tenant="team-a")
    assert bench.service.log[-1].headers["x-scope-orgid"] == "team-a"


# Loki


def lines(found: Reading) -> list[tuple[int, str]]:
    assert isinstance(found.lines, Known), found
    return [(one.at, one.text) for one in found.lines.value]


def test_lines_must_have_their_nanoseconds_and_both_ends_of_the_span(bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of("loki")
    for at, text in ((SPAN.begin, "first"), (SPAN.end, "last, with metadata"), (SPAN.begin - 1, "too old")):
        bench.service.push(at * NANO, text, service="shop-api", pod=text[:1])
    found = bench.look()
    texts = [(SPAN.begin * NANO, "first"), ((NOW - 60) * NANO + 7, "panic: boom"), (NOW * NANO, "last, with metadata")]
    assert lines(found) == texts
    assert not found.cut
    (kept,) = found.raw.values()
    assert b'.000000007Z {service="shop-api"} panic: boom\n' in kept


def test_of_many_lines_the_newest_must_be_read_and_the_cut_told(bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of("loki")
    for number in range(30):
        bench.service.push((NOW - 59 + number) * NANO, f"line {number}", service="shop-api")
    found = bench.look(limit=5)
    assert [text for _, text in lines(found)] == [f"line {number}" for number in range(25, 30)]
    assert found.cut
    for number in range(120):
        bench.service.push((NOW - number) * NANO + 9, "x" * 20_000, service="shop-api")
    huge = bench.look()  # more than is read of one answer
    assert (len(lines(huge)), huge.cut) == (50, True)


def test_no_line_and_a_wrong_tenant_must_be_unknown(bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of("loki")
    bench.service.tenants = True
    assert "no org id" in reasons(bench.look())
    assert "there is no line" in reasons(bench.look(tenant="other"))
    checked = bench.member(tenant="other").check()
    assert isinstance(checked, Unknown)
    assert "tenant other" in checked.reason
    assert isinstance(bench.member(tenant="fake").check(), Known)
    bench.service.ready = False
    waiting = bench.member(tenant="fake").check()
    assert isinstance(waiting, Unknown)
    assert "Ingester not ready" in waiting.reason


def test_errors_in_plain_text_must_be_told(bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of("loki")
    fact = bench.look(query="{service").lines
    assert isinstance(fact, Unknown)
    assert "parse error at line 1, col 2" in fact.reason


# Traefik


def test_up_must_count_only_where_a_health_check_says_so(bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of("traefik")
    found = bench.look().routing
    assert isinstance(found, Known)
    (service,) = found.value.services
    assert [isinstance(one.up, Unknown) for one in service.servers] == [True]
    assert [one.name for one in found.value.routers] == ["shop@docker"]
    urls = ("http://10.0.0.2:8080", "http://10.0.0.3:8080")
    bench.service.services[SERVICE] = balancer(*urls, checked={urls[0]: "UP", urls[1]: "DOWN"})
    again = bench.look().routing
    assert isinstance(again, Known)
    assert [one.up for one in again.value.services[0].servers] == [Known(value=True), Known(value=False)]


def test_weights_children_and_disabled_routers_must_be_told(bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of("traefik")
    parts = [{"name": "stable", "weight": 90}, {"name": "canary@file", "weight": 10}]
    bench.service.services = {
        "shop@file": {"weighted": {"services": parts}, "status": "enabled", "type": "weighted"},
        "stable@file": balancer("http://a:80"),
    }
    broken = router("old@docker", "shop@file", status="disabled", error=['the service "x@docker" does not exist'])
    bench.service.routers = [router(f"r{n}@docker", "other") for n in range(150)] + [broken]
    found = bench.look(service="shop@file").routing
    assert isinstance(found, Known)
    first, *below = found.value.services
    assert first.weights == (("stable@file", 90), ("canary@file", 10))
    assert [(one.name, one.there) for one in below] == [("stable@file", True), ("canary@file", False)]
    assert [(one.name, one.enabled) for one in found.value.routers] == [("old@docker", False)]
    assert "does not exist" in found.value.routers[0].errors[0]


def test_a_service_that_is_not_there_must_differ_from_an_api_that_is_not(bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of("traefik")
    found = bench.look(service="gone@docker")
    assert isinstance(found.routing, Known)
    assert [one.there for one in found.routing.value.services] == [False]
    checked = bench.member(service="gone@docker").check()
    assert isinstance(checked, Unknown)
    assert "no service gone@docker" in checked.reason
    bench.service.answered = lambda _asked: _missing()
    assert "404" in reasons(bench.look())


def _missing() -> Any:
    from tests.standin.services import Answer
    from tests.standin.watchers import PLAIN

    return Answer(404, b"404 page not found\n", PLAIN)


# Real servers, where the environment names them: LASTGOOD_TEST_PROMETHEUS_URL, LASTGOOD_TEST_LOKI_URL and
# LASTGOOD_TEST_LOKI_QUERY, LASTGOOD_TEST_TRAEFIK_URL and LASTGOOD_TEST_TRAEFIK_SERVICE.

_GIVEN = {
    "prometheus": {"requests": "sum(rate(prometheus_http_requests_total[5m]))"},
    "loki": {"query": os.environ.get("LASTGOOD_TEST_LOKI_QUERY", '{job=~".+"}')},
    "traefik": {"service": os.environ.get("LASTGOOD_TEST_TRAEFIK_SERVICE", "dashboard@internal")},
}
REAL = [kind for kind in _GIVEN if os.environ.get(f"LASTGOOD_TEST_{kind.upper()}_URL")]

if REAL:  # without one there is nothing to test, which is not a test that was left out

    @pytest.mark.parametrize("kind", REAL)
    def test_a_real_server_must_answer_as_the_stand_in_does(kind: str) -> None:
        raw = _GIVEN[kind] | {"url": os.environ[f"LASTGOOD_TEST_{kind.upper()}_URL"]}
        outside = Outside(PlainHttp(), LocalSecrets(LocalProcess(), {}), time.time_ns())
        member = catalog.telemetry(Adapter(kind, msgspec.convert(raw, catalog.options("telemetry", kind))), outside)
        assert isinstance(member.check(), Known)
        found = member.look(Span(int(time.time()) - 1800, int(time.time())))
        assert all(isinstance(one, Known) for one in facts(found)), found
