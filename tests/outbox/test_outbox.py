"""The outbox loses nothing, tells nothing twice at the same time, keeps a run's order, and never gets in the way."""

import fcntl
import multiprocessing
import os
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from postal import MACHINE, Postal, Told, end, side_by_side

from lastgood.model.errors import Exit, NeedsHuman
from lastgood.model.event import Failure, Resumed, RunEnded, RunStarted, StepFailed, StepStarted
from lastgood.model.message import Delivered, Delivery, Failed, Kind, Message, Post
from lastgood.outbox import store
from lastgood.outbox.collect import adopted
from lastgood.outbox.escalation import stopped
from lastgood.outbox.store import Outbox
from lastgood.posting import Repo
from tests.journal.sample import begun as sample
from tests.standin.held import LONG, not_held

RUN = "20261122-174501-7f3a"


def begun(by: str = f"ann@{MACHINE}", target: str = "shop-api/prod", action: str = "rollback") -> RunStarted:
    event = sample(target)
    plan = msgspec.structs.replace(event.plan, action=action)
    return msgspec.structs.replace(event, plan=plan, consent=msgspec.structs.replace(event.consent, by=by))


@pytest.fixture
def chat() -> Told:
    return Told("chat")


@pytest.fixture
def postal(tmp_path: Path, chat: Told) -> Postal:
    made = Postal(tmp_path, chat)
    made.writes("20200101-000000-0000", begun(), end())
    made.clock.by = 2 * 3600
    made.collects()  # from now on it is enlisted
    assert made.posts() == ()
    return made


def test_a_run_must_be_told_when_it_begins_and_when_it_ends(postal: Postal, chat: Told) -> None:
    postal.alive.add(RUN)
    postal.writes(RUN, begun())
    postal.works()
    assert chat.heard == [(f"{RUN}/began/1", "", False)]
    postal.writes(RUN, StepStarted("1.pull"), end())
    postal.works()
    postal.works()
    assert chat.heard[1:] == [(f"{RUN}/ended/3", "ref", False)]
    assert postal.fates() == ["delivered", "delivered"]


def test_a_message_must_keep_the_time_at_which_it_happened(postal: Postal, chat: Told) -> None:
    chat.does = lambda _: Failed("down")
    postal.writes(RUN, begun(), end())
    at = postal.journal.entries(RUN)[1].at
    postal.works()
    postal.clock.by += 86400
    chat.does = lambda _: Delivered("here")
    postal.works()
    assert postal.posts()[1].message.at == at


@pytest.mark.parametrize(("code", "kind"), [(5, "stopped"), (8, "stopped"), (9, "ended"), (1, "ended"), (0, "ended")])
def test_a_run_that_needs_a_person_must_be_told_with_what_was_tried(
    postal: Postal, chat: Told, code: int, kind: str
) -> None:
    failed = StepFailed("1.verify", "it answers 500", Failure.RELEASE)
    postal.writes(RUN, begun(), StepStarted("1.verify"), failed, end(Exit(code)))
    postal.works()
    assert chat.keys[-1] == f"{RUN}/{kind}/4"
    told = postal.posts()[-1].message
    assert ("1.verify: it answers 500" in told.because) is (kind == "stopped")
    assert (f"lastgood show {RUN}" in told.next) is (kind == "stopped")


def test_a_killed_run_must_be_told_by_whoever_looks_next_and_once(postal: Postal, chat: Told) -> None:
    postal.writes(RUN, begun(), StepStarted("1.pull"))
    postal.alive.add(RUN)
    postal.works()
    postal.alive.clear()
    postal.works()
    postal.works()
    assert chat.keys == [f"{RUN}/began/1", f"{RUN}/stopped/2"]
    assert f"lastgood resume {RUN}" in postal.posts()[-1].message.next
    postal.writes(RUN, Resumed(f"ann@{MACHINE}", aborting=False, lease="t"), end())
    postal.works()
    assert chat.keys[2:] == [f"{RUN}/began/3", f"{RUN}/ended/4"]
    assert "taken up again by ann@laptop, to finish it" in postal.posts()[2].message.what


