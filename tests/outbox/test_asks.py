"""A command that ends without a run calls people too: once for each cause, until somebody has it or it is over."""

from dataclasses import dataclass, field
from unittest.mock import Mock

import pytest
from postal import Postal, Told, end, side_by_side
from test_escalation import RUN, begun

from lastgood.cli import afterwards, unattended
from lastgood.cli.unattended import Watch
from lastgood.journal.fold import fold
from lastgood.journal.store import Journal
from lastgood.model.errors import (
    ConsentNeeded,
    Exit,
    GitUnavailable,
    InDoubt,
    LastgoodError,
    LeaseHeld,
    NeedsHuman,
    Refused,
    UsageError,
    WorldMoved,
)
from lastgood.model.event import Run, RunEnded, StepStarted
from lastgood.model.message import Acknowledged, Ask, AskLine, Kind, Message
from lastgood.model.report import Health
from lastgood.outbox.asks import ask, known, settled, standing
from lastgood.outbox.escalation import acknowledge, escalate
from lastgood.outbox.store import Outbox
from lastgood.outside.text import plain
from tests.journal.sample import lined


def message(
    what: str = "12 errors since 03:04: a rollback would not cure this.", target: str = "shop-api/prod"
) -> Message:
    return Message("", 1, Kind.STOPPED, 0, target, "rollback", what, services=("shop-api",), exit=8, next=("look",))


def asks(postal: Postal, wanted: Message | None = None, wait: float = 0.0) -> Ask | None:
    with Outbox(postal.path) as outbox:
        return ask(outbox, wanted or message(), wait, postal.clock.now())


def stands(postal: Postal) -> list[str]:
    with Outbox(postal.path) as outbox:
        return [one.message.run for one in standing(postal.journal, outbox, postal.here)]


def test_a_timer_that_meets_the_same_every_minute_must_call_each_person_once(
    postal: Postal, ann: Told, bo: Told
) -> None:
    made = asks(postal)
    assert made is not None
    for minute in range(30):
        postal.clock.by += 60
        assert asks(postal, message(f"{minute} errors since 03:{minute}: a rollback would not cure this.")) is None
        postal.works()
    assert (len(ann.keys), len(bo.keys)) == (1, 1)
    said = plain(postal.posts()[0].message)
    assert f"lastgood ack {made.message.run}" in said
    assert said.startswith("lastgood needs a person: rollback of shop-api/prod: needs a person")


def test_two_timers_that_meet_the_same_at_once_must_ask_once(postal: Postal) -> None:
    made: list[Ask | None] = []
    side_by_side(4, lambda: made.append(asks(postal)))
    assert len([one for one in made if one]) == len(stands(postal)) == 1


def test_another_cause_and_another_target_must_be_calls_of_their_own(postal: Postal, ann: Told) -> None:
    assert all(asks(postal, one) for one in (message(), message("Git cannot be had."), message(target="web/prod")))
    postal.works()
    assert len(set(ann.keys)) == 3


def test_what_was_over_for_an_hour_must_call_anew_even_where_somebody_had_it(postal: Postal, ann: Told) -> None:
    first = asks(postal)
    assert first is not None
    with Outbox(postal.path) as outbox:
        acknowledge(outbox, first.message, Acknowledged(first.message.run, "shop-api/prod", "ann", 1))
    postal.works()
    assert ann.keys == []
    postal.clock.by += 3601
    second = asks(postal)
    assert second is not None
    postal.works()
    assert ann.keys == [f"{second.message.run}/called/1/ann"]
    assert stands(postal) == [second.message.run]


@pytest.mark.parametrize(
    ("action", "code", "over"),
    [
        ("rollback", Exit.DONE, True),
        ("rollback", Exit.MITIGATED, True),
        ("rollback", Exit.NEEDS_HUMAN, True),  # which calls by itself
        ("rollback", Exit.REFUSED, False),
        ("check", Exit.NEEDS_HUMAN, False),
        ("check", Exit.DONE, True),
    ],
)
def test_a_later_run_of_the_target_must_take_its_place(
    postal: Postal, bo: Told, action: str, code: Exit, *, over: bool
) -> None:
    made = asks(postal)
    assert made is not None
    postal.works()
    postal.clock.by += 60
    event = begun(action)
    postal.writes(RUN, event)
    postal.alive.add(RUN)
    postal.clock.by += 3600
    postal.works()
    assert bo.keys == []  # nobody is called while somebody is at it
    postal.alive.clear()
    postal.writes(RUN, end(code))
    postal.works()
    assert (stands(postal) == []) is over
    assert any(key.startswith("ask-") for key in bo.keys) is not over


