from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from scripted import DEPLOY, ENV, HOLD, Home, Session, begin, home

from lastgood.model.errors import Exit
from sandbox.fleet import HOME_GO
from sandbox.hosts import CHECKOUT
from sandbox.run import wait_until

ROLLBACK = ("rollback", HOME_GO, ENV, "--yes")
# The server's git stands still after it has brought the checkout forward, and leaves a sign that it does.
STANDS_STILL = f"#!/bin/sh\n[ -e {HOLD} ] && touch {HOLD}.reached\nwhile [ -e {HOLD} ]; do sleep 0.05; done\n"


@pytest.fixture
def team() -> Iterator[Home]:
    """One server of its own, nothing shipped yet; the team waits for health for three seconds."""
    with home() as found:
        found.impatient()
        yield found


@contextmanager
def between_pin_and_switch(team: Home) -> Iterator[Session]:
    """A rollback that stands still when its pin is in git and in the checkout, and nothing is switched."""
    hook = f"{CHECKOUT}/.git/hooks/post-merge"
    team.host.write(hook, STANDS_STILL)
    team.host.exec("chmod", "755", hook)
    team.holds()
    try:
        with begin(team, *ROLLBACK) as session:
            session.did("1.pin")
            wait_until(lambda: team.host.outside(f"{HOLD}.reached").exists(), "git stands still")
            yield session
    finally:
        team.lets_go()


def test_every_failed_release_is_a_further_commit_and_giving_up_puts_the_first_pin_back(team: Home) -> None:
    team.commits("http-500-b", "config-error")
    team.ships("http-500")
    tip = team.tip()
    team.rollback(ends=Exit.FAILED_RESTORED)
    assert team.runs("http-500")
    assert team.contains(tip)
    assert team.since(tip) == [
        f"Put {HOME_GO}/prod back on {team.tag('http-500')}",
        f"Pin {HOME_GO}/prod to {team.tag('http-500-b')}",
        f"Pin {HOME_GO}/prod to {team.tag('config-error')}",
    ]
    assert team.changed(tip) == []
    assert team.at() == team.tip()
    assert team.leases() == []


def test_a_release_that_fails_is_followed_by_a_commit_for_the_next(team: Home) -> None:
    team.commits("good-1", "http-500-b")
    team.ships("http-500")
    tip = team.tip()
    team.rollback()
    assert team.settled("good-1")
    assert team.contains(tip)
    assert team.since(tip) == [
        f"Pin {HOME_GO}/prod to {team.tag('good-1')}",
        f"Pin {HOME_GO}/prod to {team.tag('http-500-b')}",
    ]


def test_a_colleagues_commit_on_the_way_is_kept(team: Home) -> None:
    team.ships("good-1", "http-500")
    tip = team.tip()
    with between_pin_and_switch(team) as session:
        theirs = team.world.commit({"notes.md": "on the way\n"}, "Take a note")
        team.lets_go()
        assert session.end()["exit"] == 0
    assert team.contains(tip)
    assert team.contains(theirs)
    assert team.settled("good-1")
    assert team.world.show("notes.md") == "on the way\n"


def test_a_run_killed_between_pin_and_switch_is_finished_by_resume(team: Home) -> None:
    team.ships("good-1", "http-500")
    tip = team.tip()
    with between_pin_and_switch(team) as session:
        session.dies()
    assert team.runs("http-500")
    report = team.does("resume", session.run)
    assert report["run"] == session.run
    assert team.settled("good-1")
    assert team.since(tip) == [f"Pin {HOME_GO}/prod to {team.tag('good-1')}"]
    assert team.leases() == []


def test_a_run_killed_between_pin_and_switch_is_undone_by_abort(team: Home) -> None:
    team.ships("good-1", "http-500")
    tip, ids = team.tip(), team.ids()
    with between_pin_and_switch(team) as session:
        session.dies()
    team.does("abort", session.run)
    assert team.ids() == ids
    assert team.runs("http-500")
    assert team.contains(tip)
    assert team.changed(tip) == []
    assert team.at() == team.tip()
    assert team.since(tip)[0] == f"Put {HOME_GO}/prod back on {team.tag('http-500')}"
    assert team.leases() == []


def test_a_run_killed_while_the_script_works_is_finished_by_resume(team: Home) -> None:
    team.ships("good-1", "http-500")
    team.deploys_by(f"while [ -e {HOLD} ]; do sleep 0.1; done")
    team.holds()
    tip = team.tip()
    with begin(team, *ROLLBACK) as session:
        session.did("1.pin")
        wait_until(lambda: bool(team.process(DEPLOY)), "the script runs")
        session.dies()
    team.lets_go()
    team.does("resume", session.run)
    assert team.settled("good-1")
    assert team.since(tip) == [f"Pin {HOME_GO}/prod to {team.tag('good-1')}"]
    assert team.process(DEPLOY) == []


def test_a_run_killed_after_its_file_was_written_is_finished_by_resume(team: Home) -> None:
    """Nobody but the run itself changed the file, and that has to be known although it could not say so any more."""
    team.ships("good-1", "http-500")
    team.does("status", HOME_GO, ENV)
    team.world.break_remote()
    with begin(team, *ROLLBACK) as session:
        session.did("1.pin")
        wait_until(lambda: team.tag("good-1") in team.there().decode(), "the file is written", every=0.01)
        session.dies()
    report = team.does("resume", session.run, ends=Exit.MITIGATED)
    assert team.serves("good-1"), report
    team.world.mend_remote()
    team.does("settle", session.run)
    assert team.settled("good-1")
    assert team.leases() == []
