"""A silence lasts as long as its run: told anew while that goes on, lifted at its end, and left to end by itself."""

import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from postal import Moved, Postal, Told, end
from test_escalation import BASE, RUN, begun

from lastgood import posting
from lastgood.config.load import load
from lastgood.effects.http import PlainHttp
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.journal.live import Live
from lastgood.journal.store import Journal
from lastgood.model.event import Resumed
from lastgood.model.message import Delivered, Delivery, Failed, Message
from lastgood.outbox.postman import World
from lastgood.outbox.store import Outbox
from lastgood.posting import PostOffice, Repo
from sandbox.run import wait_until
from tests.standin.notifiers import Silences


class Silence(Told):
    """Somewhere that has to be told anew each ten minutes; when what it was told counts from."""

    def __init__(self) -> None:
        super().__init__("silence", state=True, does=self.takes)
        self.answers: list[Delivery] = []
        self.since: list[int] = []

    def takes(self, message: Message) -> Delivery:
        self.since.append(message.at)
        return (
            self.answers.pop(0) if self.answers else Delivered("silenced", "id", 600 if "began" in message.key else 0)
        )


@pytest.fixture
def silence() -> Silence:
    return Silence()


@pytest.fixture
def postal(tmp_path: Path, silence: Silence) -> Postal:
    made = Postal(tmp_path, silence)
    made.writes(RUN, begun())
    made.alive.add(RUN)
    made.works()
    return made


def goes_on(postal: Postal, *seconds: float) -> None:
    for each in seconds:
        postal.clock.by += each
        postal.works()


def test_it_must_be_told_anew_while_its_run_goes_on_and_lifted_at_the_end(postal: Postal, silence: Silence) -> None:
    goes_on(postal, 590, 20, 590, 20)
    assert silence.heard == [(f"{RUN}/began/1", "", False), *[(f"{RUN}/began/1", "id", True)] * 2]
    assert [round((each - silence.since[0]) / 10**9) for each in silence.since[1:]] == [610, 1220]
    postal.writes(RUN, end())
    postal.alive.clear()
    goes_on(postal, 700, 700)
    assert silence.keys[3:] == [f"{RUN}/ended/2"]
    assert postal.fates() == ["delivered", "delivered"]


def test_a_run_that_was_killed_must_have_it_lifted_and_never_told_anew(postal: Postal, silence: Silence) -> None:
    postal.alive.clear()
    goes_on(postal, 700, 700)
    assert silence.keys[1:] == [f"{RUN}/stopped/1"]
    postal.writes(RUN, Resumed("ann@laptop", aborting=False, lease="t"))
    postal.alive.add(RUN)
    goes_on(postal, 1, 700)
    assert silence.keys[2:] == [f"{RUN}/began/2"] * 2


def test_the_end_of_a_run_that_nobody_has_taken_in_yet_must_end_it_all_the_same(
    postal: Postal, silence: Silence
) -> None:
    """It is told anew by one who looks at the moment at which the run ends."""
    postal.clock.by += 700
    postal.writes(RUN, end())
    postal.delivers()
    assert silence.keys == [f"{RUN}/began/1"] * 2
    postal.alive.clear()
    goes_on(postal, 0, 700)
    assert silence.keys[2:] == [f"{RUN}/ended/2"]


def test_where_it_cannot_be_told_anew_it_must_be_tried_again_soon(postal: Postal, silence: Silence) -> None:
    silence.answers = [Failed("it is down"), Failed("no", doubtful=True)]
    goes_on(postal, 601, 10)
    assert (len(silence.heard), postal.fates(), postal.posts()[0].because) == (2, ["delivered"], "it is down")
    goes_on(postal, 10, 16, 590)
    assert (len(silence.heard), postal.posts()[0].because) == (4, "")


def test_one_that_could_not_be_asked_for_in_time_must_begin_while_the_run_goes_on(tmp_path: Path) -> None:
    silence = Silence()
    silence.answers = [Delivered("not needed any more", again=1)]
    postal = Postal(tmp_path, silence)
    postal.writes(RUN, begun())
    postal.alive.add(RUN)
    goes_on(postal, 0, 2)
    assert silence.since[1] > silence.since[0]


def test_a_clock_that_is_set_back_must_not_end_it(postal: Postal, silence: Silence) -> None:
    postal.clock.by = -86_400.0
    postal.works()
    assert len(silence.heard) == 2
    with Outbox(postal.path) as outbox:
        assert outbox.renewed("silence", postal.clock.now()) == ()


def test_the_process_of_a_run_must_tell_it_anew_by_itself_and_leave_off_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody gives another command meanwhile, and one step may take an hour."""
    monkeypatch.setattr(posting, "_ANEW", 0.02)
    with Silences() as silences, Live(str(tmp_path)).executing(RUN), Journal(str(tmp_path / "journal.db")) as journal:
        silences.open = True
        moved = Moved()
        world = World(PlainHttp(), LocalSecrets(LocalProcess(), {}), moved)
        quiet = f"notifiers: {{quiet: {{kind: alertmanager, url: '{silences.url}', minutes: 1}}}}\n"
        config = load(f"{BASE}{quiet}".encode(), "x")
        office = PostOffice(config, str(tmp_path), world, Repo("/deploy", lambda path: path))
        before = set(threading.enumerate())
        office.listening(lambda _: None)(journal.append(RUN, begun(), moved.now()))
        working = [thread for thread in threading.enumerate() if thread not in before and thread.name == "outbox"]
        wait_until(lambda: bool(silences.active()), "the first minute is silent")
        for minute in (1, 2):
            moved.by, silences.by = 50.0 * minute, timedelta(seconds=50 * minute)
            wait_until(lambda: _left(silences) > 40, "it is told anew")
        (one,) = silences.made.values()
        assert one["createdBy"] == f"lastgood/{RUN}"
        journal.append(RUN, end(), moved.now())
    for thread in working:
        thread.join(30)
    assert [thread.is_alive() for thread in working] == [False]


def _left(silences: Silences) -> float:
    return max(
        ((datetime.fromisoformat(one["endsAt"]) - silences.now).total_seconds() for one in silences.active()), default=0
    )
