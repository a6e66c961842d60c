"""Rollbacks that need an older schema which cannot be had: refused after all was tried on a copy, nothing touched."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from schema import DATABASE, Database
from shop import API, ENV, Shop
from test_descent import in_trouble

from lastgood.model.errors import Exit
from sandbox.world import World


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    """The second migration is in the database, and the release before does not start with it."""
    with World.up() as world:
        found = in_trouble(Shop(world), "strict-1", "index-500", 2)
        found.orders(3)
        yield found


def refused(database: Database) -> dict[str, Any]:
    """A rollback that is refused, and has changed nothing anywhere."""
    shop, schema = database.shop, "SELECT version, dirty, to_regclass('orders_item_idx') FROM schema_migrations"
    before = (shop.scene(), database.sql(schema), database.databases())
    said = shop.rollback(ends=Exit.REFUSED)
    assert (shop.scene(), database.sql(schema), database.databases()) == before
    assert database.asked("SELECT count(*) FROM orders") == 3
    assert (database.kept(), database.leftovers()) == ([], [])
    assert not list(database.backups.glob("*"))
    return said


def test_a_version_in_the_database_that_no_release_has_is_named(database: Database) -> None:
    database.sql("UPDATE schema_migrations SET version = 9")
    try:
        said = refused(database)
    finally:
        database.sql("UPDATE schema_migrations SET version = 2")
    assert any("9" in each for each in (said["what"], *said["because"]))
    assert said["next"]


@pytest.fixture
def small(database: Database, tmp_path: Path) -> Iterator[Path]:
    """A disk with 6 MiB of room, where backups go."""
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=6m", "none", tmp_path), check=True)
    folder = database.backups
    configured = DATABASE.format(container=database.container, backups=folder)
    elsewhere = configured.replace(str(folder), str(tmp_path))
    database.shop.configure(configured, elsewhere)
    database.backups = tmp_path
    yield tmp_path
    database.backups = folder
    database.shop.configure(elsewhere, configured)
    subprocess.run(("umount", tmp_path), check=True)


def test_a_disk_without_room_for_the_backup_is_told_before_anybody_is_stopped(database: Database, small: Path) -> None:
    said = refused(database)
    assert f"{small} has 6291456 bytes free" in said["because"][0]
    assert said["next"]
    assert database.shop.does("plan", API, ENV, ends=Exit.REFUSED)["because"] == said["because"]
