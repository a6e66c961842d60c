"""A backup is whole and proven, or it is said not to be."""

import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from dbshop import Base, opened, scratch, stamp
from shop import API, ENV

from lastgood.journal.store import Journal
from lastgood.model.errors import Exit
from lastgood.model.event import RunEnded, Said
from lastgood.run import lease
from sandbox.run import docker, wait_until

BIG = """CREATE TABLE big (t text); ALTER TABLE big ALTER t SET STORAGE EXTERNAL;
INSERT INTO big SELECT (SELECT string_agg(md5(random()::text || n || i), '') FROM generate_series(1, 320) i)
FROM generate_series(1, 1200) n"""


@pytest.fixture(scope="module")
def world() -> Iterator[Base]:
    with opened() as base:
        yield base


@pytest.fixture
def base(world: Base) -> Iterator[Base]:
    """No backup is there yet."""
    world.contained()
    yield world
    for path in world.folder.glob("*"):
        path.unlink()
    assert world.traces() == []


def test_a_backup_is_of_one_moment_whoever_writes_meanwhile_and_is_proven(base: Base) -> None:
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            base.order(7)

    base.sql("TRUNCATE orders")
    writer = threading.Thread(target=write)
    writer.start()
    made = base.db("backup", "--prove", "--because", "before the import")
    stop.set()
    writer.join()
    rows = made["backup"]["rows"]["public.orders"]
    assert rows % 7 == 0
    assert base.count() > rows
    assert made["checked"]["restored"]
    assert (made["backup"]["why"], made["backup"]["schema_version"]) == ("before the import", "1")
    assert Path(made["backup"]["path"]).stat().st_size == made["backup"]["size"]
    wait_until(lambda: not scratch(made["backup"]["path"]), "what it was restored into is gone")


def test_backups_are_listed_newest_first_with_what_is_known_of_them(base: Base) -> None:
    first, second = base.db("backup")["backup"], base.db("backup", "--prove")["backup"]
    Path(f"{first['path']}.checked").unlink()
    (base.folder / "shop-20200101T000000Z.dump.part").touch()
    found = base.db("backups")
    assert [one["backup"] for one in found["backups"]] == [second, first]
    assert found["backups"][0]["checked"]["value"]["restored"]
    assert found["backups"][1]["checked"]["fact"] == "unknown"
    assert [Path(path).name for path in found["unfinished"]] == ["shop-20200101T000000Z.dump.part"]


def test_the_newest_backup_is_verified_by_restoring_it(base: Base) -> None:
    base.db("backup")
    made = base.db("backup")["backup"]
    found = base.db("verify")
    assert (found["path"], found["good"], found["counted"]) == (made["path"], True, True)
    assert found["rows"] == made["rows"]
    assert base.db("backups")["backups"][0]["checked"]["value"]["restored"]


def damage_end(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def damage_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def damage_sum(path: Path) -> None:
    manifest = Path(f"{path}.json")
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(told | {"sha256": "0" * 64}) + "\n")


@pytest.mark.parametrize("damage", [damage_end, damage_bit, damage_sum])
def test_a_damaged_backup_is_refused_by_verify_and_by_restore(base: Base, damage: object) -> None:
    path = Path(base.db("backup")["backup"]["path"])
    damage(path)  # type: ignore[operator]
    old = base.oid()
    assert not base.db("verify", path.name, ends=Exit.NEEDS_HUMAN)["good"]
    base.restore(path.name, ends=Exit.REFUSED)
    assert (base.oid(), base.databases()) == (old, {"shop", "postgres"})
    assert base.db("backups")["backups"][0]["backup"]["path"] == str(path)


def test_a_manifest_that_counted_other_rows_is_found_by_restoring(base: Base) -> None:
    path = Path(base.db("backup")["backup"]["path"])
    manifest = Path(f"{path}.json")
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(told | {"rows": {**told["rows"], "public.orders": 1_000_000}}) + "\n")
    assert "public.orders" in base.db("verify", ends=Exit.NEEDS_HUMAN)["problems"][0]
    old = base.oid()
    base.restore(path.name, "--keep-running", ends=Exit.FAILED_RESTORED)
    assert (base.oid(), base.databases()) == (old, {"shop", "postgres"})


