"""Causes that no rollback cures: host, network, what the service depends on, how it is looked at. Pure."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from lastgood.judge.routing import routing
from lastgood.judge.view import View
from lastgood.model.diagnosis import Confidence, Evidence, Finding, Scenario, Source
from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import State

_FULL: Final = 0.01
_NO_MEMORY: Final = 0.03
_LOADED: Final = 4.0
_TWO: Final = 2
_HALF: Final = 0.5
_TIMED_OUT: Final = re.compile(r"no answer within|exceeded timeout|timed? ?out", re.IGNORECASE)
# What the engine and curl, wget, nc say where a HEALTHCHECK does not reach what works.
_MISSED: Final = re.compile(
    r"executable file not found|not found|can't connect|connection refused|failed to connect|couldn't connect"
    r"|error: 40[0-9]|HTTP 40[0-9]|40[34] |permission denied|no such file|exec failed|could not resolve",
    re.IGNORECASE,
)


def outside(view: View) -> Iterator[Finding]:
    """Every such cause that anything speaks for, the most certain kind first."""
    for rule in (_disk, _certificate, _dns, _port, _overloaded, _dependency, _several, _probe, routing):
        found = rule(view)
        if found:
            yield found


def _finding(view: View, scenario: Scenario, what: str, *facts: Evidence) -> Finding | None:
    """From signs in logs and facts beside them: both, or a fact by itself, are sure; a sign alone is nearly so."""
    evidence = (*facts, *(sign.evidence() for sign in view.of(scenario)))
    if not evidence:
        return None
    sure = bool(facts) or len({sign.where for sign in view.of(scenario) if not sign.vague}) > 1
    confidence = Confidence.HIGH if sure else Confidence.MEDIUM
    return Finding(scenario, what, confidence if view.broken else Confidence.LOW, evidence)


def _disk(view: View) -> Finding | None:
    full = [
        Evidence(Source.HOST, f"{host.host}: {disk.path} has {min(disk.free, disk.inodes):.0%} left")
        for host in view.hosts
        for disk in host.disks
        if min(disk.free, disk.inodes) <= _FULL
    ]
    return _finding(view, Scenario.DISK_FULL, "A disk is full.", *full)


def _certificate(view: View) -> Finding | None:
    looks = [look for look in view.failing if "certificate" in look.said]
    facts = (Evidence(Source.HEALTH, f"{look.probe}: {look.said}") for look in looks)
    return _finding(view, Scenario.CERTIFICATE, "A certificate is not accepted.", *facts)


def _dns(view: View) -> Finding | None:
    looks = [look for look in view.failing if "does not resolve" in look.said]
    facts = (Evidence(Source.HEALTH, f"{look.probe}: {look.said}") for look in looks)
    return _finding(view, Scenario.DNS, "A name does not resolve.", *facts)


def _port(view: View) -> Finding | None:
    return _finding(view, Scenario.PORT_TAKEN, "A port that the service needs is taken.")


def _overloaded(view: View) -> Finding | None:
    """A host without memory always is; one with a long queue where the failure is one of time."""
    said = [*(look.said for look in view.failing), *(body.health_log for body in view.unhealthy)]
    late = bool(view.slow) or any(_TIMED_OUT.search(text) for text in said)
    facts = []
    for host in view.hosts:
        if host.memory <= _NO_MEMORY:
            facts.append(Evidence(Source.HOST, f"{host.host}: {host.memory:.0%} of its memory is available"))
        if host.load >= _LOADED and late:
            facts.append(Evidence(Source.HOST, f"{host.host}: load is {host.load:.1f} for each processor"))
    if not facts or not (view.broken or view.slow):
        return None
    return Finding(Scenario.OVERLOADED, "The host is overloaded.", Confidence.HIGH, tuple(facts))


def _dependency(view: View) -> Finding | None:
    if not view.broken:
        return None
    facts = [
        Evidence(Source.ENGINE, f"{body.name}, which the service works with, is {body.health or body.state}")
        for body in view.others_down
    ]
    if isinstance(view.seen.schema, Unknown):
        facts.append(Evidence(Source.DATABASE, f"the database cannot be asked: {view.seen.schema.reason}"))
    if facts and not view.of(Scenario.DEPENDENCY) and isinstance(view.seen.schema, Unknown) and len(facts) == 1:
        return None  # that lastgood cannot ask a database is no failure of the service
    found = _finding(view, Scenario.DEPENDENCY, "Something that the service needs does not answer.", *facts)
    if found and not view.of(Scenario.DEPENDENCY):
        # That it is down is seen; that the service needs it is a guess, as long as the service does not say so.
        return msgspec.structs.replace(found, confidence=Confidence.MEDIUM)
    return found


def _several(view: View) -> Finding | None:
    """More than one service at once is no release's doing: at least two others, and half of what was looked at."""
    count = len(view.ill)
    alone = count == len(view.neighbours) == 1 and not view.signs
    if not view.broken or not (alone or (count >= _TWO and count >= _HALF * len(view.neighbours))):
        return None
    facts = tuple(Evidence(Source.NEIGHBOURS, f"{one.name} is down too: {one.because}") for one in view.ill)
    confidence = Confidence.HIGH if count >= _TWO else Confidence.MEDIUM
    return Finding(Scenario.SEVERAL_DOWN, "Several services are down at once.", confidence, facts)


def _probe(view: View) -> Finding | None:
    """The engine calls it unhealthy, everybody else gets an answer: the HEALTHCHECK asks wrongly."""
    runs = [body for body in view.unhealthy if _MISSED.search(body.health_log)]
    cannot = [body for body in runs if "executable file not found" in body.health_log]
    if view.failing or view.down or not runs or not (view.seen.looks or cannot):
        return None
    facts = [Evidence(Source.HEALTH, f'{body.name} is unhealthy: "{body.health_log}"') for body in runs]
    facts += [Evidence(Source.HEALTH, f"{look.probe}: {look.said}") for look in view.seen.looks]
    what = "The service answers; its HEALTHCHECK does not reach it."
    return Finding(Scenario.PROBE, what, Confidence.HIGH if view.seen.looks else Confidence.MEDIUM, tuple(facts))


def nothing_runs(view: View) -> bool:
    """Whether it is known that nothing of the service runs."""
    known = isinstance(view.seen.bodies, Known)
    return known and not any(body.state is State.RUNNING for body in view.mine)
