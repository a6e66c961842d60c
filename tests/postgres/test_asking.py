"""Questions and scripts: typed answers, typed errors, and no secret in sight."""

import os
import threading
from pathlib import Path
from urllib.parse import quote

import pytest
from pgworld import PASSWORD, Server, failed, known, ran

from lastgood.model.command import Command, Completed
from lastgood.model.facts import Unknown
from lastgood.postgres import facts, sessions
from lastgood.postgres.asking import ask, execute, told
from lastgood.postgres.client import Client


def test_an_answer_is_typed(client: Client) -> None:
    assert known(ask(client, "SELECT json_build_object('a', 1)", dict[str, int])) == {"a": 1}


def test_an_answer_of_another_type_is_unknown(client: Client) -> None:
    answer = ask(client, "SELECT '\"x\"'", int)
    assert isinstance(answer, Unknown)
    assert "cannot be read" in answer.reason


def test_a_question_cannot_write(orders: Client) -> None:
    answer = told(orders, "DELETE FROM orders RETURNING 1")
    assert isinstance(answer, Unknown)
    assert answer.reason == "cannot execute DELETE in a read-only transaction"


def test_an_error_has_its_code_and_the_line_of_the_script(client: Client) -> None:
    error = failed(execute(client, "SELECT 1;\nSELECT\n  missing;\nSELECT 2;"))
    assert (error.sqlstate, error.line) == ("42703", 3)
    assert error.reason == 'column "missing" does not exist'
    assert not error.in_doubt


def test_an_error_has_its_detail_and_hint(orders: Client) -> None:
    error = failed(execute(orders, "DROP TYPE state"))
    assert error.sqlstate == "2BP01"
    assert error.detail == "column state of table orders depends on type state"
    assert error.hint == "Use DROP ... CASCADE to drop the dependent objects too."


def test_a_script_that_fails_leaves_nothing(client: Client) -> None:
    failed(execute(client, "CREATE TABLE one (); CREATE TABLE one ();"))
    assert known(facts.columns(client)) == {}


def test_a_script_outside_of_a_transaction_can_do_what_none_allows(orders: Client) -> None:
    ran(execute(orders, "CREATE INDEX CONCURRENTLY late ON orders (item);", transaction=False))
    assert failed(execute(orders, "DROP INDEX CONCURRENTLY late")).sqlstate == "25001"


def test_semicolons_and_dollars_within_texts_are_no_ends(client: Client) -> None:
    text = r"""
    CREATE TABLE "odd; 'name' $$ ü" (note text);
    INSERT INTO "odd; 'name' $$ ü" VALUES ('a; b $$ c \ d :x'), ($q$e; 'f' $$ \g$q$), (E'\\;\'');
    CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN ';$q$'; END $$;
    CREATE FUNCTION g() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END;"""
    ran(execute(client, text))
    notes = ask(client, """SELECT json_agg(note) FROM "odd; 'name' $$ ü" """, list[str])
    assert known(notes) == [r"a; b $$ c \ d :x", r"e; 'f' $$ \g", r"\;'"]
    assert told(client, "SELECT f() || g()") == told(client, "SELECT ';$q$2'")


def test_a_backslash_in_a_script_runs_no_program(client: Client, server: Server) -> None:
    error = failed(execute(client, f"SELECT 1; \\! touch {server.folder}/touched"))
    assert "restricted" in error.reason
    assert not (server.folder / "touched").exists()


def test_a_custom_schema_is_the_current_one(server: Server, client: Client) -> None:
    ran(execute(client, 'CREATE SCHEMA "ten ant"'))
    there = server.client(client.reach.name, schema="ten ant")
    assert known(facts.overview(there)).schema == "ten ant"
    ran(execute(client, "CREATE TABLE here (); ", schema="ten ant"))
    assert known(facts.columns(client)) == {("ten ant", "here"): ()}


def test_a_lock_that_is_not_had_in_time_is_told_with_who_holds_it(server: Server, orders: Client) -> None:
    with server.connected(orders.reach.name, "SET application_name = 'report'; BEGIN; SELECT count(*) FROM orders;"):
        error = failed(execute(orders, "ALTER TABLE orders DROP COLUMN note", lock_timeout=0.2))
        assert error.locked
        assert error.reason == "canceling statement due to lock timeout"
        (blocker,) = known(sessions.blockers(orders, ("orders", '"no such"')))
    assert (blocker.application, blocker.relation, blocker.mode) == ("report", "public.orders", "AccessShareLock")
    assert blocker.query == "SELECT count(*) FROM orders;"
    assert blocker.state == "idle in transaction"
    ran(execute(orders, "ALTER TABLE orders DROP COLUMN note", lock_timeout=60))