@pytest.fixture
def small(base: Base, tmp_path: Path) -> Iterator[Path]:
    """A disk with 6 MiB of room, where backups go."""
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=6m", "none", tmp_path), check=True)
    base.contained(more=f", backups: {{folder: {tmp_path}}}")
    yield tmp_path
    base.sql("DROP TABLE IF EXISTS big")
    subprocess.run(("umount", tmp_path), check=True)


def test_a_disk_with_too_little_room_is_refused_beforehand(base: Base, small: Path) -> None:
    refused = base.db("backup", ends=Exit.REFUSED)
    assert "6291456 bytes free" in refused["because"][0]
    assert list(small.iterdir()) == []


def test_a_disk_that_becomes_full_is_told_and_nothing_is_left(base: Base, small: Path) -> None:
    (small / "old.dump").touch()
    told = {"path": f"{small}/old.dump", "host": "local", "database": "shop", "number": 150018, "dumper": "15.18"}
    told |= {"database_size": 10**9, "size": 10**5, "sha256": "", "at": 1, "seconds": 1, "why": "a tiny one"}
    (small / "old.dump.json").write_text(json.dumps(told) + "\n")
    base.sql(BIG)
    refused = base.db("backup", ends=Exit.REFUSED)
    assert refused["because"] == [f"no space left on the disk of {small}"]
    assert sorted(path.name for path in small.iterdir()) == ["old.dump", "old.dump.json"]


def test_only_a_folder_on_the_database_s_own_disk_is_warned_of(base: Base, tmp_path: Path) -> None:
    device = (docker("exec", base.container, "sh", "-c", "busybox stat -c %d $PGDATA"), str(base.state.stat().st_dev))
    same = [one for one in base.db("backup")["warnings"] if "same disk" in one]
    assert bool(same) == (device[0] == device[1])
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=64m", "none", tmp_path), check=True)
    try:
        base.contained(more=f", backups: {{folder: {tmp_path}}}")
        assert base.db("backup")["warnings"] == []
    finally:
        subprocess.run(("umount", tmp_path), check=True)


def test_the_newest_are_kept_and_what_an_unfinished_run_names(base: Base) -> None:
    base.contained(more=", backups: {keep: 2}")
    first, second = (base.db("backup")["backup"]["path"] for _ in range(2))
    base.shop.does("check", API, ENV)
    with Journal(f"{base.world.env['XDG_STATE_HOME']}/lastgood/journal.db") as journal:
        journal.append("r-1", journal.entries(base.shop.latest_run())[0].event, 1)
        journal.append("r-1", Said(f"backed up to {first}"), 2)
        third = base.db("backup")
        assert third["removed"] == []
        fourth = base.db("backup")
        assert fourth["removed"] == [second]
        assert not [path for path in base.folder.iterdir() if stamp(second) in path.name]
        journal.append("r-1", RunEnded(Exit.DONE, "done"), 3)
    fifth = base.db("backup")
    assert sorted(fifth["removed"]) == sorted([first, third["backup"]["path"]])
    assert sorted(map(str, base.folder.glob("*.dump"))) == [fourth["backup"]["path"], fifth["backup"]["path"]]


def test_one_backup_is_made_at_a_time_and_no_rollback_waits_for_it(base: Base) -> None:
    from lastgood.effects.clock import SystemClock
    from lastgood.effects.files import LocalFiles

    name = f"{API}+backups/{ENV}"
    lease.take(
        LocalFiles(), SystemClock(), str(base.state), name,
        run="backup-20260101T000000Z", token="t", holder="ann@laptop", doing="backup", machine="another",  # noqa: S106 - no secret
    )  # fmt: skip
    held = base.db("backup", ends=Exit.LEASE_HELD)
    assert "ann@laptop" in held["because"][0]
    base.shop.does("check", API, ENV)
    assert "ann@laptop" in base.db("backups")["busy"]
    base.db("backup", "--take-over")
    assert base.db("backups")["busy"] == ""
