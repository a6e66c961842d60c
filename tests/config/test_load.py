"""What a `lastgood.yaml` means: conventions, templates, where each value is from."""

from typing import Any

import msgspec
import pytest

from lastgood import catalog
from lastgood.config.load import Config, load
from lastgood.model.duration import Duration
from lastgood.model.errors import UsageError
from lastgood.model.target import Adapter, GateSpec, Push, Target, WalkBack

FULL = """
version: 1
environments:
  prod: {hosts: [local], checkout: /opt/deploy, branch: release/1, push: required, state: /srv/lastgood}
  on: {}
services:
  shop-api:
    engine: {kind: compose, file: "deploy/{env}/{service}.yaml", project: "{service}-{env}"}
    pin: {kind: values, file: "deploy/{env}/{service}-values.yaml", key: api.image}
    registry: {kind: oci, scheme: http}
    probes:
      - {kind: http, url: "https://{env}.example/{service}", json: {version: "{tag}"}, timeout: 2s}
      - {kind: container}
    gate: {interval: 500ms, passes: 2, window: 5s, limit: 60s}
    walk_back: {releases: 5, time: 15m}
    untracked: [.env, secrets/key.pem]
    short_lived: 0s
    envs: [prod]
    database: {migrator: golang-migrate, container: shop-db-1, name: shop}
  shop-web: {}
apps:
  shop: [shop-api, shop-web]
"""
SMALL = "environments: {prod: {}}\nservices: {shop-api: {}}\n"


def config(text: str = FULL) -> Config:
    return load(text.encode(), "lastgood.yaml")


def options(adapter: Adapter) -> dict[str, Any]:
    return msgspec.structs.asdict(adapter.options)


def test_everything_that_is_said_must_reach_the_target() -> None:
    target = config().target("shop-api", "prod", "/repo")
    assert (target.name, target.repo, target.branch, target.hosts) == (
        "shop-api/prod",
        "/repo",
        "release/1",
        ("local",),
    )
    assert (target.push, target.state, target.checkout) == (Push.REQUIRED, "/srv/lastgood", "/opt/deploy")
    assert options(target.engine)["file"] == "deploy/prod/shop-api.yaml"
    assert options(target.engine)["project"] == "shop-api-prod"
    assert (target.pin_file, options(target.pin)["key"]) == ("deploy/prod/shop-api-values.yaml", "api.image")
    assert options(target.registry) == {"scheme": "http"}
    assert [probe.kind for probe in target.probes] == ["http", "container"]
    assert options(target.probes[0])["url"] == "https://prod.example/shop-api"
    assert options(target.probes[0])["json"] == {"version": "{tag}"}
    assert options(target.probes[0])["timeout"] == Duration(2)
    assert target.gate == GateSpec(2, Duration(0.5), Duration(5), Duration(60))
    assert target.walk_back == WalkBack(5, Duration(900))
    assert target.untracked == (".env", "secrets/key.pem")
    assert target.short_lived == Duration(0)


def test_what_is_not_said_must_follow_the_convention() -> None:
    target = config(SMALL).target("shop-api", "prod", "/repo")
    assert (target.hosts, target.branch, target.push) == (("local",), "main", Push.BEST_EFFORT)
    assert (target.state, target.checkout, target.probes, target.untracked) == ("/var/lib/lastgood", "", (), ())
    assert target.engine.kind == "compose"
    assert options(target.engine)["file"] == "envs/prod/apps/shop-api/compose.yaml"
    assert options(target.engine)["project"] == "shop-api"
    assert (target.pin.kind, target.pin_file) == ("values", "envs/prod/apps/shop-api/values.yaml")
    assert options(target.pin) == {"file": "envs/prod/apps/shop-api/values.yaml", "key": "image"}
    assert target.folder == "envs/prod/apps/shop-api"
    assert (target.gate, target.walk_back, target.short_lived) == (GateSpec(), WalkBack(), Duration(300))


def test_a_kind_may_be_left_out_where_it_is_the_default() -> None:
    target = config(SMALL.replace("shop-api: {}", "shop-api: {pin: {key: app.image}}")).target("shop-api", "prod", "/r")
    assert (target.pin.kind, options(target.pin)["key"]) == ("values", "app.image")


