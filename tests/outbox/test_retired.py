"""Asks that are over do not stay in the outbox for ever; one that is open does, and nobody is told twice."""

import sqlite3
from contextlib import closing

import msgspec
import pytest
from postal import Postal, Told, end, side_by_side
from test_asks import asks, message, stands
from test_escalation import RUN, begun

from lastgood.model.errors import NeedsHuman
from lastgood.model.message import Acknowledged, Ask, Failed, Kind
from lastgood.outbox.asks import settled
from lastgood.outbox.escalation import acknowledge
from lastgood.outbox.retired import KEPT, retire
from lastgood.outbox.store import Outbox

HOUR = 3600.0
LONG = KEPT / 1_000_000_000 + HOUR


def made(postal: Postal, what: str) -> Ask:
    one = asks(postal, message(what))
    assert one is not None
    return one


def has(postal: Postal, ask: Ask) -> None:
    with Outbox(postal.path) as outbox:
        acknowledge(
            outbox, ask.message, Acknowledged(ask.message.run, "shop-api/prod", "ann", postal.clock.now() // 10**9)
        )


def retires(postal: Postal) -> None:
    with Outbox(postal.path) as outbox:
        retire(outbox, postal.clock.now())


def kept(postal: Postal) -> tuple[set[str], set[str]]:
    """What the file has of whom: the runs and asks of its posts, and the names of its notes."""
    with Outbox(postal.path) as outbox:
        notes = {name for begin in ("ask:", "ack:", "seen:") for name, _ in outbox.notes(begin)}
    return {post.message.run for post in postal.posts()}, notes


def test_what_is_over_or_had_by_somebody_must_go_after_long_and_what_is_open_stay(
    postal: Postal, ann: Told, bo: Told
) -> None:
    over, had, still = made(postal, "Git is gone."), made(postal, "The disk is full."), made(postal, "No probe.")
    postal.works()
    postal.clock.by += 901
    postal.works()
    assert (len(ann.keys), len(bo.keys)) == (3, 3)
    has(postal, had)
    with Outbox(postal.path) as outbox:
        outbox.note(f"ask:{over.message.run}", msgspec.json.encode(msgspec.structs.replace(over, over="done")).decode())
    before = kept(postal)
    postal.clock.by += LONG - 2 * HOUR
    retires(postal)
    assert kept(postal) == before
    postal.clock.by += 2 * HOUR
    newest = made(postal, "No registry.")
    for seconds in (0, 901):
        postal.clock.by += seconds
        postal.works()
        retires(postal)
    stay = {still.message.run, newest.message.run}
    assert kept(postal) == (stay, {f"ask:{run}" for run in stay})
    assert set(stands(postal)) == stay
    assert [len(told.keys) for told in (ann, bo)] == [len(set(told.keys)) for told in (ann, bo)] == [4, 4]


def test_what_was_told_of_runs_must_stay(postal: Postal) -> None:
    postal.told[0].kinds = frozenset(Kind)
    postal.writes(RUN, begun(), end())
    postal.works()
    before = kept(postal)
    assert before[0] == {RUN}
    postal.clock.by += LONG
    retires(postal)
    assert kept(postal) == before


def test_what_still_waits_for_somebody_must_stay_until_it_is_taken_back(postal: Postal, ann: Told) -> None:
    ann.does = lambda _: Failed("down")
    one = made(postal, "Git is gone.")
    postal.works()
    has(postal, one)
    made(postal, "No probe.")
    postal.clock.by += LONG
    retires(postal)
    assert one.message.run in kept(postal)[0]
    postal.collects()  # which takes back what nobody is to hear any more
    retires(postal)
    assert one.message.run not in kept(postal)[0]


def test_the_newest_post_must_stay_for_its_number_is_not_to_be_given_twice(postal: Postal) -> None:
    one = made(postal, "Git is gone.")
    postal.works()
    has(postal, one)
    postal.clock.by += LONG
    retires(postal)
    assert kept(postal) == ({one.message.run}, {f"ask:{one.message.run}", f"ack:{one.message.run}/1"})
    another = made(postal, "No probe.")
    postal.works()
    retires(postal)
    assert kept(postal) == ({another.message.run}, {f"ask:{another.message.run}"})


def test_a_timer_that_meets_the_same_again_and_again_must_not_fill_the_disk(postal: Postal) -> None:
    for _ in range(40):
        made(postal, "Git is gone.")
        postal.collects()
        retires(postal)
        postal.clock.by += 25 * HOUR
    runs, notes = kept(postal)
    assert (len(runs), len(notes)) == (29, 29)
    assert len(stands(postal)) == 1


def test_one_that_cannot_be_taken_out_whole_must_stay_whole(postal: Postal) -> None:
    one = made(postal, "Git is gone.")
    postal.works()
    has(postal, one)
    made(postal, "No probe.")
    postal.works()
    postal.clock.by += LONG
    before = kept(postal)
    with closing(sqlite3.connect(postal.path, isolation_level=None)) as db:
        db.execute("CREATE TRIGGER no BEFORE DELETE ON notes BEGIN SELECT RAISE(ABORT, 'no'); END")
        with pytest.raises(NeedsHuman):
            retires(postal)
        assert kept(postal) == before
        db.execute("DROP TRIGGER no")
    side_by_side(4, lambda: retires(postal))
    assert one.message.run not in kept(postal)[0]


def test_one_that_was_met_meanwhile_must_stay(postal: Postal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the change, by another process, which asks anew: what it found over is still taken out."""
    one = made(postal, "Git is gone.")
    has(postal, one)
    postal.clock.by += LONG
    at_once, met = Outbox.at_once, []

    def slowly(outbox: Outbox) -> object:
        if not met:
            met.append(None)
            met.append(made(postal, "Git is gone."))
        return at_once(outbox)

    with Outbox(postal.path) as outbox:
        monkeypatch.setattr(Outbox, "at_once", slowly)
        retire(outbox, postal.clock.now())
    again = met[1]
    assert again is not None
    assert stands(postal) == [again.message.run]


def test_that_somebody_has_an_ask_of_another_machine_must_go_as_well(postal: Postal) -> None:
    one = msgspec.structs.replace(message("x"), run="ask-20261122-174501-7f3a")
    has(postal, Ask(one, "cause", 1))
    retires(postal)
    assert kept(postal) == (set(), {"ack:ask-20261122-174501-7f3a/1"})
    postal.clock.by += LONG
    with Outbox(postal.path) as outbox:
        settled(outbox, "shop-api/prod", "rollback")
        outbox.note("ask:damaged", "{}")
        outbox.note("ack:ask-damaged/1", "{}")
    has(postal, Ask(msgspec.structs.replace(one, run="ask-"), "cause", 1))  # whatever a host called it
    retires(postal)
    postal.clock.by += LONG
    still = made(postal, "Git is gone.").message.run
    retires(postal)
    assert kept(postal) == (set(), {"ask:damaged", "ack:ask-damaged/1", f"ask:{still}"})
