"""Containers looked at closely: why they do not run, and the end of what they wrote."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

import msgspec

from lastgood.judge.logs import CAP, read
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Container, HostView, Observed
from lastgood.model.situation import Body, Log, Symptom
from lastgood.model.target import shown
from lastgood.observe.together import together
from lastgood.ports import Tools
from lastgood.record.redact import secrets

_KEPT_UP = ("always", "unless-stopped")


def closely(tools: Tools, observed: Observed) -> tuple[Fact[tuple[Body, ...]], Fact[tuple[Log, ...]]]:
    """Every container of the service's project on every host, and their logs, secrets masked.

    Both are Unknown where one host's containers cannot be seen: half a picture explains nothing.
    """
    for host, view in observed.hosts.items():
        if isinstance(view.containers, Unknown):
            unseen = Unknown(f"{shown(host)}: {view.containers.reason}")
            return unseen, unseen
    found = together([partial(_asked, tools, host, view) for host, view in observed.hosts.items()])
    told = dict(zip(observed.hosts, found, strict=True))
    bodies = tuple(body for host, view in observed.hosts.items() for body in _bodies(host, view, told[host]))
    return Known(bodies), _logs(observed.hosts, told)


def logs(tools: Tools, hosts: dict[str, HostView]) -> Fact[tuple[Log, ...]]:
    """The logs of the containers on these hosts, secrets masked; Unknown as with `closely`."""
    for host, view in hosts.items():
        if isinstance(view.containers, Unknown):
            return Unknown(f"{shown(host)}: {view.containers.reason}")
    found = together([partial(_asked, tools, host, view) for host, view in hosts.items()])
    return _logs(hosts, dict(zip(hosts, found, strict=True)))


def _asked(tools: Tools, host: str, view: HostView) -> Fact[tuple[Symptom, ...]]:
    commands = [msgspec.structs.replace(one, host=host) for one in tools.engine.symptoms(view, CAP)]
    return tools.engine.read_symptoms(together([partial(tools.process.run, one) for one in commands]))


def _bodies(host: str, view: HostView, told: Fact[tuple[Symptom, ...]]) -> Iterator[Body]:
    by_name = {one.name: one for one in told.value} if isinstance(told, Known) else {}
    containers = view.containers.value if isinstance(view.containers, Known) else ()
    for one in containers:
        yield _body(host, one, by_name.get(one.name))


def _body(host: str, one: Container, symptom: Symptom | None) -> Body:
    return Body(
        name=one.name,
        mine=one.mine,
        state=one.state,
        exit_code=one.exit_code,
        error=symptom.error if symptom else "",
        oom=symptom is not None and symptom.oom,
        restarts=one.restarts,
        health=one.health,
        health_log=" ".join(one.health_log.split()),
        created=symptom.created if symptom else 0,
        started=_seconds(one.started),
        host=host,
        kept_up=one.restart_policy in _KEPT_UP,
    )


def _logs(hosts: dict[str, HostView], told: dict[str, Fact[tuple[Symptom, ...]]]) -> Fact[tuple[Log, ...]]:
    """The logs; Unknown where one of the pin's own cannot be read."""
    found = []
    for host, fact in told.items():
        if isinstance(fact, Unknown):
            return Unknown(f"{shown(host)}: {fact.reason}")
        mine = {one.name: one.mine for one in _containers(hosts[host])}
        for one in fact.value:
            if isinstance(one.log, Unknown):
                if mine.get(one.name):
                    return Unknown(f"{one.name}: {one.log.reason}")
                continue
            known = secrets((name, value.reveal()) for name, value in one.variables)
            found.append(read(one.name, one.log.value, known, mine=mine.get(one.name, False)))
    return Known(tuple(found))


def _containers(view: HostView) -> tuple[Container, ...]:
    return view.containers.value if isinstance(view.containers, Known) else ()


def _seconds(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp()) if text else 0
    except ValueError:
        return 0