def test_a_statement_that_takes_too_long_is_another_error_than_a_lock(client: Client) -> None:
    error = failed(execute(client, "SELECT pg_sleep(5)", statement_timeout=0.1))
    assert (error.sqlstate, error.locked) == ("57014", False)


def test_a_server_that_goes_away_leaves_doubt(client: Client) -> None:
    assert failed(execute(client, "SELECT pg_terminate_backend(pg_backend_pid())")).in_doubt


def test_a_script_that_is_killed_leaves_doubt(client: Client) -> None:
    assert failed(execute(client, "SELECT pg_sleep(10)", timeout=0.5)).in_doubt


def test_a_database_that_is_not_there_is_unknown(server: Server) -> None:
    answer = facts.overview(server.client("nope"))
    assert isinstance(answer, Unknown)
    assert 'database "nope" does not exist' in answer.reason


def test_a_container_that_is_not_there_is_unknown(client: Client) -> None:
    answer = facts.overview(client.at(type(client.reach)("shop", container="lastgood-no-such-container")))
    assert isinstance(answer, Unknown)
    assert "No such container" in answer.reason


def test_a_secret_that_is_not_set_is_unknown(server: Server) -> None:
    assert facts.overview(server.client("shop", password="env:NOT_THERE")) == Unknown("env:NOT_THERE is not set")  # noqa: S106 - references


class Watched:
    """Runs commands, and reads every command line on this machine while they run."""

    def __init__(self, inner: Client) -> None:
        self.inner = inner.process
        self.lines: set[bytes] = set()
        self.shown: list[str] = []

    def run(self, command: Command, **fields: object) -> Completed:
        self.shown += [command.shown(), repr(command)]
        done = threading.Event()

        def look() -> None:
            while not done.is_set():
                for entry in Path("/proc").glob("[0-9]*/cmdline"):
                    try:
                        self.lines.add(entry.read_bytes())
                    except OSError:
                        continue

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            return self.inner.run(command, **fields)  # type: ignore[arg-type]
        finally:
            done.set()
            watcher.join()


@pytest.fixture
def outside(server: Server, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The database by its address: this machine's programs are those of the image, and it asks for a password."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("psql", "pg_dump", "pg_restore"):
        passed = "for n in $(env | grep -o '^PG[A-Z]*'); do o=\"$o -e $n\"; done"
        program = f'#!/bin/sh\no=; {passed}\nexec docker exec -i -u 0 $o {server.container} {name} "$@"\n'
        (programs / name).write_text(program)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    address = f"postgres://careful:{quote(PASSWORD)}@127.0.0.1/{quote(client.reach.name)}?search_path=pg_temp,public"
    secret = tmp_path / "address"
    secret.write_text(address)
    return client.at(type(client.reach)(dsn=f"file:{secret}"))


def test_a_database_is_reached_by_its_address(outside: Client, client: Client) -> None:
    there = known(facts.overview(outside))
    assert (there.name, there.user) == (client.reach.name, "careful")
    assert known(facts.overview(outside.of("postgres"))).name == "postgres"


def test_a_wrong_password_is_told(outside: Client) -> None:
    reach = type(outside.reach)(dsn=outside.reach.dsn, password="command:echo wrong")  # noqa: S106 - a reference
    answer = facts.overview(outside.at(reach))
    assert isinstance(answer, Unknown)
    assert answer.reason.endswith('password authentication failed for user "careful"')


def test_a_secret_is_in_no_command_line_and_in_nothing_that_is_shown(outside: Client, server: Server) -> None:
    inside = server.client("postgres", password="env:DB_PASSWORD")  # noqa: S106 - a reference
    for client in (outside, inside):
        watched = Watched(client)
        asking = Client(watched, client.secrets, client.reach)  # type: ignore[arg-type]
        for seconds in (0.3, 3, 30):  # a busy machine reads the list of processes less often
            ran(execute(asking, f"SELECT pg_sleep({seconds})"))
            if any(b"psql" in line for line in watched.lines):
                break
        assert any(b"psql" in line for line in watched.lines)
        for seen in (*watched.lines, *(text.encode() for text in watched.shown)):
            assert b"ush hush" not in seen
            assert b"ush%20hush" not in seen


def test_sessions_carry_the_name_of_the_run(client: Client) -> None:
    assert known(told(client, "SELECT current_setting('application_name')")) == f"lastgood-{client.mark}"
