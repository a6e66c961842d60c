"""A dump is restored beside the real database, and then both trade names."""

import gzip
import subprocess
import threading
from pathlib import Path

import pytest
from pgworld import Server, failed, known, ran, saved, until

from lastgood.model.database import Format, Setting, Swap, SwapState
from lastgood.model.facts import Fact, Known
from lastgood.postgres import create, facts, kept
from lastgood.postgres.asking import execute, script, told
from lastgood.postgres.client import Client
from lastgood.postgres.fingerprint import difference, fingerprint
from lastgood.postgres.restore import Restored, load, restore_beside, swap_for
from lastgood.postgres.swap import reopen, state, statements, swap


def side_of(client: Client, path: str, kind: Format = Format.CUSTOM, jobs: int = 2) -> Client:
    made = restore_beside(client, path, kind, f"{client.reach.name} side", run="r1", jobs=jobs)
    assert isinstance(made, Restored), made
    return client.of(made.name)


def plain(server: Server, client: Client, *options: str) -> str:
    """pg_dump's plain SQL of a database."""

    argv = ("docker", "exec", server.container, "pg_dump", "-U", "shop", *options, client.reach.name)
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_restored_database_is_like_the_one_that_was_saved(
    server: Server, orders: Client, folder: Path, jobs: int
) -> None:
    name = orders.reach.name
    text = """ALTER DATABASE %s SET search_path = "o, dd", public;
    ALTER DATABASE %s SET default_transaction_read_only = on;
    ALTER ROLE careful IN DATABASE %s SET work_mem = '8MB'; GRANT CREATE ON DATABASE %s TO careful;
    REVOKE CONNECT ON DATABASE %s FROM PUBLIC; ALTER DATABASE %s CONNECTION LIMIT 7;
    COMMENT ON DATABASE %s IS 'the shop'"""
    ran(execute(orders, text.replace("%s", f'"{name}"')))
    side = side_of(orders, saved(orders, folder).path, jobs=jobs)
    assert difference(known(fingerprint(orders)), known(fingerprint(side))).real == ()
    assert known(facts.counts(side)) == {"public.orders": 90}
    mine, theirs = known(facts.surroundings(orders, name)), known(facts.surroundings(orders, side.reach.name))
    assert (theirs.settings, theirs.owner, theirs.limit) == (mine.settings, mine.owner, 7)
    assert Setting("", "search_path", '"o, dd", public') in theirs.settings
    assert theirs.grants == mine.grants
    assert known(told(side, "SELECT last_analyze IS NOT NULL FROM pg_stat_user_tables")) == "t"
    assert known(facts.overview(side)).locale == known(facts.overview(orders)).locale
    assert server.sql("postgres", "SELECT count(*) FROM pg_ls_dir('/tmp') f WHERE f LIKE 'lastgood%'") == "0"


@pytest.mark.parametrize("packed", [False, True])
def test_plain_sql_is_restored(server: Server, orders: Client, tmp_path: Path, packed: bool) -> None:  # noqa: FBT001
    content = plain(server, orders).encode()
    path = tmp_path / "foreign dump.sql"
    path.write_bytes(gzip.compress(content) if packed else content)
    kind = kept.verify(orders, str(path))
    assert kind is (Format.GZIP if packed else Format.PLAIN)
    assert known(facts.counts(side_of(orders, str(path), kind))) == {"public.orders": 90}


@pytest.mark.parametrize("packed", [False, True])
def test_plain_sql_that_is_cut_off_is_refused(server: Server, orders: Client, tmp_path: Path, packed: bool) -> None:  # noqa: FBT001
    content = plain(server, orders).encode()
    path = tmp_path / "cut.sql"
    path.write_bytes(gzip.compress(content)[:-20] if packed else content[:-200])
    assert "cannot be read to its end" in failed(kept.verify(orders, str(path))).reason


@pytest.mark.parametrize("packed", [False, True])
def test_plain_sql_that_would_leave_its_database_is_refused(
    server: Server,
    orders: Client,
    tmp_path: Path,
    packed: bool,  # noqa: FBT001
) -> None:
    path = tmp_path / "create.sql"
    content = plain(server, orders, "--create").encode()
    path.write_bytes(gzip.compress(content) if packed else content)
    kind = Format.GZIP if packed else Format.PLAIN
    refused = failed(load(orders, str(path), kind))
    assert "does more than fill one database: line" in refused.reason
    assert "CREATE DATABASE" in refused.reason


def test_data_that_looks_like_a_command_is_data(server: Server, orders: Client, tmp_path: Path) -> None:
    ran(execute(orders, r"""CREATE TABLE a (t text); INSERT INTO a VALUES ('DROP DATABASE x'), (E'\\connect x')"""))
    path = tmp_path / "data.sql"
    path.write_text(plain(server, orders))
    assert known(facts.counts(side_of(orders, str(path), Format.PLAIN)))["public.a"] == 2


def test_a_restore_that_fails_leaves_no_database(server: Server, orders: Client, tmp_path: Path) -> None:
    path = tmp_path / "bad.sql"
    path.write_text("CREATE TABLE a ();\nSELECT nope;\n")
    refused = failed(restore_beside(orders, str(path), Format.PLAIN, "left over", run="r1"))
    assert (refused.sqlstate, refused.line) == ("42703", 2)
    assert server.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname = 'left over'") == "0"


def test_a_name_that_is_taken_is_refused_and_not_touched(orders: Client, client: Client, folder: Path) -> None:
    refused = failed(restore_beside(orders, saved(orders, folder).path, Format.CUSTOM, client.reach.name, run="r1"))
    assert refused.sqlstate == "42P04"
    assert known(facts.overview(client)).name == client.reach.name


