"""A backup is whole, and says so itself, or it is not there."""

import hashlib
import os
import signal
import threading
from pathlib import Path

import msgspec
import pytest
from pgworld import FILES, Server, failed, known, meanwhile, ran, saved, until

from lastgood.effects.process import LocalProcess
from lastgood.model.command import Child, Command, Completed
from lastgood.model.database import Backup, Format
from lastgood.model.facts import Unknown
from lastgood.postgres import backup, facts, kept, restore
from lastgood.postgres.asking import execute
from lastgood.postgres.client import Client

# Random texts: what cannot be compressed fills disks, and takes pg_dump a while.
BIG = """CREATE TABLE big (t text); ALTER TABLE big ALTER t SET STORAGE EXTERNAL;
INSERT INTO big SELECT (SELECT string_agg(md5(random()::text || n || i), '') FROM generate_series(1, 320) i)
FROM generate_series(1, %d) n;"""
WANTED = backup.Wanted("", 1_800_000_000, "a test")


def wanted(folder: Path, **fields: object) -> backup.Wanted:
    return msgspec.structs.replace(WANTED, folder=str(folder), **fields)


def test_a_backup_has_its_manifest_and_its_checksum(orders: Client, folder: Path) -> None:
    made = saved(orders, folder, schema_version="42")
    dump = Path(made.path)
    assert dump.name == f"{orders.reach.name.replace(' ', '%20')}-20261128T100000Z.dump"
    assert dump.read_bytes().startswith(b"PGDMP")
    digest = hashlib.sha256(dump.read_bytes()).hexdigest()
    assert (made.sha256, made.size) == (digest, dump.stat().st_size)
    assert Path(f"{dump}.sha256").read_text() == f"{digest}  {dump.name}\n"
    assert msgspec.json.decode(Path(f"{dump}.json").read_bytes(), type=Backup) == made
    assert (made.rows, made.why, made.schema_version) == ({"public.orders": 90}, "a test", "42")
    assert (made.number // 10000, made.dumper[:3]) == (15, "15.")
    assert sorted(path.suffix for path in folder.iterdir()) == [".dump", ".json", ".sha256"]
    assert dump.stat().st_mode & 0o077 == 0
    assert kept.verify(orders, made.path) is Format.CUSTOM


def test_a_database_with_an_odd_name_is_backed_up(server: Server, folder: Path) -> None:
    name = "it's \"a\"/$$ tablé=1 'host=x'"
    server.sql("postgres", 'CREATE DATABASE "' + name.replace('"', '""') + '" TEMPLATE template0')
    client = server.client(name, "odd")
    ran(execute(client, 'CREATE TABLE "a;b" (); INSERT INTO "a;b" DEFAULT VALUES'))
    made = saved(client, folder)
    assert (made.database, made.rows) == (name, {'public."a;b"': 1})
    assert Path(made.path).parent == folder
    there = restore.restore_beside(client, made.path, Format.CUSTOM, name + "2", run="odd")
    assert isinstance(there, restore.Restored)
    assert known(facts.counts(client.of(name + "2"))) == made.rows


def test_rows_are_those_of_the_dump_whoever_writes_meanwhile(server: Server, orders: Client, folder: Path) -> None:
    insert = """INSERT INTO orders (item) SELECT 'late' FROM generate_series(1, 7)"""

    def write() -> None:
        server.sql(orders.reach.name, insert)

    with meanwhile(write):
        made = saved(orders, folder)
    assert made.rows
    assert (made.rows["public.orders"] - 90) % 7 == 0
    there = restore.restore_beside(orders, made.path, Format.CUSTOM, f"{orders.reach.name} side", run="x", jobs=1)
    assert isinstance(there, restore.Restored)
    assert known(facts.counts(orders.of(there.name))) == made.rows
    assert known(facts.counts(orders))["public.orders"] > made.rows["public.orders"]


def test_a_backup_need_not_count(orders: Client, folder: Path) -> None:
    assert saved(orders, folder, rows=False).rows is None


@pytest.fixture
def damaged(orders: Client, folder: Path) -> Backup:
    ran(execute(orders, BIG % 20))
    return saved(orders, folder)


def test_a_dump_that_is_cut_off_is_refused(orders: Client, damaged: Backup) -> None:
    path = Path(damaged.path)
    path.write_bytes(path.read_bytes()[:-2000])
    assert "is not what was backed up" in failed(kept.verify(orders, damaged.path)).reason
    Path(f"{path}.sha256").unlink()
    assert "cannot be read to its end: pg_restore: error:" in failed(kept.verify(orders, damaged.path)).reason


def test_a_dump_with_a_wrong_bit_is_refused(orders: Client, damaged: Backup) -> None:
    flip(Path(damaged.path))
    assert "is not what was backed up" in failed(kept.verify(orders, damaged.path)).reason
    Path(f"{damaged.path}.sha256").unlink()
    assert "cannot be read to its end" in failed(kept.verify(orders, damaged.path)).reason


def test_a_wrong_bit_without_compression_is_found_by_the_checksum(orders: Client, folder: Path) -> None:
    ran(execute(orders, BIG % 20))
    made = saved(orders, folder, compression=0)
    assert kept.verify(orders, made.path) is Format.CUSTOM
    flip(Path(made.path))
    assert "is not what was backed up" in failed(kept.verify(orders, made.path)).reason
    Path(f"{made.path}.sha256").unlink()
    assert "is not what was backed up" in failed(kept.verify(orders, made.path, made.sha256)).reason


def test_where_no_checksum_can_be_made_a_backup_is_not_called_good(
    orders: Client, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = saved(orders, folder)
    broken = tmp_path / "sha256sum"
    broken.write_text("#!/bin/sh\necho 'Input/output error' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert "Input/output error" in failed(kept.verify(orders, made.path)).reason


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_dump_that_is_not_there_is_refused(orders: Client, folder: Path) -> None:
    assert "cannot be read" in failed(kept.verify(orders, f"{folder}/nope.dump")).reason


def test_too_little_room_is_told_before_anything_is_written(server: Server, orders: Client) -> None:
    refused = failed(backup.backup(orders, FILES, wanted(server.small), "now"))
    assert refused.reason.startswith(f"{server.small} has 6291456 bytes free, and the dump may need ")
    more = wanted(server.folder, besides=10**18)
    assert failed(backup.backup(orders, FILES, more, "now")).reason.endswith(f"with the {10**18} of what is salvaged")
    assert list(server.small.iterdir()) == []


def test_a_disk_that_becomes_full_is_told_and_nothing_is_left(server: Server, orders: Client) -> None:
    ran(execute(orders, BIG % 1200))
    # An earlier backup that was tiny: nothing says that this one will not be.
    name = orders.reach.name
    earlier = Backup("", "local", name, 150000, "", 10**9, 10**5, "", 1, 1.0, "")
    ready = backup.check(orders, wanted(server.small), (earlier,))
    assert isinstance(ready, backup.Ready)
    refused = failed(backup.backup(orders, FILES, wanted(server.small), "now", ready))
    assert refused.reason == f"no space left on the disk of {server.small}"
    assert list(server.small.iterdir()) == []
    assert until(lambda: server.sessions(orders.application) == 0)


def test_a_table_that_somebody_locks_is_not_waited_for_without_end(
    server: Server, orders: Client, folder: Path
) -> None:
    ran(execute(orders, "CREATE TABLE other ()"))
    with server.connected(orders.reach.name, "BEGIN; LOCK TABLE other;"):
        refused = failed(backup.backup(orders, FILES, wanted(folder, lock_wait=0.1), "now"))
    assert refused.reason == "a lock on public.other was not had in time"
    assert refused.locked
    assert list(folder.iterdir()) == []


class Stopper:
    """Kills what it runs once a session of pg_dump is seen."""

    def __init__(self, server: Server, name: str) -> None:
        self.inner = LocalProcess(patience=0.2)
        self.server = server
        self.name = name
        self.begun = threading.Event()

    def run(self, command: Command, **fields: object) -> Completed:
        if fields.get("on_start"):
            return self.inner.run(command, on_start=self._started)
        return self.inner.run(command)

    def _started(self, child: Child) -> None:
        def kill() -> None:
            # Seen by the server itself: a question from here takes a busy machine as long as the dump.
            copying = f"SELECT FROM pg_stat_activity WHERE query LIKE 'COPY%' AND datname = '{self.name}'"
            look = f"WHILE NOT EXISTS ({copying}) LOOP PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01); END LOOP"
            self.server.sql("postgres", f"SET statement_timeout = '60s'; DO $$ BEGIN {look}; END $$")
            self.begun.set()
            assert child.pid > 1
            os.killpg(child.pid, signal.SIGKILL)

        threading.Thread(target=kill).start()


def test_a_dump_that_is_killed_half_way_leaves_neither_file_nor_session(
    server: Server, orders: Client, folder: Path
) -> None:
    ran(execute(orders, BIG % 1200))
    stopper = Stopper(server, orders.reach.name)
    client = Client(stopper, orders.secrets, orders.reach, mark=orders.mark, on_start=lambda _: None)  # type: ignore[arg-type]
    refused = failed(backup.backup(client, FILES, wanted(folder, compression=9), "now"))
    assert stopper.begun.is_set()
    assert refused.reason
    assert list(folder.iterdir()) == []
    assert until(lambda: server.sessions(orders.application) == 0)


def test_a_dump_that_takes_too_long_is_ended_with_its_session(server: Server, orders: Client, folder: Path) -> None:
    with server.connected(orders.reach.name, "BEGIN; LOCK TABLE orders;"):
        refused = failed(backup.backup(orders, FILES, wanted(folder, limit=3), "now"))
    assert "killed after 3 s" in refused.reason
    assert list(folder.iterdir()) == []
    assert until(lambda: server.sessions(orders.application) == 0)


def test_giving_up_a_backup_leaves_one_that_was_finished(orders: Client, folder: Path) -> None:
    made = saved(orders, folder)
    assert backup.abandon(orders, made.path, made.database) == ""
    assert kept.verify(orders, made.path) is Format.CUSTOM


def test_backups_are_listed_newest_first_and_unfinished_ones_are_not(orders: Client, folder: Path) -> None:
    assert known(kept.backups(orders, str(folder))) == ()
    first, second = saved(orders, folder, "a"), saved(orders, folder, "b", rows=False)
    second = msgspec.structs.replace(second, at=first.at + 1)
    Path(f"{second.path}.json").write_bytes(backup.manifest(second))
    (folder / "c.dump.json").write_bytes(backup.manifest(first))
    (folder / "d.dump.part").write_bytes(b"")
    assert known(kept.backups(orders, str(folder))) == (second, first)
    assert known(kept.unfinished(orders, str(folder))) == (f"{folder}/d.dump.part",)
    assert kept.remove(orders, (first,)) is None
    assert kept.remove(orders, (first,)) is None
    assert known(kept.backups(orders, str(folder))) == (second,)
    (folder / f"{Path(second.path).name}.json").write_text("{}\n")
    assert isinstance(kept.backups(orders, str(folder)), Unknown)


def test_the_newest_are_kept_and_so_are_needed_ones() -> None:
    all_ = [Backup(str(n), "local", "ab"[n % 2], 15, "", 0, 0, "", n, 0, "") for n in range(8)]
    gone = kept.superfluous(all_, keep=2, needed=("1",))
    assert [one.path for one in gone] == ["3", "2", "0"]


def test_the_size_of_a_dump_is_told_by_the_newest_earlier_one() -> None:
    older = Backup("", "local", "a", 15, "", 1000, 900, "", 1, 0, "")
    newer = msgspec.structs.replace(older, size=200, at=2)
    assert backup.estimate(5000, (newer, older)) == 1000
    assert backup.estimate(5000, ()) == 5000


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"PGDMP\x01\x0e", Format.CUSTOM),
        (b"\x1f\x8b\x08\x00", Format.GZIP),
        (b"--\n-- PostgreSQL database dump\n", Format.PLAIN),
        (b"\x00\x01\x02", None),
        (b"", None),
    ],
)
def test_a_dump_is_recognised_by_its_first_bytes(
    orders: Client, tmp_path: Path, content: bytes, expected: Format | None
) -> None:
    path = tmp_path / "a dump"
    path.write_bytes(content)
    found = kept.recognise(orders, str(path))
    assert isinstance(found, Unknown) if expected is None else known(found) is expected
