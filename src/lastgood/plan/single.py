"""Plans for what is there already: restart it, or only judge it."""

from collections.abc import Callable
from typing import TypeAlias

from lastgood.model.errors import Refused
from lastgood.model.observed import Observed
from lastgood.model.plan import Attempt, ReversiblePlan, Scope
from lastgood.model.release import Evidence, Release
from lastgood.model.step import RestartStep, Runnable, Step, VerifyStep
from lastgood.model.target import Target
from lastgood.plan.planner import facts
from lastgood.plan.running import Running

Make: TypeAlias = Callable[[Target, Observed, Running], ReversiblePlan]


def restart(target: Target, observed: Observed, running: Running) -> ReversiblePlan:
    """Restart the same containers with the same image, then pass the gate. Raises Refused where nothing runs."""
    image = _one(target, running)
    because = "the operator asked for it; image and configuration stay"
    steps = tuple(
        RestartStep(f"1.restart.{host}", host, tuple(sorted(c.name for c in running.containers)), because)
        for host in target.hosts
    )
    return _plan(target, observed, running, image, steps, "restart")


def check(target: Target, observed: Observed, running: Running) -> ReversiblePlan:
    """Only judge what runs now; touches nothing. Raises Refused where nothing, or more than one image, runs."""
    return _plan(target, observed, running, _one(target, running), (), "check")


def _one(target: Target, running: Running) -> Runnable:
    if running.image is None:
        seen = ", ".join(sorted({c.image for c in running.containers})) or "no container"
        raise Refused(
            f"No single release of {target.name} runs.",
            because=(f"seen: {seen}",),
            next=(f"lastgood status {target.service} {target.env}",),
        )
    return running.image


def _plan(  # noqa: PLR0913, PLR0917 - the parts of a plan
    target: Target, observed: Observed, running: Running, image: Runnable, steps: tuple[Step, ...], action: str
) -> ReversiblePlan:
    verify = VerifyStep("1.verify", image, gate=True, because="health is judged over time, not at one look")
    release = running.release or Release("", image.image, 0)
    attempt = Attempt(1, release, Evidence(), image, (*steps, verify), (), "it is what runs")
    return ReversiblePlan(
        target=target.name,
        scope=Scope.IMAGE_ONLY,
        running=image.image,
        running_release=running.release,
        before=(),
        attempts=(attempt,),
        restore=None,
        skipped=(),
        kept=(),
        warnings=(),
        budget_releases=1,
        budget_seconds=float(target.walk_back.time),
        downtime="while the containers restart" if steps else "none",
        schema="database schema untouched",
        facts=facts(observed.tip.pin, observed.hosts),
        because=f"{action} was asked for",
        action=action,
    )
