"""What a run has done to databases, from its journal: which ways down were gone, and whether traffic came since.

A database is named by the service that it is looked after with: backup and ways down are steps of that service.
"""

import math
from typing import Final

from lastgood.model.event import Run, StepState
from lastgood.model.plan import Attempt
from lastgood.model.step import (
    BackupStep,
    DownStep,
    LossyDownStep,
    ReloadStep,
    SalvageStep,
    StartStep,
    Step,
    StopStep,
    SwitchStep,
    TrialStep,
)

FOUND: Final = "stopped"
"""In what a stop saw: the containers, set apart by blanks, that ran until then."""
_DOWN: Final = (DownStep, LossyDownStep)


def needed(run: Run, attempt: Attempt) -> tuple[Step, ...]:
    """The steps of an attempt but those that earlier ones have made needless.

    A way down is gone once. A backup is as good as before while nobody wrote since. With no way left to be gone it goes
    straight to the switch where traffic came already; where none came, the release is tried before any does.
    """
    return tuple(step for step in attempt.steps if not _needless(run, attempt, step))


def _needless(run: Run, attempt: Attempt, step: Step) -> bool:
    if isinstance(step, _DOWN):
        return _gone(run, attempt, step)
    if isinstance(step, SalvageStep):
        return any(isinstance(one, _DOWN) and one.id == step.down and _gone(run, attempt, one) for one in attempt.steps)
    if not isinstance(step, StopStep | BackupStep | TrialStep):
        return False
    database = owner(run, step.service)
    since = _backed_up(run, database, attempt.number)
    if since is None:
        return False
    served = traffic(run, database, since, attempt.number)
    left = [s for s in attempt.steps if isinstance(s, _DOWN) and s.service == database and not _gone(run, attempt, s)]
    if not left and served:
        return True
    return isinstance(step, BackupStep) and not served and not _met(run, attempt, database)


def _gone(run: Run, attempt: Attempt, step: DownStep | LossyDownStep) -> bool:
    """Whether an earlier attempt has gone that way already."""
    return any(
        isinstance(one, _DOWN)
        and (one.service, one.descent) == (step.service, step.descent)
        and run.steps.get(one.id) is StepState.DONE
        for earlier in run.plan.attempts
        if earlier.number < attempt.number
        for one in earlier.steps
    )


def owner(run: Run, service: str) -> str:
    """The service that the database of a service is looked after with: itself, as far as nothing else is said."""
    stops = (step for attempt in run.plan.attempts for step in attempt.steps if isinstance(step, StopStep))
    return next((stop.database for stop in stops if stop.service == service and stop.database), service)


def users(run: Run, database: str) -> tuple[str, ...]:
    """The services that the run stops for the sake of a database."""
    stops = (step for attempt in run.plan.attempts for step in attempt.steps if isinstance(step, StopStep))
    return tuple(dict.fromkeys(stop.service for stop in stops if database in {stop.database, stop.service}))


def owners(run: Run) -> tuple[str, ...]:
    """All databases that the plan may take down."""
    steps = (step for attempt in run.plan.attempts for step in attempt.steps)
    return tuple(dict.fromkeys(step.service for step in steps if isinstance(step, BackupStep)))


def _backed_up(run: Run, database: str, before: float = math.inf) -> int | None:
    """The number of the last attempt before that one in which a backup was made."""
    made = [
        attempt.number
        for attempt in run.plan.attempts
        if attempt.number < before
        for step in attempt.steps
        if isinstance(step, BackupStep) and step.service == database and run.steps.get(step.id) is StepState.DONE
    ]
    return max(made, default=None)


def traffic(run: Run, database: str, since: int, before: float = math.inf) -> bool:
    """Whether somebody may have written from the backup of attempt `since` on: was switched, or found running."""
    for attempt in run.plan.attempts:
        if since <= attempt.number < before:
            begun = (s for s in attempt.steps if isinstance(s, SwitchStep | StartStep) and s.id in run.steps)
            if any(owner(run, step.service) == database for step in begun):
                return True
            if attempt.number > since and _met(run, attempt, database):
                return True
    return False


def _met(run: Run, attempt: Attempt, database: str) -> bool:
    """Whether the attempt found somebody who could write, when it stopped everybody, or could not stop them."""
    stops = [s for s in attempt.steps if isinstance(s, StopStep) and owner(run, s.service) == database]
    done = (run.done[stop.id].details.get(FOUND) for stop in stops if stop.id in run.done)
    doubted = any(run.steps.get(stop.id) is StepState.STARTED for stop in stops) and stopping(run)
    return doubted or any(stop.id in run.failures for stop in stops) or any(done)


def stopping(run: Run) -> bool:
    """Whether a process that was killed had found somebody to stop."""
    return any(child.argv[:2] == ("docker", "stop") for child in run.children)


def _lowered(run: Run, database: str) -> list[int]:
    """The numbers of the attempts in which the database began to go down."""
    return [
        attempt.number
        for attempt in run.plan.attempts
        if any(isinstance(s, _DOWN) and s.service == database and s.id in run.steps for s in attempt.steps)
    ]


def sunk(run: Run, database: str) -> bool:
    """Whether the database began to go down and traffic came since: going back to before loses what was written."""
    gone = _lowered(run, database)
    return bool(gone) and traffic(run, database, gone[0])


def reload(run: Run, database: str) -> str:
    """The backup (a step's id) that brings back all that was written, where it is needed; empty where it is not.

    It is the last one, where the database began to go down since and nobody wrote.
    """
    last = _backed_up(run, database)
    if last is None or max(_lowered(run, database), default=0) < last or traffic(run, database, last):
        return ""
    attempt = next(one for one in run.plan.attempts if one.number == last)
    return next(step.id for step in attempt.steps if isinstance(step, BackupStep) and step.service == database)


def reloads(run: Run, step: ReloadStep) -> bool:
    """Whether the database comes back by this step."""
    return reload(run, step.service) == step.backup


def starts(run: Run, step: StartStep) -> bool:
    """Whether by this step those come back who were stopped."""
    return _stopped(run, step) == step.stop


def serves(run: Run, step: StartStep) -> bool:
    """Whether they, moreover, were put there by this run, and find the schema that they had.

    What ran before a schema went down must not find the lower one.
    """
    numbers = {one.id: attempt.number for attempt in run.plan.attempts for one in attempt.steps}
    database, stopped = owner(run, step.service), numbers[step.stop]
    switched = [
        run.steps[one.id]
        for attempt in run.plan.attempts
        for one in attempt.steps
        if isinstance(one, SwitchStep) and (one.service, one.host) == (step.service, step.host)
        if attempt.number < stopped and one.id in run.steps
    ]
    done = run.done.get(step.stop)
    served = switched[-1:] == [StepState.DONE] and (done is None or bool(done.details.get(FOUND)))
    as_it_was = _backed_up(run, database) == stopped or max(_lowered(run, database), default=0) < stopped
    return served and as_it_was and starts(run, step)


def waits(run: Run, step: StopStep) -> bool:
    """Whether those whom this step stopped have not been replaced since, and were not stopped by an earlier one."""
    return _stopped(run, step) == step.id


def _stopped(run: Run, step: StopStep | StartStep) -> str:
    """The stop (a step's id) that stands on that host: the first since whatever was switched last; empty: none."""
    stopped = ""
    for attempt in run.plan.attempts:
        for one in attempt.steps:
            if not isinstance(one, StopStep | StartStep | SwitchStep) or one.id not in run.steps:
                continue
            if (one.service, one.host) == (step.service, step.host):
                stopped = stopped or one.id if isinstance(one, StopStep) else ""
    return stopped
