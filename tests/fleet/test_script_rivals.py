from collections.abc import Iterator

import pytest
from scripted import DEPLOY, ENV, HOLD, Home, begin, home

from lastgood.model.errors import Exit
from sandbox import images
from sandbox.fleet import HOME_GO
from sandbox.run import wait_until

ROLLBACK = ("rollback", HOME_GO, ENV, "--yes")
WATCHTOWER = "containrrr/watchtower:latest"


@pytest.fixture
def team() -> Iterator[Home]:
    """One server with a bad release on it, and a Watchtower that waits for moved tags."""
    with home() as found:
        found.ships("good-1", "http-500")
        # What it runs by tells what it watches, so a program of that name has to be in its image.
        found.host.docker("create", "--name", "made", images.DATABASE.image)
        found.host.write("/tmp/watchtower", "#!/bin/sh\nexec cat\n")
        found.host.exec("chmod", "755", "/tmp/watchtower")
        found.host.exec("docker", "cp", "/tmp/watchtower", "made:/watchtower")
        found.host.docker("commit", "made", WATCHTOWER)
        found.host.docker("rm", "made")
        found.host.docker("run", "-dit", "--name", "watchtower", "--entrypoint", "/watchtower", WATCHTOWER)
        yield found


def watchtower(team: Home) -> str:
    return team.host.docker("inspect", "--format", "{{.State.Status}}", "watchtower")


MEANWHILE = "docker inspect --format '{{.State.Status}}' watchtower > /tmp/meanwhile"


def test_what_would_undo_a_rollback_is_named_paused_and_goes_on_afterwards(team: Home) -> None:
    plan = team.does("plan", HOME_GO, ENV)
    assert "watchtower" in str(plan["plan"])
    assert watchtower(team) == "running"
    team.deploys_by(MEANWHILE)
    team.rollback()
    assert team.host.read("/tmp/meanwhile") == "paused\n"
    assert watchtower(team) == "running"
    assert team.settled("good-1")


def test_it_goes_on_after_a_run_that_failed(team: Home) -> None:
    team.deploys_by(f"{MEANWHILE}; exit 1")
    team.rollback(ends=Exit.FAILED_RESTORED)
    assert team.host.read("/tmp/meanwhile") == "paused\n"
    assert watchtower(team) == "running"


def test_what_somebody_paused_before_stays_paused(team: Home) -> None:
    team.host.docker("pause", "watchtower")
    team.rollback()
    assert watchtower(team) == "paused"
    assert team.settled("good-1")
    team.host.docker("unpause", "watchtower")  # what is frozen keeps a server from being switched off


@pytest.mark.parametrize("verb", ["resume", "abort"])
def test_it_goes_on_after_a_run_that_was_killed(team: Home, verb: str) -> None:
    team.impatient()
    team.deploys_by(f"while [ -e {HOLD} ]; do sleep 0.1; done")
    team.holds()
    with begin(team, *ROLLBACK) as session:
        session.did("1.pin")
        wait_until(lambda: bool(team.process(DEPLOY)), "the script runs")
        session.dies()
    assert watchtower(team) == "paused"
    team.lets_go()
    team.does(verb, session.run)
    assert watchtower(team) == "running"
    assert team.runs("good-1" if verb == "resume" else "http-500")


def test_one_that_is_removed_meanwhile_is_no_failure(team: Home) -> None:
    team.deploys_by("docker rm -f watchtower >/dev/null")
    team.rollback()
    assert team.settled("good-1")
