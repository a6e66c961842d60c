"""`lastgood db resolve` and `db status --drift` in a world: what is asked, what is printed, and how it ends."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect  # type: ignore[import-untyped] # it ships no types
import pytest
from resolveworld import SHOP, golang

from lastgood.effects.clock import SystemClock
from lastgood.effects.files import LocalFiles
from lastgood.model.errors import Exit
from lastgood.run import lease
from sandbox.run import docker, run
from sandbox.world import World

TAG = "sha-0c0ffee"
UPS = [up for up, _ in SHOP]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """What runs is an image with migrations in it, the third of which changes data only."""
    steps = (*SHOP[:2], ("UPDATE orders SET note = '';", "SELECT 1;"), SHOP[2])
    with World.up() as made:
        made.ship("shop-api", "good-1")
        folder = tmp_path_factory.mktemp("image") / "migrations"
        folder.mkdir()
        for name, content in golang(*steps).items():
            (folder / name).write_bytes(content)
        _release(made, folder)
        database = f"    database: {{container: shop-api-{made.name}-db-1, name: moved, user: shop, "
        database += "migrations: {image: /changes}}\n"
        text = made.show("lastgood.yaml").replace("  shop-api:\n", f"  shop-api:\n{database}")
        made.commit({"lastgood.yaml": text}, "lastgood: the database")
        run(["git", "-C", made.laptop, "pull", "-q", "--ff-only"], env=made.env)
        yield made


def _release(world: World, migrations: Path) -> None:
    """The first release with migrations in its image, as another release."""
    repository = world.repository("shop-api")
    container = docker("create", f"{repository}:{world.tag('shop-api', 'good-1')}")
    docker("cp", migrations, f"{container}:/changes")
    docker("commit", container, f"{repository}:{TAG}")
    docker("rm", container)
    docker("push", "--quiet", f"{repository}:{TAG}")
    world._repo.pin("shop-api", repository, TAG)  # no release of the catalogue has migrations
    world.deploy("shop-api")


@pytest.fixture
def database(world: World) -> Iterator[str]:
    """An empty database of the service; the container that it is in."""
    container = f"shop-api-{world.name}-db-1"
    _sql(container, "CREATE DATABASE moved", "postgres")
    yield container
    _sql(container, "DROP DATABASE moved WITH (FORCE)", "postgres")


def _sql(container: str, text: str, name: str = "moved") -> str:
    return docker("exec", container, "psql", "-X", "-q", "-At", "-U", "shop", "-d", name, "-c", text)


def lives(container: str, *applied: str, says: str) -> None:
    _sql(container, "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL)")
    for text in applied:
        _sql(container, text)
    _sql(container, f"INSERT INTO schema_migrations VALUES ({says})")  # noqa: S608


def rows(container: str) -> str:
    return _sql(container, "SELECT version, dirty FROM schema_migrations")


def does(world: World, *words: str, ends: Exit) -> dict[str, Any]:
    done = world.lastgood("db", *words, "--json", check=ends)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_nothing_is_set_without_consent_and_with_it_the_truth_is(world: World, database: str) -> None:
    lives(database, *UPS, says="4, true")
    assert does(world, "status", "shop-api", "prod", ends=Exit.NEEDS_HUMAN)["drift"] is None
    found = does(world, "resolve", "shop-api", "prod", ends=Exit.CONSENT_NEEDED)
    assert (found["version"], found["kind"], found["tool"]) == (1, "resolution", "golang-migrate")
    assert (found["truth"], found["to"], found["done"]) == ("wrong", "4", False)
    assert found["next"] == ["lastgood db resolve shop-api prod --yes"]
    assert rows(database) == "4|t"
    found = does(world, "resolve", "shop-api", "prod", "--yes", ends=Exit.DONE)
    assert (found["done"], rows(database)) == (True, "4|f")
    found = does(world, "resolve", "shop-api", "prod", "--yes", ends=Exit.DONE)
    assert (found["truth"], found["done"]) == ("right", False)


def test_of_several_versions_a_person_chooses(world: World, database: str) -> None:
    lives(database, *UPS[:2], says="3, true")
    found = does(world, "resolve", "shop-api", "prod", "--yes", ends=Exit.CONSENT_NEEDED)
    assert (found["truth"], found["matches"], found["to"]) == ("ambiguous", ["2", "3"], None)
    found = does(world, "resolve", "shop-api", "prod", "--set", "1", "--yes", ends=Exit.REFUSED)
    assert found["error"] == "Refused"
    found = does(world, "resolve", "shop-api", "prod", "--set", "3", ends=Exit.CONSENT_NEEDED)
    assert found["next"] == ["lastgood db resolve shop-api prod --set 3 --yes"]
    assert rows(database) == "3|t"
    does(world, "resolve", "shop-api", "prod", "--set", "3", "--yes", ends=Exit.DONE)
    assert rows(database) == "3|f"


@pytest.mark.parametrize(("answer", "ends", "then"), [("n", Exit.CONSENT_NEEDED, "3|t"), ("y", Exit.DONE, "1|f")])
def test_on_a_terminal_it_is_shown_and_asked(world: World, database: str, answer: str, ends: Exit, then: str) -> None:
    lives(database, UPS[0], says="3, true")
    argv = ["-m", "lastgood", "db", "resolve", "shop-api", "prod"]
    child = pexpect.spawn(
        sys.executable, argv, cwd=str(world.laptop), env=world.env, encoding="utf-8", timeout=240, dimensions=(60, 200)
    )
    child.expect(r"the schema is that of version 1")
    child.expect(r'INSERT INTO "public"."schema_migrations"')
    child.expect(r'Set "public"."schema_migrations" to version 1\? \[y/N\] ')
    assert rows(database) == "3|t"
    child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert (child.exitstatus, rows(database)) == (int(ends), then)


def test_drift_is_told_when_it_is_asked_for(world: World, database: str) -> None:
    lives(database, *UPS[:2], says="2, false")
    asked = ("status", "shop-api", "prod", "--drift")
    assert does(world, *asked, ends=Exit.DONE)["drift"] == {"fact": "known", "value": {"real": [], "order": []}}
    _sql(database, "DROP TABLE orders")
    drift = does(world, *asked, ends=Exit.NEEDS_HUMAN)["drift"]
    assert "table public.orders is missing" in drift["value"]["real"]
    found = does(world, "resolve", "shop-api", "prod", "--yes", ends=Exit.DONE)
    assert (found["to"], rows(database)) == ("", "")  # an empty schema is that of no version


def test_what_no_version_has_is_refused(world: World, database: str) -> None:
    lives(database, UPS[0], "ALTER TABLE orders ADD other int", says="2, true")
    found = does(world, "resolve", "shop-api", "prod", "--yes", ends=Exit.REFUSED)
    assert (found["truth"], found["to"], found["nearest"]) == ("different", None, "1")
    assert [one["said"] for one in found["differences"]] == ["column public.orders.other is there and was not"]
    assert rows(database) == "2|t"


def test_a_run_that_acts_on_the_target_keeps_the_version_from_being_set(world: World, database: str) -> None:
    lives(database, UPS[0], says="2, true")
    files, name, state = LocalFiles(), "shop-api/prod", str(world.root / "host-state")
    taken = {"run": "20261122-174501-7f3a", "token": "t", "holder": "Kim", "doing": "rollback"}
    lease.take(files, SystemClock(), state, name, **taken)
    try:
        found = does(world, "resolve", "shop-api", "prod", "--yes", ends=Exit.LEASE_HELD)
    finally:
        lease.release(files, state, name, "t")
    assert "Kim: rollback" in found["because"][0]
    assert rows(database) == "2|t"
