"""What a run brought, and so since when it runs: noted beside the database, and never in the run's way."""

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from lastgood.database import deployed as notes
from lastgood.database.desk import DatabaseDesk
from lastgood.journal.fold import fold
from lastgood.model.errors import Exit, UsageError
from lastgood.model.event import Event, Resumed, Run, RunEnded, RunStarted, StepDone
from lastgood.model.plan import Attempt
from lastgood.model.release import Image
from lastgood.model.step import Runnable, VerifyStep
from lastgood.model.target import DatabaseSpec, Group
from lastgood.run.deployed import beside, landed, note
from tests.journal.sample import begun, lined
from tests.plans.builders import TARGET

ONE, TWO = (Runnable(Image("ghcr.io/x/api", tag, f"sha256:{tag}")) for tag in ("sha-one", "sha-two"))
SPEC = DatabaseSpec(
    host="local", container="shop-api-db-1", name="shop", user="shop", password="", dsn="", schema="", migrator=None,
    migrations="migrations", repo="", branch="", in_image=False, backups="/backups", keep=7,
)  # fmt: skip
GROUP = Group.of(replace(TARGET, database=SPEC))


def run(*events: Event, action: str = "rollback") -> Run:
    """A rollback that tried one release, then another."""
    first = begun().plan
    attempts = tuple(
        Attempt(at, first.attempts[0].parts, (_verify(at, image, probed=False), _verify(at, image)), (), "-")
        for at, image in enumerate((ONE, TWO), 1)
    )
    started = replace(begun(), plan=replace(first, attempts=attempts, action=action))
    assert isinstance(started, RunStarted)
    return fold(lined(started, *events))


def _verify(at: int, image: Runnable, *, probed: bool = True) -> VerifyStep:
    name = f"{at}.verify" if probed else f"{at}.between"
    return VerifyStep(name, "shop-api", image, gate=True, hosts=("local",), probed=probed, because="-")


DONE = RunEnded(Exit.DONE, "it serves")


@pytest.mark.parametrize(
    ("found", "images"),
    [
        (run(StepDone("1.verify", "-"), DONE), {"shop-api": ONE}),
        (run(StepDone("2.verify", "-"), RunEnded(Exit.MITIGATED, "-")), {"shop-api": TWO}),
        (run(StepDone("1.between", "-"), DONE), {}),
        (run(StepDone("1.verify", "-"), RunEnded(Exit.FAILED_RESTORED, "-")), {}),
        (run(StepDone("1.verify", "-")), {}),
        (run(StepDone("1.verify", "-"), Resumed("ann", aborting=True, lease="t"), DONE), {}),
        (run(StepDone("1.verify", "-"), DONE, action="check"), {}),
    ],
    ids=["first", "second", "not proved", "put back", "not ended", "aborted", "only judged"],
)
def test_only_what_passed_the_gate_in_the_end_must_be_taken_to_run_since(
    found: Run, images: dict[str, Runnable]
) -> None:
    assert landed(found) == images


def test_what_was_not_noted_must_be_said_and_never_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Runnable] = []

    def noting(_: DatabaseDesk, image: Runnable) -> str:
        asked.append(image)
        return "connection refused"

    def no_desk(_: object) -> DatabaseDesk:
        raise UsageError("it cannot be reached")

    desk = cast("Any", lambda _: SimpleNamespace())
    monkeypatch.setattr(notes, "note", noting)
    what = "the moment of this deploy of shop-api/prod was not noted: "
    assert note(GROUP, {"shop-api": ONE}, desk) == (f"{what}connection refused",)
    assert note(GROUP, {"shop-api": ONE}, no_desk) == (f"{what}it cannot be reached",)
    assert note(Group.of(TARGET), {"shop-api": ONE}, desk) == note(GROUP, {}, desk) == ()
    assert asked == [ONE]


def test_a_database_that_hangs_must_not_hold_up_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    over, said = threading.Event(), list[str]()

    def hanging(_: DatabaseDesk, __: Runnable) -> str:
        over.wait(30)
        return ""

    desk = cast("Any", lambda _: SimpleNamespace())
    monkeypatch.setattr(notes, "note", hanging)
    told = beside(GROUP, {"shop-api": ONE}, desk, said.append, patience=0.01)
    told()
    assert said == ["the moment of this deploy of shop-api/prod was not noted within 0.01 s"]
    over.set()
    monkeypatch.setattr(notes, "note", lambda *_: "no room")
    beside(GROUP, {"shop-api": ONE}, desk, said.append)()
    assert said[1:] == ["the moment of this deploy of shop-api/prod was not noted: no room"]
