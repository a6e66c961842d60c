"""Prometheus, Loki and Traefik as far as they are asked, with the traps that their documentation and use have shown."""

import json
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl

from tests.standin.services import Answer, Asked, Service

NANO: Final = 1_000_000_000
PLAIN: Final = {"Content-Type": "text/plain; charset=utf-8"}
Points = Callable[[float], str | None]


class Watcher(Service):
    """Refuses a wrong token as a proxy in front of it would; `open_` lets everybody in.

    `astray` are times, in Unix seconds, that it answers with as well, and nobody has asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.open_ = False
        self.astray: tuple[int, ...] = ()

    def answer(self, asked: Asked) -> Answer:
        if not self.open_ and asked.headers.get("authorization") != f"Bearer {self.TOKEN}":
            return Answer(401, b"Unauthorized: s3cret-page", {"Content-Type": "text/html"})
        return self.answered(asked)

    def answered(self, asked: Asked) -> Answer:
        raise NotImplementedError


class PrometheusApi(Watcher):
    """`series` are functions of time by query: a value as text, or None where there is none at that moment."""

    def __init__(self) -> None:
        super().__init__()
        self.series: dict[str, list[Points]] = {}
        self.warnings: list[str] = []
        self.built = True

    def answered(self, asked: Asked) -> Answer:
        given = asked.query | dict(_form(asked.body))
        if asked.path == "/api/v1/status/buildinfo" and self.built:
            return Answer(200, {"status": "success", "data": {"version": "2.42.0"}})
        if asked.path == "/api/v1/query":
            return self._success("vector", [{"metric": {}, "value": [1.0, v]} for v in self._at(given["query"], 1e12)])
        if asked.path != "/api/v1/query_range":
            return Answer(404, b"404 page not found\n", PLAIN)
        begin, end, step = (float(given[name]) for name in ("start", "end", "step"))
        if (end - begin) / step > 11_000:
            return _bad("exceeded maximum resolution of 11,000 points per timeseries")
        if "!!" in given["query"]:
            return _bad("invalid parameter \"query\": 1:9: parse error: unexpected character: '!'")
        times = [begin + step * number for number in range(int((end - begin) / step) + 1)]
        times += self.astray
        lines = ([(at, one(at)) for at in times] for one in self.series.get(given["query"], []))
        known = [[[at, value] for at, value in line if value is not None] for line in lines]
        return self._success("matrix", [{"metric": {"job": "a"}, "values": line} for line in known if line])

    def _at(self, query: str, at: float) -> list[str]:
        return [value for one in self.series.get(query, []) if (value := one(at)) is not None]

    def _success(self, kind: str, result: Any) -> Answer:
        told = {"warnings": self.warnings} if self.warnings else {}
        return Answer(200, {"status": "success", "data": {"resultType": kind, "result": result}} | told)


def _bad(error: str) -> Answer:
    return Answer(400, {"status": "error", "errorType": "bad_data", "error": error})


def _form(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode())


class LokiApi(Watcher):
    """Lines by tenant, taken by its push endpoint; with `tenants` a request must name one."""

    def __init__(self) -> None:
        super().__init__()
        self.tenants = False
        self.ready = True
        self.kept: list[tuple[str, dict[str, str], int, str]] = []

    def push(self, at: int, text: str, tenant: str = "fake", **labels: str) -> None:
        """As an agent pushes a line; `at` in nanoseconds."""
        body = json.dumps({"streams": [{"stream": labels, "values": [[str(at), text]]}]}).encode()
        answer = self.answered(Asked("POST", "/loki/api/v1/push", {"x-scope-orgid": tenant}, body))
        assert answer.status == 204

    def answered(self, asked: Asked) -> Answer:
        tenant = asked.headers.get("x-scope-orgid", "")
        if asked.path == "/ready":
            text = b"ready\n" if self.ready else b"Ingester not ready: waiting for 15s after being ready\n"
            return Answer(200 if self.ready else 503, text, PLAIN)
        if asked.path == "/loki/api/v1/status/buildinfo":
            return Answer(200, {"version": "3.1.0"})
        if self.tenants and not tenant:
            return Answer(401, b"no org id\n", PLAIN)
        if asked.path == "/loki/api/v1/push":
            for stream in asked.json["streams"]:
                self.kept += [(tenant, stream["stream"], int(at), text) for at, text in stream["values"]]
            return Answer(204)
        if asked.path != "/loki/api/v1/query_range":
            return Answer(404, b"404 page not found\n", PLAIN)
        return self._range(asked.query, tenant or "fake")

    def _range(self, given: dict[str, str], tenant: str) -> Answer:
        selector = re.fullmatch(r'\{((?:\w+="[^"]*",?)+)\}', given["query"])
        if not selector:
            return Answer(400, b"parse error at line 1, col 2: syntax error: unexpected IDENTIFIER s3cret\n", PLAIN)
        if int(given["limit"]) > 5000:
            return Answer(400, b"max entries limit per query exceeded, limit > max_entries_limit (5000)\n", PLAIN)
        wanted = dict(re.findall(r'(\w+)="([^"]*)"', selector[1]))
        begin, end = _moment(given["start"]), _moment(given["end"])
        found = [
            (at, text, labels)
            for owner, labels, at, text in self.kept
            if owner == tenant and begin <= at < end and wanted.items() <= labels.items()
        ]
        newest = sorted(found, key=lambda one: one[0], reverse=True)[: int(given["limit"])]
        streams: dict[str, Any] = {}
        newest += [(at * NANO, text, labels) for _, text, labels in newest for at in self.astray]
        for at, text, labels in newest:
            stream = streams.setdefault(json.dumps(labels, sort_keys=True), {"stream": labels, "values": []})
            stream["values"].append([str(at), text, {"trace": "x"}] if "metadata" in text else [str(at), text])
        return Answer(200, {"status": "success", "data": {"resultType": "streams", "result": list(streams.values())}})


def _moment(text: str) -> int:
    """A whole number is nanoseconds, one with a point seconds."""
    return int(float(text) * NANO) if "." in text else int(text)


class TraefikApi(Watcher):
    """Routers and services as its API shows them."""

    def __init__(self) -> None:
        super().__init__()
        self.routers: list[dict[str, Any]] = []
        self.services: dict[str, dict[str, Any]] = {}

    def answered(self, asked: Asked) -> Answer:
        if asked.path == "/api/version":
            return Answer(200, {"Version": "3.7.15", "Codename": "x", "startDate": "2026-11-01T00:00:00Z"})
        if asked.path == "/api/http/routers":
            size, page = int(asked.query["per_page"]), int(asked.query["page"])
            more = len(self.routers) > size * page
            shown = self.routers[size * (page - 1) : size * page]
            return Answer(200, shown, {"X-Next-Page": str(page + 1) if more else "1"})
        name = asked.path.removeprefix("/api/http/services/")
        if name == asked.path:
            return Answer(404, b"404 page not found\n", PLAIN)
        if name not in self.services:
            return Answer(404, json.dumps({"message": f"service not found: {name}"}).encode(), PLAIN)
        return Answer(200, {"name": name, "provider": name.partition("@")[2], **self.services[name]})


def balancer(*urls: str, checked: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """A service of servers; `checked` is what its health check says of them, without one everything is `UP`."""
    told = checked if checked is not None else dict.fromkeys(urls, "UP")
    load: dict[str, Any] = {"servers": [{"url": url} for url in urls], "passHostHeader": True}
    if checked is not None:
        load["healthCheck"] = {"path": "/healthz", "interval": "2s"}
    return {"loadBalancer": load, "status": "enabled", "serverStatus": told, "type": "loadbalancer"} | more
