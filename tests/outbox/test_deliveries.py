"""What fails is tried again, in order and by one at a time, and holds nothing else up."""

import fcntl
import time
from pathlib import Path
from typing import Any

import pytest
from chatting import RUN, begun, chat, postal
from postal import Postal, Told, end, side_by_side

from lastgood.model.message import Delivered, Delivery, Failed, Message, Post
from lastgood.outbox import store
from tests.standin.held import LONG, not_held

__all__ = ["chat", "postal"]


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
        postal.clock.by += (post.due - postal.clock.now()) / 10**9 + 0.01
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
