"""`telemetry` of a `lastgood.yaml`: what watches which target, and errors that name their place."""

import json
from typing import Any

import jsonschema
import msgspec
import pytest
from ruamel.yaml import YAML

from lastgood.config.jsonschema import schema
from lastgood.config.load import load
from lastgood.model.errors import ConfigError
from lastgood.model.target import Target

FILE = """
environments: {prod: {}, staging: {}}
services: {shop-api: {}, shop-web: {}}
telemetry:
  metrics:
    kind: prometheus
    url: http://prometheus:9090
    requests: 'sum(rate(http_requests_total{service="{service}",env="{env}"}[1m]))'
    step: 30s
  logs: {kind: loki, url: "http://loki:3100", query: '{service="{service}"}', envs: [prod]}
  router: {kind: traefik, url: "http://traefik:8080", services: [shop-api]}
"""


def target(service: str, env: str) -> Target:
    return load(FILE.encode(), "lastgood.yaml").target(service, env, "/repo")


def options(found: Target, name: str) -> dict[str, Any]:
    return msgspec.structs.asdict(dict(found.telemetry)[name].options)


def test_names_must_be_filled_into_queries_and_their_own_braces_stay() -> None:
    found = target("shop-api", "prod")
    requests = 'sum(rate(http_requests_total{service="shop-api",env="prod"}[1m]))'
    assert options(found, "metrics")["requests"] == requests
    assert options(found, "metrics")["step"] == 30.0
    assert options(found, "logs")["query"] == '{service="shop-api"}'
    assert options(found, "router")["service"] == "shop-api@docker"


def test_a_source_must_watch_only_what_it_names() -> None:
    assert [name for name, _ in target("shop-api", "staging").telemetry] == ["metrics", "router"]
    assert [name for name, _ in target("shop-web", "prod").telemetry] == ["metrics", "logs"]


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ("kind: loki", "kind: lokki", "telemetry.logs.kind", "did you mean loki?"),
        ("envs: [prod]", "envs: [prd]", "telemetry.logs.envs[0]", "did you mean prod?"),
        ("services: [shop-api]", "services: shop-api", "telemetry.router.services", "expected a list"),
        ('env="{env}"', 'env="{envs}"', "telemetry.metrics.requests", "unknown placeholder {envs}"),
        ("requests:", "request:", "telemetry.metrics.request", "did you mean requests?"),
        ("step: 30s", "step: 10ms", "telemetry.metrics", "step must be 1s or more"),
        ("    requests: 'sum(rate(http_requests_total{service=\"{service}\",env=\"{env}\"}[1m]))'\n", "",
         "telemetry.metrics", "give at least one query"),
        ("http://loki:3100", "http://ann:secret@loki:3100", "telemetry.logs.url", "regex"),
        ("services: [shop-api]}", "services: [shop-api], user: ops}", "telemetry.router", "user needs token"),
        ("step: 30s", "token: t0psecret", "telemetry.metrics.token", "regex"),
    ],
)  # fmt: skip
def test_what_is_not_understood_must_be_told_with_its_place(old: str, new: str, place: str, said: str) -> None:
    assert old in FILE
    with pytest.raises(ConfigError) as caught:
        load(FILE.replace(old, new).encode(), "lastgood.yaml")
    told = " ".join((caught.value.what, *caught.value.because))
    assert place in told
    assert said in told
    assert "t0psecret" not in told


def test_the_schema_must_take_it_and_refuse_what_is_wrong() -> None:
    made = schema()
    given = json.loads(json.dumps(YAML(typ="safe").load(FILE)))
    jsonschema.validate(given, made)
    given["telemetry"]["logs"]["qurey"] = "x"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(given, made)
