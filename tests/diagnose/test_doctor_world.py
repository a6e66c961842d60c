"""`doctor` in a whole world: what it finds there, and that it names what is missing."""

from collections.abc import Iterator

import pytest

from lastgood.config.load import load
from lastgood.examining import doctor as examined
from lastgood.model.report import Check, Mark
from lastgood.service import Places, Service
from sandbox.releases import API
from sandbox.world import World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World.up() as world:
        world.ship(API, "good-1")
        world.ship(API, "good-2")
        world.ship(API, "good-3")
        yield world


def doctor(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, Check]:
    for name, value in world.env.items():
        monkeypatch.setenv(name, value)
    text = (world.laptop / "lastgood.yaml").read_bytes()
    service = Service(str(world.laptop), load(text, "lastgood.yaml"), Places.of(world.env), world.env)
    return {check.name: check for check in examined(service, service.targets())}


def wrong(checks: dict[str, Check]) -> dict[str, Mark]:
    return {name: check.mark for name, check in checks.items() if check.mark is not Mark.OK}


def test_a_world_in_order_must_have_nothing_to_mend_but_rules_that_cannot_be_seen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = doctor(world, monkeypatch)
    unknown = {"server rules": Mark.UNKNOWN, "remote protects the branch": Mark.UNKNOWN}
    assert wrong(checks) == {**unknown, "guard hook": Mark.WARN}
    assert checks["shop-api/prod: images"].said == "you can go back 2 releases; 2 images of them here"
    assert "Robin" in checks["git identity"].said
    assert not list((world.root / "host-state/leases").iterdir())


def test_a_stopped_registry_must_leave_its_answers_unknown_and_count_what_the_host_has(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.registry.stop()
    try:
        checks = doctor(world, monkeypatch)
    finally:
        world.registry.start()
    registry = checks["shop-api/prod: registry"]
    assert registry.mark is Mark.UNKNOWN
    assert registry.said.startswith("it told of 0 of 3 images: ")
    assert registry.next == (f"docker login {world.registry.host}",)
    assert checks["shop-api/prod: images"].said.startswith("you can go back 2 releases")


def test_a_remote_that_is_away_must_be_told_for_fetching_and_for_pushing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    doctor(world, monkeypatch)  # what was fetched once is still known
    world.break_remote()
    try:
        checks = doctor(world, monkeypatch)
    finally:
        world.mend_remote()
    assert checks["git remote"].mark is Mark.WARN
    assert "exit 9" in checks["git remote"].said
    assert checks["git remote"].next == (f"git -C {world.laptop} ls-remote origin main",)
    assert checks["git push"].mark is Mark.WARN
    assert checks["deploy repo"].mark is Mark.OK
    assert checks["shop-api/prod: images"].mark is Mark.OK


def test_an_image_that_only_the_host_has_must_be_a_warning(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ship(API, "good-4")
    world.registry.delete(API, world.tag(API, "good-3"))
    images = doctor(world, monkeypatch)["shop-api/prod: images"]
    assert images.mark is Mark.WARN
    assert world.tag(API, "good-3") in images.said


def test_a_service_that_answers_nobody_must_fail_its_probe_and_nothing_of_git(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.database.stop()
    try:
        checks = doctor(world, monkeypatch)
    finally:
        world.database.start()
    probe = checks[f"shop-api/prod: probe {world.url}/api/health"]
    assert probe.mark is Mark.WARN
    assert probe.said.startswith("it fails now: 503")
    assert checks["git push"].mark is Mark.OK