def test_a_run_of_another_target_or_from_before_must_not_end_it(postal: Postal) -> None:
    postal.writes("20261122-100000-0000", begun(), StepStarted("1.pull"), end())
    postal.clock.by += 1
    made = asks(postal)
    assert made is not None
    postal.clock.by += 60
    postal.writes(RUN, begun(target="shop-api/staging"), end())
    assert stands(postal) == [made.message.run]


def test_a_command_that_succeeds_at_last_must_end_what_it_asked_for(postal: Postal) -> None:
    """As a restore of the database, which no run of the journal tells."""
    made = [asks(postal), asks(postal, message(target="web/prod"))]
    with Outbox(postal.path) as outbox:
        outbox.note("ask:damaged", "{}")
        settled(outbox, "shop-api/prod", "restart")
        assert len(known(outbox)) == 2
        settled(outbox, "shop-api/prod", "rollback")
    assert made[1] is not None
    assert stands(postal) == [made[1].message.run]


def test_what_a_program_may_agree_to_must_call_only_when_it_has_not(postal: Postal, ann: Told) -> None:
    asks(postal, wait=120.0)
    postal.clock.by += 119
    postal.works()
    assert ann.keys == []
    postal.clock.by += 2
    postal.works()
    assert len(ann.keys) == 1


@pytest.mark.parametrize("answers", [True, False])
def test_before_the_next_person_is_called_the_hosts_must_be_asked_who_has_it(
    postal: Postal, ann: Told, bo: Told, *, answers: bool
) -> None:
    made = asks(postal)
    assert made is not None
    heard: list[str] = []

    def answered(stop: Message) -> Acknowledged | None:
        heard.append(stop.run)
        return Acknowledged(stop.run, stop.target, "cy@home", 7) if answers else None

    def works() -> None:
        with Journal(postal.journal.path) as journal, Outbox(postal.path) as outbox:
            escalate(journal, outbox, postal.contacts, postal.here, postal.clock.now(), answered)
        postal.delivers()

    works()
    postal.clock.by += 600
    works()
    assert (len(ann.keys), heard) == (1, [])  # nobody is due
    postal.clock.by += 600
    works()
    works()
    assert heard == [made.message.run]
    assert len(bo.keys) == (0 if answers else 1)


@dataclass
class Seen:
    health: Health
    health_because: str = "because"


@dataclass
class Desk:
    """As much of a service as a watch looks at."""

    fares: Health | LastgoodError
    last: Run | None = None
    asked: list[tuple[Message, float]] = field(default_factory=list)
    contacts: tuple[str, ...] = ("ann",)
    done: list[tuple[str, str]] = field(default_factory=list)
    stops: bool | None = None
    """Whether the last run stopped on this machine; None where it goes on."""

    @property
    def config(self) -> "Desk":
        return self

    @property
    def file(self) -> "Desk":
        return self

    def status(self, _: object) -> Seen:
        if isinstance(self.fares, LastgoodError):
            raise self.fares
        return Seen(self.fares)

    @property
    def post_office(self) -> "Desk":
        return self

    @property
    def journal(self) -> "Desk":
        return self

    def last_run_for(self, _: str) -> Run | None:
        return self.last

    def stop(self, run: str) -> tuple[str, None, bool]:
        if self.stops is None:
            raise UsageError("it waits for nobody")
        return run, None, self.stops

    def settled(self, target: str, action: str) -> None:
        self.done.append((target, action))

    def ask(self, message: Message, wait: float) -> None:
        self.asked.append((message, wait))


@dataclass
class Session:
    argv: tuple[str, ...] = ("rollback", "shop-api", "prod", "--yes")
    said: list[str] = field(default_factory=list)

    @staticmethod
    def command(*words: str) -> str:
        return " ".join(("lastgood", *words))

    def note(self, said: tuple[str, ...]) -> None:
        self.said += said


CHOSEN = Mock(service="shop-api", env="prod", members=(Mock(service="shop-api"),))
CHOSEN.name = "shop-api/prod"
CHOSEN.members[0].name = "shop-api/prod"


def watched(desk: Desk, error: Exception) -> list[tuple[Message, float]]:
    session = Session()
    with pytest.raises(type(error)), Watch(session, desk, CHOSEN, "rollback"):  # type: ignore[arg-type]
        raise error
    afterwards.work()
    assert session.said == []
    return desk.asked


def loss() -> ConsentNeeded:
    made = ConsentNeeded("It loses data.")
    made.by_person = True
    return made


def silent() -> LeaseHeld:
    made = LeaseHeld("Ann was at it, and her lease ran out.")
    made.ran_out = True
    return made


SICK = Health.UNHEALTHY


