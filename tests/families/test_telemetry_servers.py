"""The real Prometheus scraping a service, and the real Traefik in front of one: what they answer must be understood."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lastgood import catalog
from lastgood.effects.http import PlainHttp
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.model.facts import Known, Unknown
from lastgood.model.rates import Rates
from lastgood.model.target import Adapter
from lastgood.model.telemetry import Figure, Routing, Span
from lastgood.ports import Outside, Telemetry
from sandbox import prepare, watchers
from sandbox.registry import free_port
from sandbox.run import wait_until
from tests.standin.services import Answer, Asked, Service

ALL = 'sum(rate(http_requests_total{service="shop-api"}[2s]))'
FAILED = 'sum(rate(http_requests_total{service="shop-api",code=~"5.."}[2s])) or 0 * ' + ALL


class Exporter(Service):
    """A service that counts a hundred requests a second; from `failing` on a quarter of them fails."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = time.time()
        self.failing = float("inf")

    def answer(self, asked: Asked) -> Answer:
        if asked.path != "/metrics":
            return Answer(200, b"ok")
        now = time.time()
        bad = max(0.0, now - self.failing) * 25
        good = (now - self.begun) * 100 - bad
        line = 'http_requests_total{service="shop-api",code="%s"} %f\n'
        text = "# TYPE http_requests_total counter\n" + line % ("200", good) + (line % ("500", bad) if bad else "")
        return Answer(200, text.encode(), {"Content-Type": "text/plain; version=0.0.4"})


def member(kind: str, **options: Any) -> Telemetry:
    outside = Outside(PlainHttp(), LocalSecrets(LocalProcess(), {}), time.time_ns())
    made = msgspec.convert(options, catalog.options("telemetry", kind), dec_hook=lambda kind, value: kind(value))
    return catalog.telemetry(Adapter(kind, made), outside)


@pytest.fixture(scope="module")
def programs() -> Path:
    prepare.ensure()
    return watchers.ensure()


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    with Exporter() as service:
        yield service


@pytest.fixture
def prometheus(programs: Path, exporter: Exporter, tmp_path: Path) -> Iterator[str]:
    scrape = {"job_name": "shop", "static_configs": [{"targets": [exporter.url.removeprefix("http://")]}]}
    config = {"global": {"scrape_interval": "250ms"}, "scrape_configs": [scrape]}
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    port = free_port()
    argv = (
        *(programs / "prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data"),
        f"--web.listen-address=127.0.0.1:{port}",
    )
    with watchers.running(argv, tmp_path, f"http://127.0.0.1:{port}/-/ready"):
        yield f"http://127.0.0.1:{port}"


def test_prometheus_must_tell_when_failures_rose_and_nothing_of_what_it_does_not_know(
    prometheus: str, exporter: Exporter
) -> None:
    source = member("prometheus", url=prometheus, requests=ALL, errors=FAILED, latency="no_such_metric", step=1)
    wait_until(lambda: len(points(source, Figure.ERRORS)) > 3, "a few seconds are known")
    assert set(points(source, Figure.ERRORS).values()) == {0.0}
    exporter.failing = time.time()
    wait_until(lambda: points(source, Figure.ERRORS).get(int(time.time()) - 1, 0) > 20, "failures are seen")
    begin, seen = int(exporter.failing), int(time.time())
    found = source.look(Span(begin - 60, int(time.time())))
    requests, errors = found.figures[Figure.REQUESTS], found.figures[Figure.ERRORS]
    assert isinstance(requests, Known)
    assert isinstance(errors, Known)
    rates = Rates.of(requests.value, errors.value)
    assert 0.15 < rates.shares()[-1][1] < 0.35
    rose = rates.rose(time.time(), 0.1)
    assert rose
    assert begin <= rose <= seen
    assert isinstance(found.figures[Figure.LATENCY], Unknown)
    assert set(found.raw) == {"requests.json", "errors.json", "latency.json"}
    told = source.check()
    assert isinstance(told, Unknown)
    assert told.reason.startswith("latency: there is no data now")
    right = member("prometheus", url=prometheus, requests=ALL, errors=FAILED).check()
    assert right == Known("Prometheus 2.42.0+ds answers requests, errors")
    wrong = member("prometheus", url=prometheus, requests="sum(rate(").check()
    assert isinstance(wrong, Unknown)
    assert "parse error" in wrong.reason
    unrated = member("prometheus", url=prometheus, requests="http_requests_total[5m]").check()
    assert isinstance(unrated, Unknown)
    assert "is no number" in unrated.reason
    elsewhere = member("prometheus", url=f"{prometheus}/nowhere", requests=ALL).look(Span(0, 60))
    assert isinstance(elsewhere.figures[Figure.REQUESTS], Unknown)


