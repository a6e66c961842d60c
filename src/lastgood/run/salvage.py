"""The step of a run that keeps what its way down will lose."""

from collections.abc import Callable

from lastgood.database import salvaging
from lastgood.database.desk import DatabaseDesk
from lastgood.model.database import Failed
from lastgood.model.event import Failure, StepDone, StepFailed
from lastgood.model.facts import Unknown
from lastgood.model.salvage import titled
from lastgood.model.step import BackupStep, LossyDownStep, SalvageStep, StartStep
from lastgood.model.target import shown
from lastgood.postgres import salvage, sessions
from lastgood.postgres.client import Client
from lastgood.run.doing import Doing, Outcome


def perform(step: SalvageStep, doing: Doing, desk: DatabaseDesk, client: Client) -> Outcome:
    """Bring out what the way down will lose; done again it does it anew. Without it there is no way down."""
    down = next(one for one in doing.run.plan.steps() if isinstance(one, LossyDownStep) and one.id == step.down)
    ended = sessions.reap(client, client.reach.name)  # of a process that was killed
    if isinstance(ended, Unknown):
        return StepFailed(step.id, f"nothing is salvaged: {ended.reason}", Failure.PREPARE)
    kept = salvaging.salvage(desk, client, down.descent, down.losses, titled(doing.run.id, step.id))
    if isinstance(kept, Failed):
        return StepFailed(step.id, f"not salvaged: {kept.reason}", Failure.PREPARE)
    many = ", ".join(f"{part.rows} of {part.called}" for part in kept.parts)
    return StepDone(step.id, f"{many} kept in {kept.folder} on {shown(kept.host)}", {"folder": kept.folder})


def needed(client: Client, step: BackupStep, doing: Doing) -> int | Failed:
    """Bytes that will be salvaged into the backup's folder after it, at most; 0 where nothing will."""
    steps = (one for one in doing.run.plan.steps() if isinstance(one, LossyDownStep) and one.service == step.service)
    losses = tuple(loss for one in steps for loss in one.losses)
    return salvage.needed(client, losses) if losses else 0


def ended(step: StartStep, doing: Doing, client: Callable[[], Client]) -> None:
    """End what a salvage that was killed left behind in the server, before writers come: it may hold locks.

    Where that cannot be done, nothing is worse: it ends by itself, and leaves nothing.
    """
    mine = (one for one in doing.run.plan.steps() if isinstance(one, SalvageStep) and one.service == step.service)
    if any(one.id in doing.run.steps for one in mine):
        there = client()
        sessions.reap(there, there.reach.name)
