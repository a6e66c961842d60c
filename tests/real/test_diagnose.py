"""What `diagnose` says on a real engine, registry, proxy, database and git remote, one world for all situations."""

import json
import sys

from lastgood.model.diagnosis import Scenario
from sandbox.run import run
from sandbox.world import World
from tests.judge.__main__ import answered
from tests.judge.live import diagnosed, situations


def test_real_failures_must_be_told_apart_and_nothing_be_touched() -> None:
    with World.up(web=True) as world:
        for live in situations(world):
            before = (world.log(), world.running("shop-api"), world.running("shop-web"))
            done = diagnosed(world, live.service)
            said = json.loads(done.stdout)
            found = answered(said)
            assert (found.scenario, found.action) == (live.scenario, live.action), (live.name, said)
            assert not live.key or found.key == live.key
            assert done.returncode == (8 if found.action == "human" else 0)
            assert "shop:shop@" not in done.stdout  # the database's password is in the environment
            if live.scenario is Scenario.DEPENDENCY:
                refuses_to_roll_back(world, live.service)
            # A container that exits by itself is started again meanwhile; nothing else may move.
            after = (world.log(), world.running("shop-api"), world.running("shop-web"))
            assert before[0] == after[0]
            assert [one.container for one in before[1] + before[2]] == [one.container for one in after[1] + after[2]]


def refuses_to_roll_back(world: World, service: str) -> None:
    """A rollback that nobody watches stops at what it would not cure; the plan alone is still to be had.

    Its time is made long: on a busy machine the look would be late, and what is late stops nothing.
    """
    patient = "import sys, lastgood.cli.doubt as d; d.SECONDS = 60; from lastgood.cli.app import run; "
    patient += "sys.exit(run(sys.argv[1:]))"
    words = (service, "prod", "--json")
    argv = [sys.executable, "-c", patient, "rollback", *words]
    done = run([*argv, "--yes"], check=False, cwd=world.laptop, env=world.env)
    said = json.loads(done.stdout)
    assert (done.returncode, said["error"], "would not cure" in said["what"]) == (8, "NeedsHuman", True)
    assert "--anyway" in said["next"][1]
    assert json.loads(world.lastgood("runs", "--json", check=0).stdout)["runs"] == []
    assert run(argv, check=False, cwd=world.laptop, env=world.env).returncode == 4
