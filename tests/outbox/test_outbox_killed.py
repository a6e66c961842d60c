"""Processes that die, disks that fill up and files that are spoilt lose nothing and tell nothing twice."""

import multiprocessing
import os
import signal
import sqlite3
from pathlib import Path

import pytest
from chatting import RUN, begun, chat, postal
from postal import Postal, Told, end, side_by_side

from lastgood.model.errors import Exit, NeedsHuman
from lastgood.model.event import RunEnded, StepStarted
from lastgood.model.message import Delivered, Delivery, Message
from lastgood.outbox import store
from lastgood.outbox.store import Outbox

__all__ = ["chat", "postal"]


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
    dying.join(120)
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
        dying.join(120)
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
