"""Watches health over time: takes samples until the judgement is in."""

from collections.abc import Callable
from typing import TypeAlias

from lastgood.model.facts import Known, Unknown
from lastgood.model.gate import Failed, Passed, Sample, Waiting
from lastgood.model.observed import Container, State
from lastgood.model.target import Target
from lastgood.observe.hosts import look_everywhere, pins_containers, probe
from lastgood.plan.gate import Question, judge
from lastgood.ports import Tools

Tell: TypeAlias = Callable[[str], None]


def watch(target: Target, tools: Tools, asked: Question, tell: Tell) -> tuple[Passed | Failed, Sample]:
    """Sample at the gate's interval until it passes or fails. Gives the decision and the last sample."""
    begun = tools.clock.monotonic()
    samples: list[Sample] = []
    told = ""
    while True:
        samples.append(take(target, tools, asked, begun))
        decision = judge(samples, asked)
        if not isinstance(decision, Waiting):
            return decision, samples[-1]
        if decision.because != told:
            told = decision.because
            tell(told)
        due = samples[-1].at + asked.limits.interval
        tools.clock.sleep(max(0.0, due - (tools.clock.monotonic() - begun)))


def take(target: Target, tools: Tools, asked: Question, begun: float) -> Sample:
    """One sample: containers first, then the probes against them."""
    at = tools.clock.monotonic() - begun
    views = look_everywhere(target, tools, asked.image.image.repository, brief=True)
    looks = probe(tools, asked.image.image, pins_containers(views)) if asked.probed else ()
    return Sample(at, {host: view.containers for host, view in views.items()}, looks)


def unseen(sample: Sample) -> dict[str, str]:
    """The hosts that could not be seen in the sample, and why."""
    return {host: seen.reason for host, seen in sample.containers.items() if isinstance(seen, Unknown)}


def dependency_down(sample: Sample) -> str:
    """Which other container of the project is down; empty where none is.

    A release cannot be blamed for the database next to it.
    """
    others = (
        container
        for seen in sample.containers.values()
        if isinstance(seen, Known)
        for container in seen.value
        if not container.mine and not container.oneshot_done
    )
    return next((f"{c.service} ({c.name}) is {_state(c)}" for c in others if _down(c)), "")


def _down(container: Container) -> bool:
    return container.state is not State.RUNNING or container.health == "unhealthy"


def _state(container: Container) -> str:
    return container.state if container.state is not State.RUNNING else container.health