def points(source: Telemetry, figure: Figure) -> dict[int, float]:
    fact = source.look(Span(int(time.time()) - 60, int(time.time()))).figures[figure]
    return dict(fact.value.points) if isinstance(fact, Known) else {}


def test_traefik_must_tell_its_routers_servers_and_what_is_wrong(programs: Path, tmp_path: Path) -> None:
    checked = {"path": "/", "interval": "1s", "timeout": "900ms"}
    with Exporter() as alive, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}"
        http = {
            "routers": {
                "shop": {"rule": "PathPrefix(`/`)", "service": "shop", "entryPoints": ["web"]},
                "old": {"rule": "PathPrefix(`/old`)", "service": "gone", "entryPoints": ["web"]},
            },
            "services": {
                "shop": {"weighted": {"services": [{"name": "a", "weight": 9}, {"name": "b", "weight": 1}]}},
                "a": {"loadBalancer": {"servers": [{"url": alive.url}, {"url": dead}], "healthCheck": checked}},
                "b": {"loadBalancer": {"servers": [{"url": dead}]}},
            },
        }
        (tmp_path / "routes.yaml").write_text(json.dumps({"http": http}))
        web, api = free_port(), free_port()
        argv = (
            *(programs / "traefik", f"--entrypoints.web.address=127.0.0.1:{web}", "--api.insecure=true", "--ping=true"),
            *(f"--entrypoints.traefik.address=127.0.0.1:{api}", "--providers.file.filename=routes.yaml"),
            *("--global.checknewversion=false", "--global.sendanonymoususage=false"),
        )
        with watchers.running(argv, tmp_path, f"http://127.0.0.1:{api}/ping"):
            source = member("traefik", url=f"http://127.0.0.1:{api}", service="shop@file")
            told = [Known(value=True), Known(value=False)]
            wait_until(lambda: ups(source)[:2] == told, "the health check tells the two apart")
            found = routing(source)
            assert [(one.name, one.weights) for one in found.services] == [
                ("shop@file", (("a@file", 9), ("b@file", 1))),
                ("a@file", ()),
                ("b@file", ()),
            ]
            assert [one.up for one in found.services[1].servers] == told
            assert [isinstance(one.up, Unknown) for one in found.services[2].servers] == [True]  # nothing listens there
            assert [(one.name, one.enabled) for one in found.routers] == [("shop@file", True)]
            assert str(source.check()).startswith("Known(value='Traefik 3.7.15: shop@file has 1 routers')")
            gone = routing(member("traefik", url=f"http://127.0.0.1:{api}", service="gone@file"))
            assert [one.there for one in gone.services] == [False]
            assert [(one.name, one.enabled) for one in gone.routers] == [("old@file", False)]
            assert "does not exist" in gone.routers[0].errors[0]
            elsewhere = member("traefik", url=f"http://127.0.0.1:{web}", service="shop@file").look(Span(0, 1))
            assert isinstance(elsewhere.routing, Unknown)


def routing(source: Telemetry) -> Routing:
    fact = source.look(Span(0, 1)).routing
    assert isinstance(fact, Known), fact
    return fact.value


def ups(source: Telemetry) -> list[Any]:
    fact = source.look(Span(0, 1)).routing
    return [server.up for one in fact.value.services for server in one.servers] if isinstance(fact, Known) else []
