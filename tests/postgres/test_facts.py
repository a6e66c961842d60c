"""What a database says of itself."""

import os
from pathlib import Path

import pytest
from pgworld import Server, known, ran

from lastgood.effects.files import LocalFiles
from lastgood.model.command import Command, Completed
from lastgood.model.database import Column, Failed, Followers, Grant, Setting
from lastgood.model.facts import Known, Unknown
from lastgood.postgres import backup, facts, sessions
from lastgood.postgres.asking import execute
from lastgood.postgres.client import Client

ODD = """it's "a" $$ tablé"""
QUOTED = '''public."it's ""a"" $$ tablé"'''


def test_a_database_says_what_it_is(client: Client) -> None:
    there = known(facts.overview(client))
    assert (there.name, there.owner, there.user, there.schema) == (client.reach.name, "shop", "shop", "public")
    assert (there.major, there.locale.encoding, there.locale.provider) == (15, "UTF8", "c")
    assert there.version.startswith("15.")
    assert there.size > 1_000_000
    assert there.folder == "/var/lib/postgresql/data"
    assert not there.standby


def test_columns_of_all_tables_are_told_with_their_types(orders: Client) -> None:
    table = QUOTED.replace("public", '"a b"')
    ran(execute(orders, f'CREATE SCHEMA "a b"; CREATE TABLE {table} ("x ""y" numeric(9,2))'))
    assert known(facts.columns(orders)) == {
        ("public", "orders"): (
            Column("id", "integer"),
            Column("item", "text"),
            Column("note", "text"),
            Column("state", "state"),
        ),
        ("a b", ODD): (Column('x "y', "numeric(9,2)"),),
    }


def test_rows_and_values_are_counted_exactly(orders: Client) -> None:
    odd = f"CREATE TABLE {QUOTED} (); INSERT INTO {QUOTED} DEFAULT VALUES;"
    parts = """CREATE TABLE parts (n int) PARTITION BY RANGE (n); INSERT INTO orders (item) VALUES ('last');
    CREATE TABLE few PARTITION OF parts FOR VALUES FROM (0) TO (9); INSERT INTO parts SELECT generate_series(1, 4);"""
    ran(execute(orders, odd + parts))
    counted = known(facts.counts(orders, [("public.orders", "note")]))
    assert counted == {
        "public.orders": 91,
        "public.orders.note": 30,
        QUOTED: 1,
        "public.parts": 4,
        "public.few": 4,
    }


def test_a_database_without_tables_has_no_rows(client: Client) -> None:
    assert known(facts.counts(client)) == {}


def test_what_stands_beside_a_database_is_told(orders: Client) -> None:
    name = orders.reach.name
    text = """ALTER DATABASE %s SET search_path = "a, b", public;
    ALTER ROLE careful IN DATABASE %s SET work_mem = '8MB';
    GRANT CREATE ON DATABASE %s TO careful WITH GRANT OPTION; COMMENT ON DATABASE %s IS 'x'"""
    ran(execute(orders, text.replace("%s", f'"{name}"')))
    around = known(facts.surroundings(orders, name))
    assert around.settings == (
        Setting("careful", "work_mem", "8MB"),
        Setting("", "search_path", '"a, b", public'),
    )
    assert around.grants is not None
    assert Grant("careful", "CREATE", grantable=True) in around.grants
    assert Grant("", "CONNECT", grantable=False) in around.grants
    assert (around.owner, around.limit, around.tablespace, around.comment) == ("shop", -1, "pg_default", "x")


def test_slots_and_prepared_transactions_that_would_stay_are_told(client: Client) -> None:
    assert known(facts.followers(client)) == Followers((), (), ())


def test_sessions_are_told(server: Server, client: Client) -> None:
    with server.connected(client.reach.name, "SET application_name = 'shop-api'; SELECT 'hello';"):
        (session,) = known(sessions.sessions(client))
    assert (session.application, session.user, session.state) == ("shop-api", "shop", "idle")
    assert session.query.startswith("SELECT 'hello'")
    assert session.since > 0


def test_free_disk_is_told_of_a_folder_that_is_still_to_be_made(server: Server, client: Client) -> None:
    free = known(facts.free(client, f"{server.small}/not/there yet"))
    assert 0 < free <= 6 * 1024 * 1024


def test_free_disk_is_told_inside_the_container(client: Client) -> None:
    assert 0 < known(facts.free_inside(client, "/tiny")) <= 1024 * 1024


def test_the_disk_of_a_server_elsewhere_is_unknown(client: Client, tmp_path: Path) -> None:
    address = tmp_path / "address"
    address.write_text("postgres://db.example/shop")
    there = client.at(type(client.reach)(dsn=f"file:{address}"))
    assert isinstance(facts.free_inside(there, "/"), Unknown)


class Older:
    """This machine's programs, but for a pg_dump that says another version."""

    def __init__(self, client: Client, version: str) -> None:
        self.inner = client.process
        self.version = version

    def run(self, command: Command, **fields: object) -> Completed:
        if command.argv[-2:] == ("pg_dump", "--version"):
            return Completed(command, 0, f"pg_dump (PostgreSQL) {self.version}\n".encode())
        return self.inner.run(command, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", ["14.13 (Debian 14.13-1)", "9.6.24"])
def test_a_pg_dump_older_than_the_server_is_refused(orders: Client, folder: Path, version: str) -> None:
    client = Client(Older(orders, version), orders.secrets, orders.reach)  # type: ignore[arg-type]
    told = backup.check(client, backup.Wanted(str(folder), 0, "a test"))
    assert isinstance(told, Failed)
    assert f"pg_dump {version.split(maxsplit=1)[0]} is older than the server" in told.reason


def test_an_older_pg_dump_on_the_path_is_asked_for_its_version_and_never_run(
    server: Server, orders: Client, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By DSN the programs are those of the machine, which may be older than the server."""
    programs = tmp_path / "bin"
    programs.mkdir()
    passed = "for n in $(env | grep -o '^PG[A-Z]*'); do o=\"$o -e $n\"; done"
    psql = f'o=; {passed}\nexec docker exec -i $o {server.container} psql "$@"'
    older = f'echo "$*" >> {tmp_path}/asked\necho "pg_dump (PostgreSQL) 14.13"'
    for name, text in (("psql", psql), ("pg_dump", older)):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    outside = orders.at(type(orders.reach)(orders.reach.name, user="shop"))
    refused = backup.backup(outside, LocalFiles(), backup.Wanted(str(folder), 0, "a test"), "now")
    assert isinstance(refused, Failed)
    assert refused.reason.startswith("pg_dump 14.13 is older than the server, which is PostgreSQL 15.")
    assert not folder.exists()
    assert (tmp_path / "asked").read_text() == "--version\n"


def test_the_pg_dump_of_the_server_is_as_new_as_the_server(orders: Client) -> None:
    assert known(facts.dumper(orders))[1] == 15


def test_a_pg_dump_that_is_not_there_is_unknown(orders: Client) -> None:
    assert isinstance(facts.dumper(orders, "pg_no_dump"), Unknown)


def test_the_database_to_rename_others_from_is_found(orders: Client) -> None:
    there = facts.maintenance(orders)
    assert isinstance(there, Known)
    assert there.value.reach.name == "postgres"
