"""A person ends the watching before its time: the run is over then, whoever still watches."""

import msgspec
import pytest

from lastgood.model.duration import Duration
from lastgood.model.errors import Exit
from lastgood.model.event import LogErrors, RunEnded, StepDone, StepFailed
from lastgood.model.step import Step, WatchStep
from lastgood.run.attempting import attempted
from lastgood.run.doing import Doing
from tests.standin.world import World


def test_no_line_must_come_after_the_end_of_a_run_whose_watching_was_interrupted(
    bad: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[tuple[WatchStep, Doing]] = []

    def interrupted(step: Step, doing: Doing) -> StepDone | StepFailed:
        if isinstance(step, WatchStep):
            left.append((step, doing))
            raise KeyboardInterrupt
        return attempted(step, doing)

    bad.target = msgspec.structs.replace(bad.target, watch=Duration(5))
    monkeypatch.setattr("lastgood.run.executor.attempted", interrupted)
    assert bad.rollback().exit is Exit.DONE
    for step, doing in left:  # as in a thread that was not waited for, while the process still delivers
        doing.note(LogErrors(step.id, doing.target.name, step.image.image, ()))
        doing.keeper.keep({"errors.json": b"[]"})
    assert isinstance(bad.entries()[-1].event, RunEnded)
