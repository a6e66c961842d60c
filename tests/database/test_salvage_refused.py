"""A salvage that fails, or cannot be put back, changes nothing, and the next attempt finds everything."""

import errno
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from salvaged import RUN, Shop, loss

from lastgood.database import salvaging
from lastgood.effects.files import LocalFiles
from lastgood.model.errors import Exit, InDoubt, NeedsHuman, Refused, UsageError
from lastgood.model.schema import What
from lastgood.postgres.client import Client
from tests.postgres.pgworld import Server, failed

ORDERS = """
CREATE TABLE people (id int PRIMARY KEY); INSERT INTO people VALUES (1), (2);
CREATE TABLE orders (id serial PRIMARY KEY, note text, of int REFERENCES people, n int);
INSERT INTO orders (note, of, n) SELECT 'n' || n, 2, n FROM generate_series(1, 5) n;
"""


LOSE = "ALTER TABLE orders DROP note; DELETE FROM orders WHERE id > 3"


GAIN = "ALTER TABLE orders ADD note text"


NOTE = loss(What.COLUMN, "public", "orders", "note")


LOST = (NOTE, loss(What.ROWS, "public", "orders"))


@pytest.fixture
def small(server: Server, client: Client, tmp_path: Path) -> Shop:
    """Five orders, whose note and of which two are lost."""
    return Shop(server, client, tmp_path, ORDERS, LOSE, lost=LOST)


