"""The way down beside others: the migration tool, long queries, writers, and what cannot be in a transaction."""

import subprocess
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from descending import ROWS, SHOP, Database, Waiting, pairs

from lastgood.database import down
from lastgood.model.facts import No, Unclear, Yes
from lastgood.postgres.asking import told
from lastgood.postgres.client import Client
from tests.postgres.pgworld import Server, failed, known, ran, until

CONCURRENT = (*SHOP[:2], (SHOP[2][0], "DROP INDEX CONCURRENTLY orders_note_idx;"))


@pytest.fixture
def database(server: Server, client: Client) -> Database:
    return Database(server, client, pairs(*SHOP), rows=ROWS)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are waited for as long as a test may take."""
    monkeypatch.setattr(down, "_LOCK_SECONDS", 0.3)


class Other:
    """Somebody else's session."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def begins(self, sql: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{sql};\n\\echo there\n")
        self._process.stdin.flush()

    def says(self) -> list[str]:
        """What it was told, once it is done."""
        assert self._process.stdout
        lines = []
        while (line := self._process.stdout.readline().strip()) != "there":
            assert self._process.poll() is None, "it ended"
            lines.append(line)
        return lines

    def does(self, sql: str) -> list[str]:
        self.begins(sql)
        return self.says()


@contextmanager
def other(database: Database, sql: str = "SELECT") -> Iterator[Other]:
    with database.server.connected(database.name, f"{sql};") as process:
        yield Other(process)


def golang_migrate(schema: str, table: str, database: str) -> int:
    return zlib.crc32(f"{schema}\0{table}\0{database}".encode()) * 1486364155 & 0xFFFFFFFF


@pytest.mark.parametrize("url", [True, False], ids=["its command line", "built in"])
def test_while_the_migration_tool_is_at_work_nothing_is_run(database: Database, *, url: bool) -> None:
    key = golang_migrate("public", "schema_migrations", f"/{database.name}" if url else database.name)
    before, clock = database.whole(), Waiting()
    way = database.way("1")
    with other(database, f"SELECT pg_advisory_lock({key})"):
        said = failed(database.down(way, clock=clock))
        assert said.locked
        assert said.reason == "the migration tool is at work: it holds its advisory lock"
        assert clock.slept == [2.0] * 4
        assert database.whole() == before
        assert database.happened(way) == No()


def test_the_tool_s_lock_is_that_of_the_schema_its_table_is_in(server: Server, client: Client) -> None:
    database = Database(server, client, pairs(*SHOP), table="migrate.versions")
    with other(database, f"SELECT pg_advisory_lock({golang_migrate('migrate', 'versions', f'/{database.name}')})"):
        assert failed(database.down("1")).locked
    assert database.at == ("3", False)


def test_once_the_migration_tool_is_done_it_is_run(database: Database) -> None:
    key = golang_migrate("public", "schema_migrations", f"/{database.name}")
    with other(database, f"SELECT pg_advisory_lock({key})") as tool:
        clock = Waiting(lambda: tool.does(f"SELECT pg_advisory_unlock({key})"))
        ran(database.down("1", clock=clock))
        assert clock.slept == [2.0]
    assert database.at == ("1", False)


def test_the_tool_finds_its_lock_taken_while_we_are_at_work_and_free_afterwards(database: Database) -> None:
    key = golang_migrate("public", "schema_migrations", f"/{database.name}")
    with other(database, "BEGIN; LOCK TABLE orders IN ACCESS SHARE MODE") as reader, ThreadPoolExecutor() as pool:
        going = pool.submit(database.down, "1")
        with other(database) as tool:
            assert until(lambda: tool.does(f"SELECT pg_try_advisory_xact_lock({key})") == ["f"])
            reader.does("COMMIT")
            ran(going.result())
            assert tool.does(f"SELECT pg_try_advisory_xact_lock({key})") == ["t"]


@pytest.mark.parametrize("noted", ["version = 4", "dirty = true"])
def test_what_was_noted_since_stops_it(database: Database, noted: str) -> None:
    way, tool = database.way("1"), database.tool
    answer = known(told(database.client, tool.migrator.question(tool.table)))
    sql = down.script(database.client, tool, way, answer)
    assert isinstance(sql, str)
    database.sql(f"UPDATE schema_migrations SET {noted}")  # noqa: S608 - ours
    before = database.whole()
    said = failed(down.patiently(database.client, sql, "", Waiting()))
    assert said.sqlstate == "LG001"
    assert said.reason == "the migration tool has noted something since this was planned"
    assert database.whole() == before


def test_nobody_notes_anything_while_it_is_at_work(database: Database) -> None:
    with other(database, "BEGIN; UPDATE schema_migrations SET version = 4") as tool:
        clock = Waiting(lambda: tool.does("COMMIT"))
        said = failed(database.down("1", clock=clock))
    assert said.sqlstate == "LG001"
    assert database.at == ("4", False)
    assert database.sql("SELECT count(note) FROM orders") == "5"


@pytest.mark.usefixtures("_impatient")
def test_a_long_query_is_not_waited_for_without_end(database: Database) -> None:
    before, clock = database.whole(), Waiting()
    with other(database, "BEGIN; SELECT FROM orders"):
        said = failed(database.down("1", clock=clock))
        assert (said.sqlstate, said.locked, len(clock.slept)) == ("55P03", True, 4)
        assert database.whole() == before