def test_a_database_that_is_not_ours_is_never_dropped(orders: Client) -> None:
    refused = failed(create.drop(orders.of("postgres"), orders.reach.name))
    assert "not one that lastgood made" in refused.reason
    assert known(facts.overview(orders)).name == orders.reach.name
    ran(create.drop(orders.of("postgres"), "never there"))


@pytest.fixture
def pair(server: Server, orders: Client) -> Swap:
    """A database that lost its rows, and one beside it that has them."""
    name, side = orders.reach.name, f"{orders.reach.name} side"
    beside = f'CREATE DATABASE "{side}" TEMPLATE orders; COMMENT ON DATABASE "{side}" IS \'lastgood side r1\';'
    server.sql("postgres", f'{beside} COMMENT ON DATABASE "{name}" IS $$the shop\'s$$')
    server.sql(name, "DELETE FROM orders")
    made = swap_for(orders.of("postgres"), name, side, f"{name}_broken")
    assert isinstance(made, Swap)
    return made


def rows(client: Client, name: str) -> int:
    return known(facts.counts(client.of(name)))["public.orders"]


def test_databases_trade_names_with_clients_connected(server: Server, orders: Client, pair: Swap) -> None:
    there = orders.of("postgres")
    name = orders.reach.name
    stop, seen = threading.Event(), list[Fact[str]]()

    def knock() -> None:
        while not stop.is_set():
            seen.append(told(orders, "SELECT count(*) FROM orders"))

    with server.connected(name, "BEGIN; SELECT count(*) FROM orders;") as client:
        knocking = threading.Thread(target=knock)
        knocking.start()
        assert until(lambda: Known("0") in seen)
        done = swap(there, pair)
        assert until(lambda: seen[-1] == Known("90"))
        stop.set()
        knocking.join()
        assert client.stdin
        assert client.stdout
        client.stdin.write("COMMIT;\n\\echo over\n")
        client.stdin.close()
        assert client.wait(60) != 0  # it was sent away, and reads nothing of what is not in use any more
    ran(done)
    answers = [one.value for one in seen if isinstance(one, Known)]
    assert answers == sorted(answers, key=int)  # the former one, then the restored one, and never back
    turned_away = ("is not currently accepting connections", "terminating connection", "server closed", "was lost")
    # To whoever had looked the name up just before, PostgreSQL adds: "It seems to have just been dropped or renamed."
    turned_away += (f'database "{name}" does not exist',)
    for one in seen:
        assert isinstance(one, Known) or any(words in one.reason for words in turned_away), one
    assert known(state(there, pair)) is SwapState.DONE
    assert (rows(orders, name), rows(orders, pair.aside)) == (90, 0)
    said = known(create.comments(there))
    assert (said[name], said[pair.aside]) == ("the shop's", f"lastgood aside: was {name}")


def test_a_swap_is_undone_by_the_swap_back(orders: Client, pair: Swap) -> None:
    there = orders.of("postgres")
    ran(swap(there, pair))
    ran(swap(there, pair))
    assert known(state(there, pair.back)) is SwapState.BEFORE
    ran(swap(there, pair.back))
    assert known(state(there, pair)) is SwapState.BEFORE
    assert (rows(orders, pair.name), rows(orders, pair.side)) == (0, 90)
    assert known(create.comments(there))[pair.name] == "the shop's"


# Where the server stopped hearing of a swap, by the words that came last; and what it shows then.
CUTS = {
    "ALTER DATABASE {side}": SwapState.CLOSED,
    "BEGIN;": SwapState.CLOSED,
    "COMMIT;": SwapState.CLOSED,
    "ALTER DATABASE {live} WITH ALLOW_CONNECTIONS true": SwapState.RENAMED,
}


@pytest.mark.parametrize("cut", CUTS)
def test_a_swap_that_was_killed_is_recognised_and_goes_on(orders: Client, pair: Swap, cut: str) -> None:
    there = orders.of("postgres")
    text = statements(pair)
    upto = text.index(cut.format(side=f'"{pair.side}"', live=f'"{pair.name}"'))
    ran(script(there, text[:upto], timeout=30))
    assert known(state(there, pair)) is CUTS[cut]
    ran(swap(there, pair))
    assert known(state(there, pair)) is SwapState.DONE
    assert rows(orders, pair.name) == 90


def test_a_swap_that_was_killed_can_be_given_up(orders: Client, pair: Swap) -> None:
    there = orders.of("postgres")
    text = statements(pair)
    ran(script(there, text[: text.index("BEGIN;")], timeout=30))
    ran(reopen(there, pair))
    assert known(state(there, pair)) is SwapState.BEFORE
    assert rows(orders, pair.name) == 0


def test_a_swap_that_cannot_be_is_refused_and_both_stay_open(server: Server, orders: Client, pair: Swap) -> None:
    there = orders.of("postgres")
    server.sql("postgres", f'CREATE DATABASE "{pair.aside}" TEMPLATE template0')
    assert failed(swap(there, pair)).sqlstate == "42P04"
    assert known(state(there, pair)) is SwapState.BEFORE
    assert isinstance(swap_for(there, pair.name, "nope", "x"), type(failed(swap(there, pair))))


def test_databases_that_somebody_renamed_are_unclear(server: Server, orders: Client, pair: Swap) -> None:
    there = orders.of("postgres")
    server.sql("postgres", f'ALTER DATABASE "{pair.side}" RENAME TO "{pair.side} moved"')
    assert known(state(there, pair)) is SwapState.UNCLEAR
    assert "are not the databases" in failed(swap(there, pair)).reason
