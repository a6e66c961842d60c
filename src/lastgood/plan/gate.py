"""Judges samples of health, purely: the gate's numbers in, Passed, Failed or Waiting out."""

from collections.abc import Sequence

import msgspec

from lastgood.model.duration import spoken
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.gate import Failed, GateDecision, GateLimits, Passed, Sample, Waiting
from lastgood.model.observed import Container, Healthcheck, State
from lastgood.model.step import Runnable
from lastgood.model.target import GateSpec

UNJUDGED = "nothing judges it"
DOWN = (State.EXITED, State.DEAD, State.RESTARTING)

_MARGIN = 10.0
_NO_HEALTHCHECK = 60.0
_LEAST_WINDOW = 10.0


class Question(msgspec.Struct, frozen=True):
    """What the gate asks of samples.

    `restarts` is how often each container, by name, may have restarted already (a new container: never). `probed` is
    False where only the containers are looked at.
    """

    image: Runnable
    limits: GateLimits
    restarts: dict[str, int] = {}
    probed: bool = True


def limits(spec: GateSpec, healthcheck: Healthcheck | None) -> GateLimits:
    """The gate's numbers: as configured, else from the HEALTHCHECK, else the defaults.

    The engine calls a container unhealthy after start period + retries x interval (each probe may take its timeout);
    the time limit lies a margin behind that, so that the engine's own verdict comes first.
    """
    interval = float(spec.interval)
    window = float(spec.window) if spec.window is not None else max(_LEAST_WINDOW, 3 * interval)
    if spec.limit is not None:
        return GateLimits(spec.passes, interval, window, float(spec.limit), "as configured")
    if healthcheck is None:
        return GateLimits(spec.passes, interval, window, _NO_HEALTHCHECK, "no HEALTHCHECK: the default")
    limit = healthcheck.start_period + healthcheck.retries * (healthcheck.interval + healthcheck.timeout) + _MARGIN
    return GateLimits(spec.passes, interval, window, limit, "from the HEALTHCHECK")


def judge(samples: Sequence[Sample], asked: Question) -> GateDecision:
    """Decide from all samples so far, oldest first."""
    now = samples[-1]
    broken = _broken(now, asked) or (_unjudged(now) if asked.probed else None)
    if broken:
        return broken
    missing = [_missing(sample, asked) for sample in samples]
    streak = _streak(missing)
    if streak >= asked.limits.passes and now.at - samples[-streak].at >= asked.limits.window:
        looked = f"{streak} looks in a row over {spoken(now.at - samples[-streak].at)}"
        return Passed("; ".join((looked, *(look.said for look in now.looks))))
    relapsed = _relapsed(missing, asked.limits.passes)
    if relapsed:
        return Failed(
            f"it was healthy, then failed {asked.limits.passes} looks in a row: {missing[-1]}", signature(now)
        )
    return _waiting(now, missing[-1], asked.limits)


def _waiting(now: Sample, missing: str, numbers: GateLimits) -> GateDecision:
    late = now.at >= numbers.limit
    if missing and late:
        return Failed(f"not healthy within {spoken(numbers.limit)}: {missing}", signature(now))
    if now.at >= numbers.limit + 2 * numbers.window + numbers.passes * numbers.interval:
        return Failed(
            f"never stable for {spoken(numbers.window)} within {spoken(now.at)}", signature(now) or "unstable"
        )
    return Waiting(missing or "passing; the stable window is not over")


def _streak(missing: Sequence[str]) -> int:
    """How many of the newest samples passed in a row."""
    return next((n for n, reason in enumerate(reversed(missing)) if reason), len(missing))


def _relapsed(missing: Sequence[str], passes: int) -> bool:
    """Whether it had passed that often in a row and has now failed as often in a row."""
    if len(missing) < 2 * passes or not all(missing[-passes:]):
        return False
    return any(not any(missing[i : i + passes]) for i in range(len(missing) - 2 * passes + 1))


def _containers(sample: Sample) -> list[Container]:
    return [c for seen in sample.containers.values() for c in _running_on(seen)]


def _running_on(seen: Fact[tuple[Container, ...]]) -> list[Container]:
    """The pin's containers that ought to run. One that ended with 0 is no one-shot where its siblings still run."""
    mine = [c for c in seen.value if c.mine] if isinstance(seen, Known) else []
    lasting = {c.service for c in mine if not c.oneshot_done}
    return [c for c in mine if not c.oneshot_done or c.service in lasting]


def _broken(now: Sample, asked: Question) -> Failed | None:
    """What ends the gate at once: waiting cannot mend an exit, a restart or the engine's own unhealthy."""
    for container in _containers(now):
        reason = _container_broken(container, asked)
        if reason:
            return Failed(f"{container.name} {reason}", signature(now, asked.restarts))
    return None


def _container_broken(container: Container, asked: Question) -> str:
    if container.state in (State.EXITED, State.DEAD):
        return f"exited with {container.exit_code}"
    if container.state is State.RESTARTING or container.restarts > asked.restarts.get(container.name, 0):
        return f"restarts (exit status {container.exit_code}, {container.restarts} restarts)"
    if container.health == "unhealthy":
        return f"is unhealthy: {container.health_log}".rstrip(": ")
    return ""


def _unjudged(now: Sample) -> Failed | None:
    """That a container runs is no health, unless a probe was declared on purpose that says so."""
    silent = [c.name for c in _containers(now) if c.state is State.RUNNING and not c.health]
    if now.looks or not silent:
        return None
    return Failed(f"nothing tells whether {silent[0]} is healthy: no probe, and its image has no HEALTHCHECK", UNJUDGED)


def _missing(sample: Sample, asked: Question) -> str:
    """What keeps the sample from being a pass; empty when it is one."""
    unseen = [f"{host}: {seen.reason}" for host, seen in sample.containers.items() if isinstance(seen, Unknown)]
    if unseen:
        return f"cannot be seen: {unseen[0]}"
    empty = [host for host, seen in sample.containers.items() if not _running_on(seen)]
    if empty or not sample.containers:
        return f"no container runs on {', '.join(empty) or 'any host'}"
    reasons = (_unready(c, asked) for c in _containers(sample))
    failing = (look.said for look in sample.looks if not look.ok)
    return next((r for r in (*reasons, *failing) if r), "")


def _unready(container: Container, asked: Question) -> str:
    if not runs_image(container, asked.image):
        return f"{container.name} runs another image"
    if container.state is not State.RUNNING:
        return f"{container.name} is {container.state}"
    return "" if container.health in {"", "healthy"} else f"{container.name} is {container.health}"


def runs_image(container: Container, image: Runnable) -> bool:
    """Whether the container runs the image: by the engine's id where it is known, else by manifest digest."""
    if image.image_id:
        return container.image_id == image.image_id
    return bool(image.image.digest) and image.image.digest in container.digests


def signature(sample: Sample, restarts: dict[str, int] | None = None) -> str:
    """The kind of failure a sample shows, alike for alike causes; empty when it shows none.

    An exit says more than a probe without an answer, and a probe's answer says more than the engine's `unhealthy`.
    """
    containers = _containers(sample)
    allowed = restarts or {}
    if any(c.state in DOWN or (restarts is not None and c.restarts > allowed.get(c.name, 0)) for c in containers):
        return "exits"
    failing = [look.signature for look in sample.looks if not look.ok]
    if failing:
        return failing[0]
    return "unhealthy" if any(c.health == "unhealthy" for c in containers) else "" if containers else "missing"