def test_what_another_machine_wrote_down_must_be_left_to_it_to_tell(postal: Postal, chat: Told) -> None:
    postal.writes(RUN, begun("bo@desk"), StepStarted("1.pull"))
    with Outbox(postal.path) as outbox:
        adopted(outbox, RUN, 2)
    postal.works()
    assert chat.keys == []
    postal.writes(RUN, Resumed(f"ann@{MACHINE}", aborting=False, lease="t"), end())
    postal.works()
    assert chat.keys == [f"{RUN}/began/3", f"{RUN}/ended/4"]


def test_the_run_of_another_deploy_repo_must_be_told_by_that_one_alone(postal: Postal, chat: Told) -> None:
    postal.writes(RUN, msgspec.structs.replace(begun(), repo="/other"), end(Exit.NEEDS_HUMAN))
    postal.writes("20261122-184501-0001", msgspec.structs.replace(begun(), repo="/other"), StepStarted("1.pull"))
    postal.works()
    assert chat.keys == []
    with Outbox(postal.path) as outbox:
        assert list(stopped(postal.journal, outbox, postal.here)) == []


def test_two_clones_of_one_deploy_repo_must_share_an_outbox_and_another_repo_has_its_own() -> None:
    origins = {"/a": "git@h:deploy", "/b": "git@h:deploy", "/c": "git@h:other"}
    first, second, third = (Repo(path, lambda path: origins.get(path, path)) for path in ["/a", "/b", "/c"])
    assert first.tag == second.tag != third.tag
    assert first.same("/b")
    assert not first.same("/c")
    assert not first.same("/gone")


@pytest.mark.parametrize(("code", "aborting", "told"), [(9, False, 0), (9, True, 1), (5, False, 1)])
def test_a_run_that_is_only_settled_must_not_be_told_to_begin_again(
    postal: Postal, chat: Told, code: int, *, aborting: bool, told: int
) -> None:
    postal.writes(RUN, begun(), end(Exit(code)), Resumed(f"ann@{MACHINE}", aborting=aborting, lease="t"), end())
    postal.works()
    assert chat.keys.count(f"{RUN}/began/3") == told
    assert chat.keys[-1] == f"{RUN}/ended/4"


def test_a_check_must_not_be_told(postal: Postal, chat: Told) -> None:
    postal.writes(RUN, begun(action="check"), end())
    postal.works()
    assert chat.heard == []


def test_what_nobody_wants_to_hear_must_not_be_told(tmp_path: Path) -> None:
    ends, staging = Told("ends", kinds=frozenset({Kind.ENDED})), Told("staging", envs=("staging",))
    postal = Postal(tmp_path, ends, staging)
    postal.writes(RUN, begun(), end())
    postal.writes("20261122-180000-0001", begun(target="shop-api/staging"))
    postal.alive.add("20261122-180000-0001")
    postal.works()
    assert ends.keys == []  # new here, it hears of the newest run, and that has not ended
    assert staging.keys == ["20261122-180000-0001/began/1"]


def test_a_new_destination_must_hear_of_the_run_under_way_and_of_no_older_one(tmp_path: Path, chat: Told) -> None:
    postal = Postal(tmp_path, chat)
    postal.writes("20200101-000000-0000", begun(), end())
    postal.writes(RUN, begun())
    postal.alive.add(RUN)
    postal.works()
    assert chat.keys == [f"{RUN}/began/1"]


def test_a_failure_must_be_tried_again_later_and_later_and_hold_back_only_its_own_run(
    postal: Postal, chat: Told
) -> None:
    chat.does = lambda message: Failed("it is down") if message.run == RUN else Delivered("here")
    postal.writes(RUN, begun(), end())
    other = "20261122-180000-0001"
    postal.writes(other, begun(), end())
    postal.works()
    assert chat.keys == [f"{RUN}/began/1", f"{other}/began/1", f"{other}/ended/2"]
    waits = []
    for _ in range(12):
        post = postal.posts()[0]
        waits.append(round((post.due - postal.clock.now()) / 10**9))
        postal.works()
        assert postal.posts()[0].tries == post.tries  # not before its time
        postal.clock.by = (post.due - time.time_ns()) / 10**9 + 0.01
        postal.works()
        assert postal.posts()[0].tries == post.tries + 1
    assert waits[:4] == [15, 30, 60, 120]
    assert waits[-1] == 3600
    chat.does = lambda _: Delivered("here")
    postal.delivers(all_of_them=True)
    assert postal.fates() == ["delivered"] * 4


