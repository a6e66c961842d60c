"""What a run does beside moving releases: pause what would undo it, wait for deploys that run, compare clocks."""

from collections.abc import Callable

import msgspec

from lastgood.model.command import Child, Command
from lastgood.model.event import Failure, StepDone, StepFailed
from lastgood.model.facts import Known, Unknown
from lastgood.model.forge import Bump
from lastgood.model.step import AwaitStep, PauseStep, UnpauseStep
from lastgood.model.target import Target, shown
from lastgood.observe import deploys
from lastgood.ports import Tools

_LIMIT = 30.0
_PATIENCE = 300.0
_POLL = 1.0


def switch(step: PauseStep | UnpauseStep, tools: Tools, child: Callable[[Child], None]) -> StepDone | StepFailed:
    """Pause something, or let it go on. That it is so already, or gone, is as good."""
    if step.bump:
        return _merging(step, step.bump, tools)
    done = tools.process.run(Command(step.command, host=step.host, timeout=_LIMIT), on_start=child)
    pausing = isinstance(step, PauseStep)
    said = done.stderr.decode(errors="replace").lower()
    already = "already paused" in said if pausing else "is not paused" in said or "no such container" in said
    if done.ok or already:
        return StepDone(step.id, f"{step.name} on {shown(step.host)} is paused" if pausing else f"{step.name} goes on")
    if pausing:  # it may undo the rollback later; that is said, and no reason to leave a bad release in production
        return StepDone(step.id, f"{step.name} on {shown(step.host)} could not be paused: {done.why()}")
    return StepFailed(step.id, f"{step.name} on {shown(step.host)} is still paused: {done.why()}", Failure.UNSETTLED)


def _merging(step: PauseStep | UnpauseStep, bump: Bump, tools: Tools) -> StepDone | StepFailed:
    """Keep a proposal from merging by itself, or let it."""
    forge = tools.forge() if tools.forge else None
    if isinstance(step, PauseStep):
        paused = forge.pause(bump) if forge else Unknown("no host of git is known")
        why = f" could not be paused: {paused.reason}" if isinstance(paused, Unknown) else " is paused"
        return StepDone(step.id, f"{step.name}{why}")
    going = forge.unpause(bump) if forge else Unknown("no host of git is known")
    if isinstance(going, Unknown):
        return StepFailed(step.id, f"{step.name} is still off: {going.reason}", Failure.UNSETTLED)
    return StepDone(step.id, f"{step.name} goes on")


def wait(step: AwaitStep, target: Target, tools: Tools, tell: Callable[[str], None]) -> StepDone | StepFailed:
    """Wait for running deploys to end, or end them where somebody consented to it."""
    begun, stopped = tools.clock.monotonic(), False
    while True:
        found = deploys.running(target, tools, step.host)
        if isinstance(found, Unknown):
            return StepFailed(step.id, f"whether a deploy runs on {shown(step.host)} is not known: {found.reason}")
        if not found.value:
            return StepDone(
                step.id, f"no deploy runs on {shown(step.host)}" + (" any more: it was stopped" if stopped else "")
            )
        names = ", ".join(f"{one.argv} (pid {one.pid})" for one in found.value)
        if tools.clock.monotonic() - begun > _PATIENCE:
            then = (f"lastgood rollback {target.service} {target.env} --stop-deploy",)
            return StepFailed(
                step.id, f"a deploy still runs on {shown(step.host)}: {names}", Failure.PREPARE, next=then
            )
        if step.stop and not stopped:
            stopped = True
            deploys.stop(tools, step.host, found.value)
        else:
            tell(f"waiting for {names}")
            tools.clock.sleep(_POLL)


def clock_ahead(host: str, tools: Tools) -> int:
    """How far the clock of the host's engine is ahead of this machine's, in nanoseconds; 0 where that cannot be told.

    It is the engine's clock that dates what its containers do. The answer was on its way for a while, so this is
    less than the truth: what was done on the host after a moment here never seems to have been done before it.
    """
    if host == "local":
        return 0
    asked = [msgspec.structs.replace(command, host=host) for command in tools.engine.health_questions()]
    clock = tools.engine.read_health([tools.process.run(command) for command in asked]).clock
    return clock.value - tools.clock.now() if isinstance(clock, Known) else 0
