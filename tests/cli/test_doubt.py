"""The second look beside a rollback: it may stop one only by evidence that is sure, and never by being late."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import pytest

from lastgood import examining
from lastgood.cli import doubt
from lastgood.cli.doubt import Doubt
from lastgood.cli.session import Session
from lastgood.judge.decide import diagnose
from lastgood.model.diagnosis import Confidence, Diagnosis, Scenario
from lastgood.model.errors import ConsentNeeded, GitUnavailable, NeedsHuman
from lastgood.model.target import Group
from lastgood.run.planning import Wish
from tests.judge.corpus import cases
from tests.standin.held import LONG

GROUP = Group("shop-api", "prod", (cast("Any", "shop-api/prod"),))


def of(name: str) -> Diagnosis:
    return diagnose(next(case.seen for case in cases() if case.name == name))


FULL = of("disk is full and postgres says so")
PANIC = of("go segfault at start, loops")


@dataclass
class Desk:
    """As much of a session and its service as the second look uses."""

    answer: Callable[[], Diagnosis]
    interactive: bool = False
    argv: tuple[str, ...] = ("rollback", "shop-api", "prod", "--yes")
    told: list[str] = field(default_factory=list)

    @property
    def service(self) -> "Desk":
        return self

    def note(self, said: list[str]) -> None:
        self.told += said

    @staticmethod
    def command(*words: str) -> str:
        return " ".join(("lastgood", *words))


@pytest.fixture(autouse=True)
def looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look itself is what the desk answers."""

    def looked(desk: Desk, _target: object, _seconds: float, beside: Callable[[], bool]) -> Diagnosis:
        assert beside is not None
        return desk.answer()

    monkeypatch.setattr(examining, "diagnose", looked)
    monkeypatch.setattr(doubt, "SECONDS", LONG / 2)  # it is there at once, and a busy machine is not


def settled(desk: Desk, wish: Wish | None = None, *, asking: bool = False, anyway: bool = False) -> list[str]:
    Doubt(cast("Session", desk), GROUP, wish or Wish()).settle(asking=asking, anyway=anyway)
    return desk.told


def test_what_a_rollback_does_not_cure_must_stop_it_where_nobody_can_be_asked() -> None:
    with pytest.raises(NeedsHuman) as stopped:
        settled(Desk(lambda: FULL))
    assert stopped.value.next == ("df -h", "lastgood rollback shop-api prod --yes --anyway   # all the same")


def test_anyway_must_go_on_and_still_tell() -> None:
    assert "disk-full" in settled(Desk(lambda: FULL), anyway=True)[0]


def against(desk: Desk, *, asking: bool = False, anyway: bool = False) -> str:
    return Doubt(cast("Session", desk), GROUP, Wish()).settle(asking=asking, anyway=anyway)


def test_what_was_gone_on_with_against_a_doubt_must_be_for_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubt, "asked", lambda _: True)
    for said in (
        against(Desk(lambda: FULL), anyway=True),
        against(Desk(lambda: FULL), asking=True, anyway=True),
        against(Desk(lambda: FULL, interactive=True), asking=True),
    ):
        assert said == f"gone on with although the diagnosis is sure that a rollback cures nothing: {FULL.what}"
    for desk in (Desk(lambda: PANIC), Desk(lambda: msgspec.structs.replace(FULL, confidence=Confidence.MEDIUM))):
        assert against(desk, anyway=True) == ""


def test_without_consent_the_plan_must_be_had_all_the_same() -> None:
    assert "disk-full" in settled(Desk(lambda: FULL), asking=True)[0]


@pytest.mark.parametrize(("typed", "stops"), [("n", True), ("", True), ("y", False)])
def test_on_a_terminal_the_operator_must_decide(monkeypatch: pytest.MonkeyPatch, typed: str, *, stops: bool) -> None:
    monkeypatch.setattr(doubt, "asked", lambda _: typed == "y")
    desk = Desk(lambda: FULL, interactive=True)
    if stops:
        with pytest.raises(ConsentNeeded):
            settled(desk, asking=True)
    else:
        assert settled(desk, asking=True)


@pytest.mark.parametrize("confidence", [Confidence.MEDIUM, Confidence.LOW])
def test_what_is_not_sure_must_stop_nothing(confidence: Confidence) -> None:
    assert settled(Desk(lambda: msgspec.structs.replace(FULL, confidence=confidence)))


@pytest.mark.parametrize("scenario", [Scenario.UNKNOWN, Scenario.HEALTHY, Scenario.SLOW, Scenario.OVERLOADED])
def test_a_release_that_fails_oddly_or_not_at_all_must_be_rolled_back_as_asked(scenario: Scenario) -> None:
    settled(Desk(lambda: msgspec.structs.replace(FULL, scenario=scenario)))
    assert "api-errors" in settled(Desk(lambda: PANIC))[0]


def test_a_look_that_fails_must_stop_nothing() -> None:
    def fails() -> Diagnosis:
        raise GitUnavailable("There is no copy.")

    def breaks() -> Diagnosis:
        raise ZeroDivisionError

    assert settled(Desk(fails)) == settled(Desk(breaks)) == []


def test_a_look_that_hangs_must_not_be_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubt, "SECONDS", 0.05)
    ends = threading.Event()

    def hangs() -> Diagnosis:
        ends.wait(60)
        return FULL

    assert settled(Desk(hangs)) == []
    ends.set()


@pytest.mark.parametrize("wish", [Wish(to="sha-1"), Wish(down=True)])
def test_whoever_says_where_to_go_must_not_be_doubted(wish: Wish) -> None:
    assert settled(Desk(lambda: FULL), wish) == []