def test_however_many_wait_each_must_be_looked_up_by_itself(
    postal: Postal, chat: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [f"20261122-18{number:04d}-0000" for number in range(20)]
    for run in runs:
        postal.writes(run, begun(), end())
    postal.collects()
    read = [0]

    def counted(*row: Any) -> Post:
        read[0] += 1
        return made(*row)

    made = store._post
    monkeypatch.setattr(store, "_post", counted)
    postal.delivers()
    assert chat.keys == [key for run in runs for key in (f"{run}/began/1", f"{run}/ended/2")]
    assert read[0] < 4 * 40


def test_a_clock_that_was_far_ahead_must_not_make_a_message_wait_for_years(postal: Postal, chat: Told) -> None:
    chat.does = lambda _: Failed("down")
    postal.clock.by = 10 * 365 * 86400.0
    postal.writes(RUN, begun())
    postal.alive.add(RUN)
    postal.works()
    postal.clock.by = 0
    chat.does = lambda _: Delivered("here")
    postal.works()
    assert postal.fates() == ["delivered"]


def test_what_the_other_side_asks_to_wait_must_be_waited(postal: Postal, chat: Told) -> None:
    chat.does = lambda _: Failed("busy", again=300)
    postal.writes(RUN, begun(), end())
    postal.collects()
    assert postal.delivers() == ("chat",)
    assert postal.delivers() == ()  # it is not tried again yet
    assert 299 <= (postal.posts()[0].due - postal.clock.now()) / 10**9 <= 300


def test_whoever_asks_for_time_must_not_be_given_everything_else_that_waits(postal: Postal, chat: Told) -> None:
    """Many bots shut those out for ten minutes who go on."""
    chat.does = lambda _: Failed("too many", again=60)
    for number in range(5):
        postal.writes(f"20261122-18000{number}-0000", begun(), end())
    postal.works()
    assert len(chat.keys) == 1
    chat.does = lambda _: Delivered("here")
    postal.clock.by += 61
    postal.works()
    assert chat.keys[1:] == [f"20261122-18000{n}-0000/{what}" for n in range(5) for what in ("began/1", "ended/2")]


def test_of_a_silence_only_the_newest_must_count(tmp_path: Path) -> None:
    silence = Told("silence", state=True)
    postal = Postal(tmp_path, silence)
    postal.writes(RUN, begun(), end())
    postal.works()
    assert silence.keys == [f"{RUN}/ended/2"]
    assert postal.fates() == ["superseded", "delivered"]


def test_once_doubtful_must_stay_so_until_it_arrived(postal: Postal, chat: Told) -> None:
    answers: list[Delivery] = [Failed("lost", doubtful=True), Failed("refused"), Delivered("here")]
    chat.does = lambda _: answers.pop(0)
    postal.writes(RUN, begun(), end())
    postal.works()
    postal.delivers(all_of_them=True)
    assert postal.fates()[0] == "doubtful"
    postal.delivers(all_of_them=True)
    assert [again for _, _, again in chat.heard[:3]] == [False, True, True]


def test_a_defect_in_one_destination_must_not_hold_another_up(tmp_path: Path) -> None:
    def breaks(_: Message) -> Delivery:
        raise ZeroDivisionError

    broken, fine = Told("broken", does=breaks), Told("fine")
    postal = Postal(tmp_path, broken, fine)
    postal.writes(RUN, begun(), end())
    postal.works()
    assert fine.keys == [f"{RUN}/began/1", f"{RUN}/ended/2"]
    assert "ZeroDivisionError" in postal.posts()[0].because


def test_one_that_hangs_must_be_left_behind_in_time(tmp_path: Path) -> None:
    def hangs(_: Message) -> Delivery:
        time.sleep(LONG)
        return Delivered("late")

    for seconds in (0.3, 3.0, 20.0):  # more where the machine is too busy for the others
        slow, fine = Told("slow", does=hangs), Told("fine")
        postal = Postal(tmp_path / str(seconds), slow, fine)
        postal.writes(RUN, begun(), end())
        postal.collects()
        with not_held():
            missed = postal.delivers(seconds)
        if len(fine.keys) > 1:
            break
    assert missed == ("slow",)
    assert fine.keys == [f"{RUN}/began/1", f"{RUN}/ended/2"]
    assert postal.fates()[0] == "sending"


def test_two_must_never_deliver_to_one_destination_at_the_same_time(postal: Postal, chat: Told) -> None:
    inside: list[int] = []
    most: list[int] = []

    def slowly(_: Message) -> Delivery:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.02)
        inside.pop()
        return Delivered("here")

    chat.does = slowly
    for number in range(8):
        postal.writes(f"20261122-18000{number}-0000", begun(), end())
    side_by_side(4, postal.works)
    assert max(most) == 1
    assert len(chat.keys) == len(set(chat.keys)) == 16


