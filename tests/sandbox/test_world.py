import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox import leftovers, paths
from sandbox.run import SandboxError, docker, fetch, run, wait_until
from sandbox.world import World

API = "shop-api"
WEB = "shop-web"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World.up(web=True) as up:
        up.ship(API, "good-1")
        yield up


def traces(name: str) -> str:
    everything = f"label={paths.LABEL}.world={name}"
    found = docker("ps", "-aq", "--filter", everything), docker("volume", "ls", "-q", "--filter", everything)
    return "".join((*found, docker("network", "ls", "-q", "--filter", everything)))


def test_a_good_release_answers_customers(world: World) -> None:
    shipped = world.ship(API, "good-2")
    assert world.serving(API) == shipped.tag == world.pinned(API)
    (container,) = world.running(API)
    assert (container.state, container.restarts, container.digest) == ("running", 0, shipped.digest)
    assert world.log()[0] == (shipped.commit, f"shop-api: release {shipped.tag}")


def test_orders_survive_a_release(world: World) -> None:
    before = json.loads(fetch("GET", f"{world.url}/api/orders").body)["orders"]
    assert fetch("POST", f"{world.url}/api/orders", b'{"item": "lamp", "quantity": 2}').status == 201
    world.ship(API, "good-3")
    after = json.loads(fetch("GET", f"{world.url}/api/orders").body)["orders"]
    assert [order["item"] for order in after] == [*(order["item"] for order in before), "lamp"]


@pytest.mark.parametrize("name", ["http-500", "http-500-b"])
def test_a_release_with_the_bug_answers_500_and_says_why(world: World, name: str) -> None:
    shipped = world.ship(API, name)
    wait_until(lambda: world.answer(API)[0] == 500, "the bug shows")
    (container,) = world.running(API)
    log = run(["docker", "logs", container.container]).stdout
    assert "Traceback" in log
    assert "KeyError: 'EUR'" in log
    assert world.digest(API, name) == shipped.digest


def test_the_engine_finds_good_releases_healthy_and_bad_ones_not(world: World) -> None:
    world.ship(API, "good-1")
    wait_until(lambda: world.running(API)[0].health == "healthy", "healthy")
    world.ship(API, "http-500")
    wait_until(lambda: world.running(API)[0].health == "unhealthy", "unhealthy")


def test_a_release_that_wants_other_configuration_names_the_key(world: World) -> None:
    world.ship(API, "config-error")
    wait_until(lambda: world.running(API)[0].restarts > 0, "restarts")
    (container,) = world.running(API)
    assert "SHOP_GREETING: required key is missing" in run(["docker", "logs", container.container]).stdout
    assert world.serving(API) is None


def test_a_crash_loop_restarts(world: World) -> None:
    world.ship(API, "crash-loop")
    wait_until(lambda: world.running(API)[0].restarts > 1, "restarts")


def test_a_flaky_release_works_at_first(world: World) -> None:
    tag = world.ship(API, "flaky", wait=False).tag  # that is for four seconds only
    world.wait_serving(API, tag)
    wait_until(lambda: world.answer(API)[0] == 500, "the fault shows")


def test_a_slow_release_answers_in_the_end(world: World) -> None:
    assert world.ship(API, "slow-start").tag == world.serving(API)


def test_a_release_can_depend_on_configuration(world: World) -> None:
    path = "envs/prod/apps/shop-api/values.yaml"
    text = world.show(path)
    world.wait_serving(API, world.ship(API, "needs-greeting").tag)
    world.commit({path: world.show(path).replace("greeting: hello", "greeting: goodbye")}, "Say goodbye")
    world.deploy(API)
    wait_until(lambda: world.answer(API)[0] == 500, "the configuration breaks it")
    world.commit({path: text}, "Say hello again")


def test_without_its_database_a_release_says_so_and_recovers(world: World) -> None:
    tag = world.ship(API, "good-1").tag
    world.database.stop()
    said = json.dumps({"status": "database unavailable", "version": tag})
    wait_until(lambda: world.answer(API) == (503, said), "it says so")
    world.database.start()
    world.wait_serving(API, tag)


