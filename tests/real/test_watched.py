"""A rollback that Prometheus, Loki and Traefik watch: they are asked, kept, and never waited for."""

import json
import re
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from shop import API, ENV, Shop

from lastgood.model.errors import Exit
from sandbox import watchers
from sandbox.registry import free_port
from sandbox.run import docker, fetch, wait_until
from tests.judge.live import diagnosed
from tests.standin.watchers import NANO, LokiApi

REQUESTS = 'sum(rate(traefik_service_requests_total{service="api@docker"}[4s]))'
ERRORS = f'sum(rate(traefik_service_requests_total{{service="api@docker",code=~"5.."}}[4s])) or 0 * {REQUESTS}'
WATCHED = """\
telemetry:
  metrics: {{kind: prometheus, url: "{prometheus}", step: 1s, requests: '{requests}', errors: '{errors}'}}
  router: {{kind: traefik, url: "{traefik}", service: api@docker}}
  logs: {{kind: loki, url: "{loki}", query: '{{service="{{service}}",env="{{env}}"}}'}}
  hung: {{kind: loki, url: "{hung}", query: '{{service="{{service}}"}}'}}
services:
"""


@contextmanager
def prometheus(target: str, folder: Path) -> Iterator[str]:
    """Prometheus, scraping one target several times a second."""
    scrape = {"job_name": "traefik", "static_configs": [{"targets": [target]}]}
    config = {"global": {"scrape_interval": "500ms"}, "scrape_configs": [scrape]}
    (folder / "prometheus.yml").write_text(json.dumps(config))
    url = f"http://127.0.0.1:{free_port()}"
    program = watchers.ensure() / "prometheus"
    argv = (program, "--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address={url[7:]}")
    with watchers.running(argv, folder, f"{url}/-/ready"):
        yield url


@contextmanager
def customers(shop: Shop) -> Iterator[None]:
    """Some requests a second, as long as it lasts."""
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.05):
            shop.world.answer(API, timeout=1)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def measured(url: str, query: str) -> float:
    """What Prometheus says of a query now; -1 where it has no data."""
    found = json.loads(fetch("GET", f"{url}/api/v1/query?query={quote(query)}").body)["data"]["result"]
    return float(found[0]["value"][1]) if found else -1.0


def answered(url: str) -> float:
    """How many requests of the last minute, but for its end, a diagnosis sees: it asks for every fourth second."""
    end = int(time.time()) - 2
    asks = f"{url}/api/v1/query_range?query={quote(REQUESTS)}&start={(end - 60) // 4 * 4}&end={end}&step=4"
    found = json.loads(fetch("GET", asks).body)["data"]["result"]
    return sum(4 * float(value) for series in found for _, value in series["values"])


def a_moment_passes() -> None:
    """One of those is over that a diagnosis asks for: of two hours every fourth second."""
    last = time.time() // 4
    wait_until(lambda: (time.time() - 2) // 4 > last, "time passes", every=0.5)


def test_what_watches_a_service_must_be_asked_kept_and_never_waited_for(shop: Shop, tmp_path: Path) -> None:
    proxy = docker("ps", "--quiet", "--filter", f"name={shop.world.name}-proxy")
    address = docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", proxy)
    shop.ships("good-1", "good-2")
    with LokiApi() as loki, LokiApi() as hung, prometheus(f"{address}:8080", tmp_path) as metrics, customers(shop):
        loki.open_ = hung.open_ = True
        addresses = {"prometheus": metrics, "traefik": f"http://{address}:8080", "loki": loki.url, "hung": hung.url}
        shop.configure("watch: 0s", "watch: 4s")
        shop.configure("services:\n", WATCHED.format(requests=REQUESTS, errors=ERRORS, **addresses))
        wait_until(lambda: answered(metrics) >= 40, "so many requests are measured that a diagnosis counts with them")
        assert measured(metrics, ERRORS) == 0
        good = time.time_ns()
        loki.push(good, "listening, password=hunter22", service=API, env=ENV)
        shop.ships("http-500")
        shop.fails_with(500)
        wait_until(lambda: measured(metrics, f"({ERRORS}) / ({REQUESTS})") > 0.8, "failures are measured")
        a_moment_passes()
        advised(shop, good // NANO)
        for number in range(3):  # the release before had it as well, and its container is gone
            loki.push(good - 9 * NANO + number, "KeyError: 'EUR'", service=API, env=ENV)
        said = patient(shop, ends=Exit.NEEDS_HUMAN)
        assert ["the same was written before" in one for one in said["contradictions"]] == [True]
        hung.trouble = "silent"
        shop.rollback("--anyway", ends=Exit.DONE)
        assert shop.serves("good-2")
        told(shop, tmp_path / "run.tar")


def patient(shop: Shop, ends: Exit) -> dict[str, Any]:
    """The diagnosis, given time."""
    done = diagnosed(shop.world, API)
    assert done.returncode == ends, done
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def advised(shop: Shop, good: int) -> None:
    """The diagnosis says how many requests fail, since when, and that they did not before."""
    said = patient(shop, ends=Exit.DONE)
    assert (said["scenario"], said["recommendation"]["action"]) == ("api-errors", "rollback"), said
    (one,) = (one for one in said["evidence"] if one["source"] == "metrics")
    assert re.fullmatch(r"\d+\.\d% of requests fail, 0\.0% before the newest change", one["said"])
    assert good <= one["at"] <= said["at"]
    assert [text for text in said["unknown"] if not text.startswith("hung")] == []


def told(shop: Shop, bundle: Path) -> None:
    """What was seen is in the bundle, without secrets, and in the post-mortem."""
    run = shop.latest_run()
    shop.does("bundle", run, "--output", str(bundle))
    assert shop.does("verify", run)["verdict"] == "whole"
    with tarfile.open(bundle) as archive:
        names = [name for name in archive.getnames() if "/evidence/" in name]
        found = {name.rpartition("/")[2]: archive.extractfile(name) for name in names}
        files = {name: handle.read() for name, handle in found.items() if handle}
    for step in ("capture", "1.watch"):
        for part in ("metrics", "metrics-requests", "router-routers-1", "router-service-api-docker", "hung"):
            wanted = re.compile(rf"telemetry-{step}[.a-z-]*-{part}\.[0-9a-f]+\.json")
            assert [name for name in files if wanted.match(name)], part
        assert [name for name in files if re.match(rf"log-{step}[.a-z-]*-logs-lines\.[0-9a-f]+\.txt", name)]
    assert not [name for name, content in files.items() if b"hunter22" in content]
    html = shop.does("postmortem", run, "--html")["text"]
    shares = re.search(r"failed requests to shop-api: ([\d.]+)% before, ([\d.]+)% at worst, ([\d.]+)% after", html)
    assert shares, html
    before, worst, after = map(float, shares.groups())
    assert before < 20 < worst
    assert after < worst
    assert "<polyline" in html
    assert "Was it noticed then?" in html