def _killed_while_sending(folder: Path, mark: Path) -> None:
    def dies(_: Message) -> Delivery:
        mark.write_text("arrived")
        os.kill(os.getpid(), signal.SIGKILL)
        return Delivered("never")

    Postal(folder, Told("chat", does=dies)).works()


def test_a_process_killed_after_the_other_side_took_it_must_leave_it_doubtful(
    tmp_path: Path, postal: Postal, chat: Told
) -> None:
    postal.writes(RUN, begun(), end())
    mark = tmp_path / "mark"
    dying = multiprocessing.get_context("fork").Process(target=_killed_while_sending, args=(tmp_path, mark))
    dying.start()
    dying.join(30)
    assert (mark.read_text(), dying.exitcode) == ("arrived", -signal.SIGKILL)
    assert postal.fates() == ["sending", "waiting"]
    postal.works()
    assert chat.heard == [(f"{RUN}/began/1", "", True), (f"{RUN}/ended/2", "ref", False)]


def test_a_process_killed_between_the_journal_and_the_outbox_must_lose_nothing(
    postal: Postal, chat: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    postal.writes(RUN, begun(), end())
    taken = Outbox.take

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Outbox, "take", dies)
    with pytest.raises(KeyboardInterrupt):
        postal.collects()
    monkeypatch.setattr(Outbox, "take", taken)
    postal.works()
    assert chat.keys == [f"{RUN}/began/1", f"{RUN}/ended/2"]


def test_a_journal_that_was_put_back_from_a_copy_must_be_read_anew_and_nothing_told_twice(
    postal: Postal, chat: Told
) -> None:
    postal.writes(RUN, begun(), *[StepStarted("1.pull")] * 5, end())
    postal.works()
    postal.journal.close()
    for suffix in ("", "-wal", "-shm"):
        Path(postal.journal.path + suffix).unlink(missing_ok=True)
    postal.writes(RUN, begun(), *[StepStarted("1.pull")] * 5, end())
    postal.works()
    assert chat.keys == [f"{RUN}/began/1", f"{RUN}/ended/7"]


def test_what_leaves_the_machine_must_hold_no_secret_and_nothing_endless(postal: Postal) -> None:
    because = ("DB_PASSWORD=hunter2hunter2 \x1b[31m " + "x" * 10_000, "Authorization: Bearer abcdefghijk")
    postal.writes(RUN, begun(), RunEnded(Exit.NEEDS_HUMAN, "postgres://u:s3cretpw@db/x failed", because, ()))
    postal.collects()
    content = Path(postal.path).read_bytes()
    assert not any(word in content for word in (b"hunter2", b"s3cretpw", b"abcdefghijk", b"\x1b["))
    assert all(len(each) < 520 for each in postal.posts()[-1].message.because)