def test_the_frontend_names_its_version_and_its_assets(world: World) -> None:
    tag = world.ship(WEB, "good-2").tag
    page = fetch("GET", world.url).body.decode()
    asset = page.split('src="')[1].split('"')[0]
    assert tag in page
    assert fetch("GET", world.url + asset).status == 200
    world.ship(WEB, "blank")
    wait_until(lambda: world.serving(WEB) == world.tag(WEB, "blank"), "blank is served")
    asset = fetch("GET", world.url).body.decode().split('src="')[1].split('"')[0]
    assert fetch("GET", world.url + asset).status == 404


def test_a_tag_can_be_moved_and_an_image_deleted(world: World) -> None:
    tag = world.tag(API, "good-4")
    assert world.registry.digest(API, tag) == world.digest(API, "good-4")
    world.registry.move(API, tag, "good-1")
    assert world.registry.digest(API, tag) == world.digest(API, "good-1")
    world.registry.delete(API, world.tag(API, "http-500"))
    with pytest.raises(SandboxError, match="404"):
        world.registry.digest(API, world.tag(API, "http-500"))


def test_a_stopped_registry_gives_no_images_until_it_starts(world: World) -> None:
    reference = f"{world.repository(API)}:{world.tag(API, 'good-2')}"
    world.forget_image(API, "good-2")
    world.registry.stop()
    with pytest.raises(SandboxError):
        docker("pull", reference)
    world.registry.start()
    assert docker("pull", "--quiet", reference) == reference


def test_the_remote_can_break(world: World) -> None:
    world.break_remote()
    assert run(["git", "fetch"], cwd=world.laptop, env=world.env, check=False).returncode
    assert world.pinned(API)
    world.mend_remote()
    run(["git", "fetch"], cwd=world.laptop, env=world.env)


def test_colleagues_commit_on_branches_and_remove_files(world: World) -> None:
    commit = world.commit({"notes.md": "later\n"}, "Take a note", branch="notes")
    assert world.show("notes.md", commit) == "later\n"
    world.commit({"notes.md": None}, "Drop the note", branch="notes")
    assert "Take a note" not in [subject for _, subject in world.log()]


def test_the_teams_own_script_waits_for_health(world: World) -> None:
    world.ship(API, "good-1")
    said = run(["scripts/compose/wait-healthy.sh", "prod", API], cwd=world.checkout, env=world.env).stdout
    assert said.endswith("shop-api is healthy\n")


def test_two_worlds_do_not_see_each_other() -> None:
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda _: World.up(), range(2))
    with first, second:
        shipped = [first.ship(API, "good-1"), second.ship(API, "good-2")]
        assert [first.serving(API), second.serving(API)] == [one.tag for one in shipped]
        first.registry.move(API, shipped[0].tag, "good-2")
        assert second.registry.digest(API, shipped[0].tag) == shipped[0].digest
        first.down()
        assert second.serving(API) == shipped[1].tag
    assert first.digest(API, "good-2") == second.digest(API, "good-2")


def test_replicas_each_have_a_container() -> None:
    with World.up(replicas=2) as world:
        world.ship(API, "good-1")
        assert len(world.running(API)) == 2


def test_a_world_leaves_nothing_behind_and_can_be_taken_down_twice() -> None:
    world = World.up()
    world.ship(API, "good-1")
    stranger = docker(
        "create", "--network", f"lastgood-sandbox-{world.name}", f"{world.repository(API)}:{world.tag(API, 'good-1')}"
    )
    assert traces(world.name)
    world.down()
    world.down()
    assert not traces(world.name)
    assert not world.root.exists()
    assert world.registry.host not in docker("image", "ls")
    assert stranger not in docker("ps", "-aq", "--no-trunc")


def test_a_dead_owners_world_is_swept_away() -> None:
    script = "from sandbox.world import World; import time; print(World.up().name, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=paths.ROOT) as owner:
        assert owner.stdout
        name = owner.stdout.readline().strip()
        assert name not in leftovers.sweep()
        os.kill(owner.pid, signal.SIGKILL)
    leftovers.sweep()  # another test's world may do it first
    assert not traces(name)
    assert not Path(paths.WORLDS, name).exists()
