import time
from collections.abc import Callable

import pytest
from shop import API, COMPOSE, Shop

from lastgood.model.errors import Exit
from lastgood.model.release import Grade
from sandbox import leftovers
from sandbox.containers import Member, Running
from sandbox.run import docker, run

LIMIT = 240
WORKER = """\
services:
  worker:
    image: ${IMAGE_REPOSITORY}:${IMAGE_TAG}
    command: [/usr/bin/python3.11, -c, "assert 'VERSION' not in open('/app/release.json').read(); input()"]
    stdin_open: true
    healthcheck: {disable: true}
    stop_grace_period: 1s
"""


@pytest.mark.parametrize("release", ["config-error", "crash-loop"])
def test_a_release_that_exits_at_start_fails_in_seconds_not_at_the_time_limit(shop: Shop, release: str) -> None:
    shop.configure("limit: 25s", f"limit: {LIMIT}s")
    shop.commits(release)
    shop.ships("good-1")
    begun = time.monotonic()
    shop.rollback("--to", shop.tag(release), ends=Exit.FAILED_RESTORED)
    assert time.monotonic() - begun < LIMIT / 2
    assert shop.serves("good-1")


def test_a_release_that_is_healthy_at_first_is_caught_by_the_stable_window(shop: Shop) -> None:
    shop.configure("window: 1s", "window: 6s")
    shop.ships("good-1")
    shop.commits("flaky")
    shop.ships("http-500")
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-1")
    assert shop.grades()[shop.tag("flaky")] is Grade.BAD


def test_a_release_that_starts_slowly_is_waited_for(shop: Shop) -> None:
    shop.commits("good-1", "slow-start")
    shop.ships("http-500")
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("slow-start")


def test_every_container_of_a_service_is_switched_and_their_number_is_kept(shop_of: Callable[[int], Shop]) -> None:
    shop = shop_of(2)
    shop.ships("good-1", "http-500")
    shop.rollback(ends=Exit.DONE)
    assert shop.runs("good-1", containers=2)
    assert shop.world.serving(API) == shop.tag("good-1")


def test_a_number_of_containers_set_by_hand_is_kept(shop: Shop) -> None:
    shop.ships("good-1", "http-500")
    scale(shop, 2)
    shop.rollback(ends=Exit.DONE)
    assert shop.runs("good-1", containers=2)


def test_one_broken_container_of_two_fails_the_gate(shop_of: Callable[[int], Shop]) -> None:
    """Customers reach the proxy's choice: one healthy container must not answer for the other."""
    shop = shop_of(2)
    shop.commits("crash-loop")
    shop.ships("good-1")
    shop.rollback("--to", shop.tag("crash-loop"), ends=Exit.FAILED_RESTORED)
    assert shop.runs("good-1", containers=2)


def test_a_second_service_of_the_image_that_does_not_come_up_is_no_success(shop: Shop) -> None:
    worker = WORKER.replace("VERSION", shop.tag("good-2"))
    shop.world.commit({COMPOSE: shop.world.show(COMPOSE).replace("services:\n", worker)}, "Add a worker")
    shop.ships("good-1")
    shop.commits("good-2")
    shop.ships("http-500")
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-1")
    assert [(one.digest, one.state) for one in of_service(shop, "worker")] == [(shop.digest("good-1"), "running")]


def test_a_container_that_still_runs_the_old_image_is_never_called_a_success(shop: Shop) -> None:
    shop.configure("limit: 25s", "limit: 5s")
    shop.ships("good-1", "http-500")
    stray(shop, "forgotten", "http-500")
    history = shop.world.log()
    shop.rollback(ends=Exit.FAILED_RESTORED)
    assert shop.runs("http-500")
    assert shop.world.log() == history
    assert shop.tag("good-1") not in {tag for tag, grade in shop.grades().items() if grade is Grade.VERIFIED}


def test_a_container_that_another_hand_put_back_on_the_bad_image_is_switched_again(shop: Shop) -> None:
    shop.ships("good-1", "good-2", "http-500")
    shop.fails_with(500)
    shop.rollback(ends=Exit.DONE)
    stray(shop, "api", "http-500")
    shop.rollback(ends=Exit.DONE)
    assert shop.runs("good-2", containers=2)


def of_service(shop: Shop, service: str) -> list[Running]:
    """The containers of another Compose service of the project."""
    return Member(shop.world.project(API), service).running(shop.world.repository(API))


def stray(shop: Shop, service: str, release: str) -> None:
    """Somebody starts a container that belongs to the project, by hand."""
    known = {"project": shop.world.project(API), "service": service, "config-hash": "", "container-number": "2"}
    compose = {**known, "oneoff": "False"}
    labels = [word for key, value in compose.items() for word in ("--label", f"com.docker.compose.{key}={value}")]
    image = f"{shop.world.repository(API)}:{shop.tag(release)}"
    docker("run", "--detach", *labels, "--label", f"{leftovers.WORLD}={shop.world.name}", "--no-healthcheck", image)


def scale(shop: Shop, containers: int) -> None:
    """The operator runs more containers than the Compose file asks for."""
    file = f"{shop.world.checkout}/{COMPOSE}"
    release = {"IMAGE_REPOSITORY": shop.world.repository(API), "IMAGE_TAG": shop.world.pinned(API)}
    env = {**shop.world.env, **release, "CONFIG_GREETING": "hello"}
    run(["docker", "compose", "--file", file, "up", "--detach", "--no-recreate", f"--scale=api={containers}"], env=env)
    assert len(shop.running()) == containers