def test_a_full_disk_must_lose_nothing_and_tell_nothing_that_cannot_be_noted(
    postal: Postal, chat: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = store._connect

    def full(path: str, patience: float) -> sqlite3.Connection:
        db = connect(path, patience)
        db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")
        return db

    postal.writes(RUN, begun(), *[StepStarted("1.pull")] * 5)
    postal.alive.add(RUN)
    postal.works()
    postal.writes(RUN, RunEnded(Exit.NEEDS_HUMAN, "x" * 490, tuple(f"{n}{'x' * 490}" for n in range(12)), ()))
    monkeypatch.setattr(store, "_connect", full)
    with pytest.raises(NeedsHuman) as raised:
        postal.collects()
    assert "make room" in raised.value.next[0]
    postal.delivers()
    monkeypatch.setattr(store, "_connect", connect)
    postal.works()
    assert chat.keys == [f"{RUN}/began/1", f"{RUN}/stopped/7"]


@pytest.mark.parametrize("spoil", ["garbage", "other", "newer", "folder"])
def test_an_outbox_that_cannot_be_used_must_be_told_and_left_as_it_is(tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "outbox.db"
    if spoil == "folder":
        path.mkdir()
    elif spoil == "garbage":
        path.write_bytes(b"not a database at all" * 100)
    else:
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE x (y)")
            db.execute(f"PRAGMA application_id = {0x6C676F62 if spoil == 'newer' else 7}")
            db.execute(f"PRAGMA user_version = {99 if spoil == 'newer' else 0}")
        db.close()
    before = path.read_bytes() if path.is_file() else b""
    with Outbox(str(path)) as outbox, pytest.raises(NeedsHuman) as raised:
        outbox.enlist("chat", 0)
    assert raised.value.next
    assert not before or path.read_bytes() == before


def test_two_who_make_the_outbox_at_once_must_both_be_served(tmp_path: Path) -> None:
    def make() -> None:
        with Outbox(str(tmp_path / "outbox.db")) as outbox:
            outbox.enlist("chat", 5)

    side_by_side(8, make)
    with Outbox(str(tmp_path / "outbox.db")) as outbox:
        assert outbox.enlisted()["chat"].position == 5
    assert (tmp_path / "outbox.db").stat().st_mode & 0o777 == 0o600


def test_reading_an_outbox_that_was_never_written_must_make_none(tmp_path: Path) -> None:
    with Outbox(str(tmp_path / "outbox.db")) as outbox:
        assert (outbox.posts(5), outbox.enlisted()) == ((), {})
    assert not (tmp_path / "outbox.db").exists()


def test_a_destination_that_stays_locked_must_be_left_to_the_one_who_has_it(
    postal: Postal, chat: Told, tmp_path: Path
) -> None:
    postal.writes(RUN, begun(), end())
    postal.collects()
    with (tmp_path / "outbox.db.chat.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        postal.delivers(0.2)
    assert chat.heard == []
    postal.delivers()
    assert len(chat.heard) == 2


def _dying(folder: Path, arrived: Path, at: int) -> None:
    """A pass that is killed at its `at`-th change on disk or delivery; what arrived is written down outside."""
    left = [at]

    def step() -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def takes(message: Message) -> Delivery:
        step()
        with arrived.open("a") as file:
            file.write(f"{message.key}\n")
        step()
        return Delivered("here", "ref")

    changes = Outbox._writing

    def writing(self: Outbox) -> object:
        step()
        return changes(self)

    Outbox._writing = writing  # type: ignore[method-assign,assignment]
    Postal(folder, Told("chat", does=takes)).works()
    os._exit(0)


def test_a_process_killed_anywhere_must_lose_nothing_and_repeat_only_what_it_says_may_be_one(tmp_path: Path) -> None:
    arrived = tmp_path / "arrived"
    for at in range(100):
        folder = tmp_path / str(at)
        folder.mkdir()
        arrived.write_text("")
        again = Told("chat")
        postal = Postal(folder, again)
        postal.writes(RUN, begun())
        postal.alive.add(RUN)
        postal.collects()
        postal.writes(RUN, end())
        postal.journal.close()
        dying = multiprocessing.get_context("fork").Process(target=_dying, args=(folder, arrived, at))
        dying.start()
        dying.join(30)
        first = arrived.read_text().split()
        postal.works()
        told = [*first, *again.keys]
        assert set(told) == {f"{RUN}/began/1", f"{RUN}/ended/2"}
        repeated = [key for key, _, doubtful in again.heard if key in first and not doubtful]
        assert repeated == []
        assert len(told) <= 3
        if dying.exitcode == 0:
            assert at > 8
            return
    pytest.fail("the pass never came to its end")