def test_every_adapter_of_a_target_must_be_one_that_can_be_made() -> None:
    target = config().target("shop-api", "prod", "/repo")
    assert hasattr(catalog.engine(target.engine), "happened")
    assert hasattr(catalog.pin(target.pin), "variables")
    assert hasattr(catalog.registry(target.registry), "available")
    assert [catalog.probe(probe).name for probe in target.probes] == ["https://prod.example/shop-api", "container"]


def test_targets_must_be_every_service_in_its_environments() -> None:
    names = [target.name for target in config().targets("/repo")]
    assert names == ["shop-api/prod", "shop-web/prod", "shop-web/on"]
    assert config().apps == {"shop": ("shop-api", "shop-web")}


def test_yaml_1_1_traps_must_be_text_or_said() -> None:
    text = "environments: {on: {}, yes: {}, no: {}}\nservices: {off: {probes: [{kind: http, url: 'http://x', "
    loaded = config(text + "json: {a: on, b: 2024-01-01, c: yes}}]}}\n")
    target = loaded.target("off", "no", "/repo")
    assert options(target.probes[0])["json"] == {"a": "on", "b": "2024-01-01", "c": "yes"}


def test_an_anchor_must_be_usable_to_share_settings() -> None:
    text = "environments: {prod: {}}\nservices:\n  a: {gate: &slow {limit: 5m}}\n  b: {gate: *slow}\n"
    assert config(text).target("b", "prod", "/repo").gate.limit == Duration(300)


def test_a_byte_order_mark_and_windows_line_ends_must_be_taken() -> None:
    assert load(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode(), "x").targets("/r")


def test_each_value_must_be_explained_with_its_origin() -> None:
    loaded = config()
    rows = {name: (value, where) for name, value, where in loaded.explain(loaded.target("shop-api", "prod", "/r"))}
    place = "lastgood.yaml $.services.shop-api"
    assert rows["environment.branch"] == ("release/1", "lastgood.yaml $.environments.prod.branch")
    assert rows["pin.file"] == ("deploy/prod/shop-api-values.yaml", f"{place}.pin.file")
    assert rows["probes[0].json"] == ("version: {tag}", f"{place}.probes[0].json")
    assert rows["probes[0].status"] == ("200", "default")
    assert rows["gate.limit"] == ("1m", f"{place}.gate.limit")


def test_a_default_must_be_explained_as_one() -> None:
    loaded = config(SMALL)
    rows = loaded.explain(loaded.target("shop-api", "prod", "/r"))
    assert {where for _, _, where in rows} == {"default"}
    assert ("pin.file", "envs/prod/apps/shop-api/values.yaml", "default") in rows
    assert ("gate.limit", "from the HEALTHCHECK", "default") in rows


def test_every_field_of_a_target_must_be_explained() -> None:
    loaded = config()
    explained = {name.split(".")[0].split("[")[0] for name, _, _ in loaded.explain(loaded.targets("/r")[0])}
    outside = {"service", "env", "repo", "pin_file"}
    environment = {"hosts", "checkout", "branch", "push", "state", "order", "unreachable"}
    renamed = explained - {"logs"} | {"watch"}
    assert renamed == set(Target.__struct_fields__) - outside - environment | {"environment"}


@pytest.mark.parametrize(
    ("service", "env", "what", "after"),
    [
        ("prod", "shop-api", "The service comes before the environment.", ("write it as: shop-api prod",)),
        ("shop-ap", "prod", "There is no service 'shop-ap' in lastgood.yaml; did you mean shop-api?", ()),
        ("zzz", "prod", "There is no service 'zzz' in lastgood.yaml; there are: shop-api, shop-web", ()),
        ("shop-api", "prd", "There is no environment 'prd' in lastgood.yaml; did you mean prod?", ()),
        ("shop-api", "on", "shop-api does not exist in on; there are: prod", ()),
        ("\x1b[2J", "prod", "There is no service '\\x1b[2J' in lastgood.yaml; there are: shop-api, shop-web", ()),
    ],
)
def test_a_wrong_pair_must_be_told_the_right_one(service: str, env: str, what: str, after: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as raised:
        config().target(service, env, "/repo")
    assert (raised.value.what, raised.value.next) == (what, after)
