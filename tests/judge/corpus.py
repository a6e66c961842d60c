"""The corpus of situations: data files, read into what the rules are given."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from ruamel.yaml import YAML

from lastgood.judge import page as pages
from lastgood.judge.logs import read
from lastgood.model.diagnosis import Action, Scenario
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Look, State
from lastgood.model.report import Health
from lastgood.model.situation import (
    Asset,
    Back,
    Body,
    Change,
    Disk,
    HostSeen,
    Log,
    Neighbour,
    Page,
    Pinned,
    SchemaSeen,
    Situation,
    Watched,
)
from lastgood.model.telemetry import Figure, Routed, Router, Routing, Series, Server
from lastgood.model.visit import Fault, Missed, Visit

FOLDER = Path(__file__).with_name("corpus")
HELD_OUT = "held_out"
NOW = int(datetime(2026, 11, 28, 3, tzinfo=UTC).timestamp())
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SHOP = "https://shop.example/"
_URL = "https://shop.example/api/health"


@dataclass(frozen=True)
class Case:
    """One situation with what a good on-call engineer would say of it; any of `actions` is right."""

    name: str
    file: str
    seen: Situation
    scenario: Scenario
    actions: tuple[Action, ...]
    key: str

    @property
    def held_out(self) -> bool:
        """Whether the rules were never mended by it."""
        return self.file.endswith(HELD_OUT)


def cases() -> list[Case]:
    """Every situation of every file. Raises KeyError, ValueError where a file is no corpus."""
    yaml = YAML(typ="safe")
    return [_case(path.stem, one) for path in sorted(FOLDER.glob("*.yaml")) for one in yaml.load(path)]


def _case(file: str, given: dict[str, Any]) -> Case:
    expect = given.pop("expect")
    action = expect["action"]
    actions = tuple(Action(one) for one in (action if isinstance(action, list) else [action]))
    name = given.pop("name")
    return Case(name, file, situation(given), Scenario(expect["scenario"]), actions, expect.get("key", ""))


def situation(given: dict[str, Any]) -> Situation:
    """A situation from its short form; what is left out is an ordinary world with nothing the matter."""
    runs_old, pinned = given.get("runs_old", False), given.get("pinned")
    back = Known(Back("sha-1111111", given["back_to_here"])) if "back_to_here" in given else Unknown("not said")
    return Situation(
        target=given.get("target", "shop-api/prod"),
        now=NOW,
        bodies=_fact(given["containers"], lambda found: tuple(_body(one) for one in found)),
        looks=tuple(_look(one) for one in given["looks"]),
        logs=_fact(given.get("logs", {}), lambda found: tuple(_log(*each, given) for each in found.items())),
        changes=_fact(given["changes"], lambda found: tuple(_change(n, one) for n, one in enumerate(found))),
        schema=Known(_schema(given["schema"])) if "schema" in given else None,
        hosts=_fact(given.get("host", {}), lambda found: (_host(found),)),
        neighbours=Known(_neighbours(given.get("neighbours", {"shop-web": "healthy", "billing-api": "healthy"}))),
        page=Known(_page(given["page"])) if "page" in given else None,
        visit=_fact(given["visit"], _visit) if "visit" in given else None,
        pinned=Known(_pinned(pinned or {}, runs=bool(given["containers"]) and not runs_old)),
        back=back,
        verified=given.get("verified", False),
        watched=_watched(given),
        earlier=(_stored(given["earlier"]),) if "earlier" in given else (),
    )


def _fact(given: Any, make: Any) -> Fact[Any]:
    if isinstance(given, str):
        return Unknown(given.removeprefix("unknown: "))
    return Known(make(given))


def _ago(text: str) -> int:
    found = re.fullmatch(r"(\d+)([smhd])", text)
    assert found, text
    return NOW - int(found[1]) * _UNITS[found[2]]


def _body(given: dict[str, Any]) -> Body:
    began = _ago(given.get("created", given.get("started", "1h")))
    return Body(
        name=given["name"],
        mine=given.get("mine", True),
        state=State(given.get("state", "running")),
        exit_code=given.get("exit", 0),
        error=given.get("error", ""),
        oom=given.get("oom", False),
        restarts=given.get("restarts", 0),
        health=given.get("health", ""),
        health_log=given.get("health_log", ""),
        created=began,
        started=_ago(given["started"]) if "started" in given else began,
        kept_up=given.get("policy", "") in {"always", "unless-stopped"},
    )


def _look(text: str) -> Look:
    if text.startswith("ok"):
        return Look(_URL, ok=True, said=f"200 in {text[3:]} s", elapsed=float(text[3:]))
    if text.startswith("slow"):
        return Look(_URL, ok=False, said=f"200, but in {text[5:]} s; the limit is 1.0 s", signature="http slow")
    if text.startswith("no answer"):
        return Look(_URL, ok=False, said=text, signature=f"http {text}")
    signature = "http json version" if ", but version" in text else f"http {text[:3]}"
    return Look(_URL, ok=False, said=text, signature=signature)


def _log(name: str, given: dict[str, Any], whole: dict[str, Any]) -> Log:
    """Stamped as the engine stamps lines: one a second, so that a log is as old as it says."""
    begun = datetime.fromtimestamp(_ago(given["ago"]), UTC)
    lines = given["text"].splitlines()
    stamped = (
        f"{begun + timedelta(seconds=number):%Y-%m-%dT%H:%M:%S}.000000000Z {line}\n"
        for number, line in enumerate(lines)
    )
    mine = {one["name"]: one.get("mine", True) for one in whole["containers"]}
    return read(name, "".join(stamped).encode(), mine=mine[name])


def _change(number: int, given: dict[str, Any]) -> Change:
    image = given.get("image", False)
    return Change(
        at=_ago(given["ago"]),
        commit=f"{0xC0FFEE + number:040x}",
        parent=f"{0xBEEF + number:040x}",
        subject="a change",
        author="Robin",
        image=image,
        before="sha-1111111" if image else "",
        after="sha-2222222" if image else "",
        keys=tuple(given.get("keys", ())),
        added=tuple(given.get("added", ())),
        files=tuple(given.get("files", ())),
    )


def _schema(given: dict[str, Any]) -> SchemaSeen:
    missing, pending = tuple(given.get("missing", ())), tuple(given.get("pending", ()))
    return SchemaSeen(given["version"], given.get("dirty", False), missing, pending)


def _host(given: dict[str, Any]) -> HostSeen:
    disks = given.get("disk", {"/": 0.41})
    return HostSeen(
        "local",
        given.get("load", 0.3),
        given.get("memory", 0.5),
        tuple(Disk(path, free) for path, free in disks.items()),
    )


def _watched(given: dict[str, Any]) -> tuple[Watched, ...]:
    """`metrics` by figure, `router`, and `stored` log lines, as far as they are given: a source each."""
    found = []
    if "metrics" in given:
        found.append(Watched("metrics", {Figure(name): _fact(one, _series) for name, one in given["metrics"].items()}))
    if "stored" in given:
        found.append(Watched("logs", log=_fact(given["stored"], _stored)))
    if "router" in given:
        found.append(Watched("router", routing=_fact(given["router"], _routing)))
    return tuple(found)


def _series(given: Any) -> Series:
    """Every 15 s of two hours: one number, or [how long ago, number] from there on, none before the first."""
    changes = given if isinstance(given, list) else [["2h", given]]
    begun = [(_ago(ago), value) for ago, value in changes]
    points = []
    for at in range(NOW - 7200, NOW + 1, 15):
        value = next((value for since, value in reversed(begun) if since <= at), None)
        points += [(at, float(value))] if value is not None else []
    return Series("per second", 15, tuple(points))


def _stored(given: dict[str, Any]) -> Log:
    return _log("logs", given, {"containers": [{"name": "logs"}]})


def _routing(given: dict[str, Any]) -> Routing:
    """`disabled` with what is wrong; `servers` that are `up`, `down` or `unchecked`; the service may be `gone`."""
    wrong = given.get("disabled", "")
    ups = {"up": Known(value=True), "down": Known(value=False), "unchecked": Unknown("no health check")}
    servers = tuple(Server(f"http://10.0.0.{n}:8080", ups[one]) for n, one in enumerate(given.get("servers", ())))
    router = Router("shop@docker", "shop-api@docker", "PathPrefix(`/`)", not wrong, (wrong,) if wrong else ())
    return Routing((router,), (Routed("shop-api@docker", not given.get("gone", False), servers),))


def _neighbours(given: dict[str, str]) -> tuple[Neighbour, ...]:
    words = {"down": Health.UNHEALTHY, "healthy": Health.HEALTHY, "unknown": Health.UNKNOWN}
    return tuple(
        Neighbour(f"{name}/prod", words[word], "502" if word == "down" else "") for name, word in given.items()
    )


def _page(given: dict[str, Any]) -> Page:
    """The HTML is read as in production; what its assets were answered with is recorded."""
    answers = given["assets"]
    found = pages.read(given["url"], given["html"].encode())
    known = {url if "//" in url else f"https://shop.example{url}": answer for url, answer in answers.items()}
    assets = tuple(
        Asset(url, known[url][0], known[url][1], (*known[url], 1000)[2], module=url in found.modules)
        for url in found.assets
    )
    return Page(given["url"], given.get("status", 200), assets, found.blank, given.get("cached", False))


def _visit(given: dict[str, Any]) -> Visit:
    """What a browser saw of https://shop.example/: texts with the script they are of, requests with their answer."""

    def faults(name: str, *, promise: bool = False) -> tuple[Fault, ...]:
        return tuple(Fault(said, urljoin(_SHOP, url), promise) for said, url in given.get(name, ()))

    return Visit(
        url=_SHOP,
        status=200,
        blank=given.get("blank", False),
        text=given.get("text", ""),
        faults=(*faults("faults"), *faults("rejected", promise=True)),
        console=faults("console"),
        missed=tuple(Missed(urljoin(_SHOP, url), *rest) for url, *rest in given.get("missed", ())),
    )


def _pinned(given: dict[str, Any], *, runs: bool) -> Pinned:
    available = given.get("available", True)
    told: Fact[bool] = Unknown(available.removeprefix("unknown: ")) if isinstance(available, str) else Known(available)
    return Pinned("sha-2222222", told, Known(given.get("here", True)), Known(runs))
