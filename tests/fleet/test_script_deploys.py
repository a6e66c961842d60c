from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from subprocess import CompletedProcess

import pytest
from scripted import DEPLOY, ENV, Home, begin, home

from sandbox.fleet import HOME_GO, HOME_WEB
from sandbox.hosts import CHECKOUT
from sandbox.run import wait_until

ROLLBACK = ("rollback", HOME_GO, ENV, "--yes")


@pytest.fixture
def team() -> Iterator[Home]:
    """One server with a bad release on it."""
    with home() as found:
        found.ships("good-1", "http-500")
        yield found


@contextmanager
def deploying(team: Home, service: str = HOME_GO, env: str = ENV) -> Iterator[Future[CompletedProcess[str]]]:
    """Somebody deploys on the server by hand, which takes until the end of the block."""
    hold = f"/tmp/hold.{env}.{service}"
    team.deploys_by('[ -e "/tmp/hold.$1.$2" ] && rm "/tmp/hold.$1.$2" && sleep 4321 | cat')
    team.holds(hold)
    with ThreadPoolExecutor() as pool:
        deploy = pool.submit(team.host.exec, DEPLOY, env, service, cwd=CHECKOUT, check=False)
        try:
            wait_until(lambda: bool(team.process("sleep 4321")), "the deploy is at work")
            yield deploy
        finally:
            ends(team)


def ends(team: Home) -> None:
    """What the deploy waits for comes."""
    team.host.exec("pkill", "-x", "sleep", check=False)


def test_a_deploy_that_runs_is_named_and_waited_for(team: Home) -> None:
    with deploying(team) as deploy:
        plan = team.does("plan", HOME_GO, ENV)
        assert f"{DEPLOY} {ENV} {HOME_GO}" in str(plan)
        tip = team.tip()
        with begin(team, *ROLLBACK) as session:
            session.begun(f"await.{HOME_GO}.{team.host.url.rpartition('@')[2]}")
            assert not deploy.done()
            assert team.tip() == tip
            assert team.runs("http-500")
            ends(team)
            assert session.end()["exit"] == 0
        assert deploy.result().returncode == 0
    assert team.settled("good-1")


def test_a_deploy_is_ended_with_all_that_it_started_where_somebody_consents(team: Home) -> None:
    with deploying(team) as deploy:
        team.rollback("--stop-deploy")
        assert team.process("sleep 4321") == []
        assert deploy.result().returncode != 0
    assert team.process(DEPLOY) == []
    assert team.settled("good-1")


@pytest.mark.parametrize(("service", "env"), [(HOME_WEB, ENV), (HOME_GO, "staging")])
def test_a_deploy_of_something_else_is_left_alone(team: Home, service: str, env: str) -> None:
    if service == HOME_WEB:
        team.ships("good-1", service=HOME_WEB)
    with deploying(team, service, env) as deploy:
        assert "await" not in str(team.does("plan", HOME_GO, ENV))
        team.rollback("--stop-deploy")
        assert not deploy.done()
        assert len(team.process("sleep 4321")) == 1
    assert team.serves("good-1")
    assert team.world.pinned(HOME_GO) == team.tag("good-1")


def test_compose_at_work_on_the_project_is_a_deploy_as_well(team: Home) -> None:
    """Somebody runs Compose by hand, past the team's script."""
    compose = ["docker", "compose", "--project-name", HOME_GO, "--file", "-", "up"]
    image = f"{team.world.repository(HOME_GO)}:{team.tag('good-1')}"
    definition = f"services: {{slow: {{image: '{image}', entrypoint: [sleep, '4321']}}}}"
    with ThreadPoolExecutor() as pool:
        up = pool.submit(team.host.exec, *compose, check=False, stdin=definition)
        try:
            wait_until(lambda: bool(team.process("compose --project-name")), "compose is at work")
            assert "compose --project-name" in str(team.does("plan", HOME_GO, ENV))
        finally:
            team.host.exec("pkill", "-f", "compose --project-name", check=False)
        up.result()