@pytest.mark.usefixtures("_impatient")
def test_once_a_long_query_ends_it_is_run(database: Database) -> None:
    with other(database, "BEGIN; SELECT FROM orders") as reader:
        clock = Waiting(lambda: len(clock.slept) == 2 and reader.does("COMMIT"))
        ran(database.down("1", clock=clock))
        assert len(clock.slept) == 2
    assert database.at == ("1", False)


def test_a_writer_behind_us_waits_no_longer_than_we_wait_for_a_lock(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(down, "_LOCK_SECONDS", 2.0)
    waited: list[str] = []

    asks = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = "
    we_wait = f"({asks}'{database.client.application}') > 0"
    waits = f"DO $$ BEGIN WHILE NOT {we_wait} LOOP PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01); END LOOP; END $$"
    with other(database, "BEGIN; SELECT FROM orders") as reader, other(database) as writer:
        writer.begins(
            f"{waits}; SELECT clock_timestamp() AS begun \\gset\nINSERT INTO orders (item) VALUES ('mine');"  # noqa: S608 - ours
            "SELECT extract(epoch FROM clock_timestamp() - :'begun'::timestamptz)"
        )

        def between_our_tries() -> None:
            waited.extend(writer.says())  # it is done, although whoever was before us is not
            reader.does("COMMIT")

        ran(database.down("1", clock=Waiting(between_our_tries)))
    assert float(waited[0]) > 0.1
    assert database.sql("SELECT count(*) FROM orders") == "6"


def test_what_cannot_be_in_a_transaction_is_run_outside_of_one(server: Server, client: Client) -> None:
    database = Database(server, client, pairs(*CONCURRENT), rows=ROWS)
    way = database.way("1")
    assert not way.whole
    assert [bool(one.alone) for one in way.undone] == [True, False]
    ran(database.down(way))
    assert database.at == ("1", False)
    assert database.happened(way) == Yes()
    assert database.sql("SELECT count(*) FROM pg_indexes WHERE indexname = 'orders_note_idx'") == "0"
    assert database.sql("SELECT to_json(o) FROM orders o LIMIT 1") == '{"id":1,"item":"item"}'


def test_ended_halfway_outside_of_a_transaction_it_is_unclear_and_db_resolve_is_named(
    server: Server, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(down, "_LOCK_SECONDS", 60.0)
    database = Database(server, client, pairs(*CONCURRENT), rows=ROWS)
    way = database.way("1")
    mine = f"application_name = '{client.application}' AND query LIKE 'DROP INDEX CONCURRENTLY%'"
    with other(database, "BEGIN; SELECT FROM orders"), ThreadPoolExecutor() as pool:
        going = pool.submit(database.down, way)
        ask = f"SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND {mine}"  # noqa: S608 - ours
        assert until(lambda: database.sql(ask) == "1", 30.0)
        assert database.at == ("2", True)
        database.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}")  # noqa: S608 - ours
        said = failed(going.result())
    assert said.in_doubt
    assert said.reason.startswith("3_step.down.sql: ")
    verdict = database.happened(way)
    assert verdict == Unclear("the database is dirty at version 2; lastgood db resolve says more")
    assert failed(database.down(way)).sqlstate == "LG001"


def test_what_fails_outside_of_a_transaction_stays_noted_as_begun(server: Server, client: Client) -> None:
    steps = (*SHOP[:2], (SHOP[2][0], "DROP INDEX CONCURRENTLY it_never_was;"))
    database = Database(server, client, pairs(*steps))
    way = database.way("1")
    assert "it_never_was" in failed(database.down(way)).reason
    assert database.at == ("2", True)
    assert isinstance(database.happened(way), Unclear)


def test_behind_one_that_is_outside_a_transaction_each_is_noted_by_itself(server: Server, client: Client) -> None:
    steps = (SHOP[0], (SHOP[1][0], "ALTER TABLE orders DROP COLUMN it_never_was"), CONCURRENT[2])
    database = Database(server, client, pairs(*steps))
    way = database.way("1")
    assert "2_step.down.sql" in failed(database.down(way)).reason
    assert database.at == ("2", False)
    assert database.happened(way) == Unclear("the database is at version 2")


@pytest.mark.parametrize("first", [True, False], ids=["at once", "after another"])
def test_the_tool_at_work_stops_what_is_outside_a_transaction_as_well(
    server: Server, client: Client, *, first: bool
) -> None:
    steps = CONCURRENT if first else (SHOP[0], (SHOP[1][0], "VACUUM orders"), SHOP[2])
    database = Database(server, client, pairs(*steps))
    before, way, clock = database.whole(), database.way("1"), Waiting()
    with other(database, f"SELECT pg_advisory_lock({golang_migrate('public', 'schema_migrations', database.name)})"):
        assert failed(database.down(way, clock=clock)).locked
        assert len(clock.slept) == 4
        assert database.whole() == before
    assert database.happened(way) == No()


def test_sessions_that_we_left_behind_are_ended_before_it_is_said_what_happened(database: Database) -> None:
    way = database.way("1")
    left = f"SET application_name = '{database.client.application}'; BEGIN; LOCK TABLE schema_migrations"
    with other(database, left):
        assert database.server.sessions(database.client.application) == 1
        assert database.happened(way) == No()
        assert until(lambda: database.server.sessions(database.client.application) == 0)