@pytest.mark.parametrize(
    ("error", "fares", "waits"),
    [
        (NeedsHuman("A rollback would not cure this."), Health.HEALTHY, 0.0),
        (loss(), SICK, 0.0),
        (ConsentNeeded("There is a plan, and nobody to ask."), SICK, 120.0),
        (GitUnavailable("The remote is gone."), SICK, 0.0),
        (GitUnavailable("The remote is gone."), Health.UNKNOWN, 0.0),
        (GitUnavailable("The remote is gone."), Refused("No host answers."), 0.0),
        (GitUnavailable("The remote is gone."), Health.HEALTHY, None),
        (InDoubt("A restore stopped half-way."), SICK, 0.0),
        (LeaseHeld("Ann is at it."), SICK, 600.0),
        (LeaseHeld("Ann is at it."), Health.HEALTHY, None),
        (silent(), SICK, 0.0),
        (WorldMoved("Make the plan again."), SICK, 120.0),
        (WorldMoved("Make the plan again."), Health.HEALTHY, None),
        (UsageError("No such service."), SICK, None),
        (ZeroDivisionError(), SICK, 0.0),
        (KeyError("s3cret"), SICK, 0.0),
    ],
)
def test_a_command_without_a_terminal_must_call_where_a_person_is_needed(
    monkeypatch: pytest.MonkeyPatch, error: Exception, fares: Health | LastgoodError, waits: float | None
) -> None:
    monkeypatch.setattr(unattended, "attended", lambda: False)
    asked = watched(Desk(fares), error)
    assert [wait for _, wait in asked] == ([] if waits is None else [waits])
    for told, _ in asked:
        assert told.target == "shop-api/prod"
        assert "lastgood rollback shop-api prod --yes" in told.next
        assert "s3cret" not in f"{told.what} {told.because}"
        assert bool(told.risk) is (fares is not Health.HEALTHY)


def test_with_a_terminal_or_nobody_to_tell_there_must_be_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unattended, "attended", lambda: True)
    assert watched(Desk(SICK), NeedsHuman("x")) == []
    monkeypatch.setattr(unattended, "attended", lambda: False)
    assert watched(Desk(SICK, contacts=()), NeedsHuman("x")) == []


@pytest.mark.parametrize(
    ("action", "code", "fares", "calls"),
    [
        ("rollback", Exit.NEEDS_HUMAN, SICK, False),  # the run calls by itself
        ("check", Exit.NEEDS_HUMAN, SICK, True),
        ("rollback", Exit.FAILED_RESTORED, SICK, True),
        ("rollback", Exit.FAILED_RESTORED, Health.HEALTHY, False),
        ("rollback", Exit.DONE, SICK, False),
    ],
)
def test_an_end_that_a_run_tells_by_itself_must_not_call_once_more(
    monkeypatch: pytest.MonkeyPatch, action: str, code: Exit, fares: Health, *, calls: bool
) -> None:
    monkeypatch.setattr(unattended, "attended", lambda: False)
    ended = RunEnded(code, "so it ended")
    desk = Desk(fares, fold(lined(begun(action), ended)))
    with Watch(Session(), desk, CHOSEN, "rollback") as watch:  # type: ignore[arg-type]
        assert watch.ends(lambda _: ended)(None) == ended  # type: ignore[arg-type]
    afterwards.work()
    assert bool(desk.asked) is calls
    assert desk.done == ([("shop-api/prod", "rollback")] if code is Exit.DONE else [])


@pytest.mark.parametrize(("stops", "calls"), [(True, 0), (False, 1), (None, 1)])
def test_a_lease_that_our_own_stopped_run_holds_must_not_call_beside_it(
    monkeypatch: pytest.MonkeyPatch, *, stops: bool | None, calls: int
) -> None:
    """One that stopped on another machine, which may be gone for good, has to be called for here."""
    monkeypatch.setattr(unattended, "attended", lambda: False)
    desk = Desk(SICK, fold(lined(begun(), StepStarted("1.pull"))), stops=stops)
    assert len(watched(desk, silent())) == calls


def test_what_goes_wrong_with_calling_must_be_told_and_end_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unattended, "attended", lambda: False)
    desk, session = Desk(SICK), Session()
    monkeypatch.setattr(Desk, "ask", Mock(side_effect=NeedsHuman("The outbox is broken.", because=("malformed",))))
    with Watch(session, desk, CHOSEN, "rollback") as watch:  # type: ignore[arg-type]
        watch.ended(Exit.NEEDS_HUMAN, "x")
    afterwards.work()
    assert session.said == ["  ! The outbox is broken. malformed"]


def test_an_ask_about_an_app_must_be_seen_at_each_of_its_services() -> None:
    one = AskLine("ask-1", "shop/prod", "rollback", 0, "x", (), (), services=("shop-api", "shop-web"))
    assert [one.about(name) for name in ("shop/prod", "shop-api/prod", "shop-web/prod")] == [True] * 3
    assert [one.about(name) for name in ("shop-api/staging", "pay/prod", "shop/staging")] == [False] * 3
