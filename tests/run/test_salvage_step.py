"""The step that keeps what will be lost: what it does besides keeping, and what a failure of it means."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lastgood.database import salvaging
from lastgood.model.database import Failed
from lastgood.model.descent import Descent, KeptBackup, Loss
from lastgood.model.event import Failure, StepDone, StepFailed, StepState
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.salvage import Part, Salvage
from lastgood.model.schema import What
from lastgood.model.step import BackupStep, LossyDownStep, SalvageStep, StartStep
from lastgood.postgres import sessions
from lastgood.run import salvage
from lastgood.run.doing import Doing

LOSS = Loss(What.COLUMN, "public.orders.note", 7, 9, Unknown("-"), "it is dropped", '"public"."orders"', '"note"')
WAY = Descent("golang-migrate", '"m"', "", "3", "2", ())
DOWN = LossyDownStep("1.lossy-down", "shop", "local", WAY, (LOSS,), KeptBackup("1.backup"), "why")
KEEP = SalvageStep("1.salvage", "shop", "local", "/b", DOWN.id, "why")
START = StartStep("restore.start", "shop", "local", "1.stop", ("shop-1",), "why")
NOTE = Part(What.COLUMN, LOSS.name, LOSS.relation, "note", (), ("id",), 7, 70, "00", "1.copy")
CLIENT = cast("Any", SimpleNamespace(reach=SimpleNamespace(name="shop")))


def doing(**steps: StepState) -> Doing:
    begun = {name.replace("_", "."): state for name, state in steps.items()}
    plan = SimpleNamespace(steps=lambda: (KEEP, DOWN, START))
    return cast("Any", SimpleNamespace(run=SimpleNamespace(id="R1", plan=plan, steps=begun)))


class Server:
    """Stands in for the server and what is kept of it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.reaped: list[str] = []
        self.answers: Fact[int] = Known(0)
        self.kept: Salvage | Failed = Salvage("R1", "shop/prod", "shop", "local", "/b/salvage/R1", "3", "2", 0, (NOTE,))
        self.asked: list[tuple[object, ...]] = []
        patch.setattr(sessions, "reap", self._reap)
        patch.setattr(salvaging, "salvage", self._keep)

    def _reap(self, _: object, name: str) -> Fact[int]:
        self.reaped.append(name)
        return self.answers

    def _keep(self, _: object, __: object, *asked: object) -> Salvage | Failed:
        self.asked.append(asked)
        return self.kept


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(monkeypatch)


def test_what_an_earlier_attempt_left_in_the_server_must_be_ended_before_it_is_kept_anew(server: Server) -> None:
    done = salvage.perform(KEEP, doing(), cast("Any", None), CLIENT)
    assert isinstance(done, StepDone)
    assert (done.seen, done.details) == (
        "7 of column public.orders.note kept in /b/salvage/R1 on local", {"folder": "/b/salvage/R1"},
    )  # fmt: skip
    assert (server.reaped, server.asked) == (["shop"], [(WAY, (LOSS,), "R1")])


@pytest.mark.parametrize("dead", [True, False])
def test_where_it_cannot_be_kept_the_release_must_not_be_blamed(server: Server, *, dead: bool) -> None:
    if dead:
        server.answers = Unknown("it does not answer")
    else:
        server.kept = Failed("no space left")
    done = salvage.perform(KEEP, doing(), cast("Any", None), CLIENT)
    assert isinstance(done, StepFailed)
    assert done.kind is Failure.PREPARE
    assert len(server.asked) == (0 if dead else 1)


@pytest.mark.parametrize("begun", [True, False])
def test_before_writers_are_started_again_nothing_of_it_must_hold_a_lock(server: Server, *, begun: bool) -> None:
    here = doing(**({"1_salvage": StepState.STARTED} if begun else {}))
    salvage.ended(START, here, lambda: CLIENT)
    assert server.reaped == (["shop"] if begun else [])


def test_room_must_be_asked_for_what_the_backup_s_own_service_loses_only() -> None:
    other = BackupStep("1.backup.web", "web", "local", "/b", "3", "why")
    assert salvage.needed(CLIENT, other, doing()) == 0
