"""What is done once a command has said everything can neither fail it nor be loaded where nobody is to be told."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from lastgood.cli import afterwards, app
from lastgood.diagnose.outside import checks
from lastgood.model.errors import LastgoodError, NeedsHuman
from lastgood.model.facts import Known, Unknown
from lastgood.model.report import Mark


class Office:
    def __init__(self, does: Callable[[], tuple[str, ...]]) -> None:
        self.does = does
        self.asked = 0

    def work(self, seconds: float) -> tuple[str, ...]:
        assert seconds <= 3
        self.asked += 1
        return self.does()


@dataclass
class Service:
    post_office: Office
    tells: bool = True


@dataclass
class Session:
    service: Service
    said: list[str] = field(default_factory=list)

    def note(self, said: tuple[str, ...]) -> None:
        self.said += said


def raising(error: BaseException) -> Callable[[], tuple[str, ...]]:
    def act() -> tuple[str, ...]:
        raise error

    return act


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (lambda: (), []),
        (lambda: ("hook", "group"), ["  ! not told yet: hook, group; it is tried again, see lastgood outbox"]),
        (raising(NeedsHuman("The outbox is broken.", because=("malformed",))), ["  ! The outbox is broken. malformed"]),
        (raising(KeyboardInterrupt()), ["  ! interrupted; what was not delivered waits: lastgood outbox"]),
        (
            raising(ZeroDivisionError()),
            ["  ! telling of it failed: ZeroDivisionError; what was not delivered waits"],
        ),
    ],
)
def test_whatever_happens_it_must_be_told_and_end_there(does: Callable[[], tuple[str, ...]], said: list[str]) -> None:
    session = Session(Service(Office(does)))
    afterwards.remember(session)  # type: ignore[arg-type]
    afterwards.work()
    afterwards.work()  # once is enough
    assert session.said == said
    assert session.service.post_office.asked == 1


def test_it_must_be_left_out_where_nobody_is_told_or_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = Session(Service(Office(lambda: ("x",)), tells=False))
    monkeypatch.setenv("LASTGOOD_NO_OUTBOX", "1")
    somebody = Session(Service(Office(lambda: ("x",))))
    for session in (nobody, somebody):
        afterwards.remember(session)  # type: ignore[arg-type]
    afterwards.work()
    assert [one.service.post_office.asked for one in (nobody, somebody)] == [0, 0]


def test_the_exit_code_must_be_that_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    worked: list[int] = []
    monkeypatch.setattr(afterwards, "work", lambda: worked.append(1))
    assert app.run(["nosuch"]) == 2
    assert app.run(["--version"]) == 0
    assert worked == [1, 1]


def test_a_doctor_must_say_who_would_not_hear_and_what_waits() -> None:
    def breaks() -> Known[str]:
        raise LastgoodError("no way")

    looks = [("a", lambda: Known("fine")), ("b", lambda: Unknown("401")), ("c", breaks)]
    found = {check.name: check for check in checks(looks, lambda: 2, lambda: None)}
    assert [found[name].mark for name in "abc"] == [Mark.OK, Mark.WARN, Mark.WARN]
    assert "401" in found["b"].said
    assert (found["outbox"].mark, found["outbox timer"].mark) == (Mark.WARN, Mark.WARN)
    assert checks([], lambda: 2, lambda: None) == ()


@pytest.mark.parametrize(
    ("ago", "mark"), [(None, Mark.WARN), (30.0, Mark.OK), (7200.0, Mark.WARN), (-60.0, Mark.UNKNOWN)]
)
def test_a_timer_must_be_believed_only_by_what_it_did_lately(ago: float | None, mark: Mark) -> None:
    (_, _, timer) = checks([("a", lambda: Known("fine"))], lambda: 0, lambda: ago)
    assert timer.mark is mark