@pytest.fixture(scope="module")
def gone(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The same, salvaged and gone down: not to be changed, but to be copied."""
    server.sql("postgres", "CREATE DATABASE gone TEMPLATE template0")
    shop = Shop(server, server.client("gone", RUN), tmp_path_factory.mktemp("gone"), ORDERS, LOSE, lost=LOST)
    shop.salvaged()
    shop.down()
    return shop


DIES = """
CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
CREATE TRIGGER die BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION die();
"""


ROWS = "SELECT id, note, of, n FROM orders ORDER BY id"


SHOUTS = """
CREATE FUNCTION up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note = upper(NEW.note); RETURN NEW; END $$;
CREATE TRIGGER up BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION up();
"""


REFUSED = {
    "no column": ("SELECT 1", Refused, '"note" of "public"."orders" is not there'),
    "no table": ("DROP TABLE orders", Refused, 'there is no table "public"."orders"'),
    "another type": (
        "ALTER TABLE orders ADD note varchar(9)", Refused, '"note" of "public"."orders" was text, and is character var',
    ),
    "another type of key": (f"{GAIN}; ALTER TABLE orders ALTER id TYPE bigint", Refused, '"id" of "public"."orders" w'),
    "generated now": (
        "ALTER TABLE orders ADD note text GENERATED ALWAYS AS ('x') STORED", Refused, '"public"."orders" is generated',
    ),
    "no key": (f"{GAIN}; ALTER TABLE orders DROP CONSTRAINT orders_pkey", Refused, "tells no rows of"),
    "no parent": (f"{GAIN}; UPDATE orders SET of = 1; DELETE FROM people WHERE id = 2", Refused, "foreign key"),  # noqa: S608 - ours
    "a trigger": (f"{GAIN}; {SHOUTS}", NeedsHuman, "a trigger or a rule changes it"),
    "a check": (f"{GAIN} CHECK (note < 'n2')", Refused, "violates check constraint"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_where_anything_is_in_the_way_all_of_it_stays_as_it_is(gone: Shop, client: Client, case: str) -> None:
    change, error, because = REFUSED[case]
    server, name = gone.base.server, f"{client.reach.name} copy"
    server.sql("postgres", f'CREATE DATABASE "{name}" TEMPLATE gone')
    kept = salvaging.chosen(gone.desk, RUN)
    desk = replace(gone.desk, spec=msgspec.structs.replace(gone.desk.spec, name=name))
    server.sql(name, change)
    rows = "SELECT string_agg(o::text, ' ' ORDER BY id) FROM orders o" if "TABLE orders" in change else "SELECT 1"
    before = server.sql(name, rows) if "DROP TABLE" not in change else ""
    with pytest.raises(error) as refused:
        salvaging.put_back(desk, msgspec.structs.replace(kept, database=name), "ada")
    assert because in " ".join(refused.value.because)
    assert "nothing was changed" in refused.value.what
    assert (server.sql(name, rows) if "DROP TABLE" not in change else "") == before
    assert salvaging.chosen(gone.desk, RUN) == kept


def test_whatever_went_wrong_before_the_next_attempt_brings_everything_back(small: Shop) -> None:
    before = small.sql(ROWS)
    made = small.salvaged()
    small.down()
    small.sql(GAIN)
    with pytest.raises(Refused, match="not of this database"):
        salvaging.put_back(small.desk, msgspec.structs.replace(made, database="another"), "ada")
    path = Path(made.folder, "1.copy")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"n1", b"n9"))
    with pytest.raises(NeedsHuman) as human:
        small.put_back()
    assert "1.copy is not what was kept" in human.value.because[0]
    path.unlink()
    with pytest.raises(NeedsHuman, match="cannot be put back as it is"):
        small.look()
    path.write_bytes(content)
    small.sql(DIES)
    with pytest.raises(InDoubt) as doubt:
        small.put_back()
    assert f"put-back shop-api prod {RUN}" in doubt.value.next[0]
    small.sql("DROP TRIGGER die ON orders")
    assert small.sql("SELECT count(note), count(*) FROM orders") == "0|3"
    with (
        small.base.server.connected(small.base.name, "BEGIN; LOCK TABLE orders IN ROW EXCLUSIVE MODE;"),
        pytest.raises(Refused) as refused,
    ):
        small.put_back()
    assert "lock timeout" in refused.value.because[0]
    assert "once the lock is free" in refused.value.next[0]
    done = small.put_back()
    assert (done.exit, done.happened) == (Exit.DONE, True)
    assert small.sql(ROWS) == before


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_salvage_that_fails_leaves_none_not_even_an_older_one(small: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    before = small.base.whole()
    few = [msgspec.structs.replace(loss, most=1) for loss in small.losses]
    assert failed(small.salvage(few)).sqlstate == "LG002"
    assert small.base.whole() == before
    with monkeypatch.context() as patch:
        patch.setattr(LocalFiles, "replace", _full)
        assert failed(small.salvage()).reason == "the manifest cannot be written: No space left on device"
    assert salvaging.listed(small.desk).salvages == ()
    made = small.salvaged()
    folder = Path(made.folder)
    small.sql("UPDATE orders SET note = repeat('x', 3000000)")  # packed on the server, and not in a file
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=1m", "none", folder), check=True)
    try:
        said = failed(small.salvage())
        left = [path for path in folder.iterdir() if path.suffix != ".copy"]
    finally:
        subprocess.run(("umount", folder), check=True)
    assert said.reason == f"no space left on the disk of {folder}"
    assert left == []
    assert small.base.at == ("2", False)
    again = small.salvaged()
    assert [part.rows for part in again.parts] == [part.rows for part in made.parts]
    assert salvaging.listed(small.desk).salvages == (again,)


def test_which_salvage_is_meant_is_asked_where_several_wait(small: Shop) -> None:
    with pytest.raises(UsageError, match="There is no salvage"):
        salvaging.chosen(small.desk, "")
    made = small.salvaged()
    assert salvaging.chosen(small.desk, "") == made
    other = Path(made.folder).with_name("other")
    other.mkdir()
    (other / "salvage.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(made, run="other")))
    with pytest.raises(UsageError, match="Which salvage") as asked:
        salvaging.chosen(small.desk, "")
    assert f"lastgood db salvage put-back shop-api prod {RUN}" in asked.value.next
    assert salvaging.chosen(small.desk, "other").run == "other"
    (other / "salvage.json").write_bytes(b"{")
    found = salvaging.listed(small.desk)
    assert (found.salvages, found.unreadable) == ((made,), (f"{other}/salvage.json",))


def test_a_plain_column_is_read_in_one_snapshot_without_a_lock(server: Server, client: Client, tmp_path: Path) -> None:
    shop = Shop(server, client, tmp_path, ORDERS, "ALTER TABLE orders DROP note", lost=(NOTE,))
    with server.connected(shop.base.name, "BEGIN; LOCK TABLE orders IN ROW EXCLUSIVE MODE;"):
        (part,) = shop.salvaged().parts
    assert (part.what, part.rows, part.keys) == (What.COLUMN, 5, ("id",))
