"""What was written since a moment is counted by transactions."""

import pytest
from msgspec.structs import replace
from pgworld import Server, known, ran

from lastgood.model.database import Written
from lastgood.model.facts import Unknown
from lastgood.postgres.asking import execute
from lastgood.postgres.client import Client
from lastgood.postgres.moments import moment, written

WRITE = """INSERT INTO orders (item, note) SELECT 'new', CASE WHEN n > 4 THEN 'x' END FROM generate_series(1, 11) n;
UPDATE orders SET note = 'late' WHERE id IN (1, 2); DELETE FROM orders WHERE id = 3;"""


def test_rows_written_since_are_counted_with_their_values(orders: Client) -> None:
    since = known(moment(orders))
    assert known(written(orders, since, "public.orders", ("note",))) == Written(0, {"note": 0})
    ran(execute(orders, WRITE))
    assert known(written(orders, since, "public.orders", ("note", "item"))) == Written(13, {"note": 9, "item": 13})


def test_freezing_changes_nothing(orders: Client) -> None:
    since = known(moment(orders))
    ran(execute(orders, WRITE))
    ran(execute(orders, "VACUUM FREEZE", transaction=False))
    assert known(written(orders, since, "public.orders")).rows == 13


def test_a_transaction_that_was_open_at_the_moment_counts_as_later(server: Server, orders: Client) -> None:
    with server.connected(orders.reach.name, "BEGIN; INSERT INTO orders (item) VALUES ('open');") as writer:
        since = known(moment(orders))
        ran(execute(orders, "INSERT INTO orders (item) VALUES ('after')"))
        assert known(written(orders, since, "public.orders")).rows == 1
        assert writer.stdin
        assert writer.stdout
        writer.stdin.write("COMMIT;\n\\echo done\n")
        writer.stdin.flush()
        assert writer.stdout.readline().strip() == "done"
    assert known(written(orders, since, "public.orders")).rows == 2


def test_a_table_that_was_rewritten_is_unknown(orders: Client) -> None:
    since = known(moment(orders))
    ran(execute(orders, "ALTER TABLE orders ALTER id TYPE bigint"))
    assert written(orders, since, "public.orders") == Unknown("public.orders was rewritten since")


def test_a_database_made_anew_is_unknown(server: Server, orders: Client) -> None:
    since = known(moment(orders))
    there = server.client("orders")
    assert written(there, since, "public.orders") == Unknown("the database was restored or replaced since")


def test_numbers_that_came_around_are_unknown(orders: Client) -> None:
    now = known(moment(orders))
    first, newest, _ = now.snapshot.split(":")
    long_ago = replace(now, snapshot=f"{int(first) - 2**31}:{int(newest) - 2**31}:")
    answer = written(orders, long_ago, "public.orders")
    assert answer == Unknown("too many transactions happened since")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"system": "7"}, "restored or replaced"),
        ({"timeline": "00000007"}, "restored or replaced"),
        ({"laid": "1.5"}, "restored or replaced"),
        ({"snapshot": "9000000:9000000:"}, "went back to an earlier state"),
    ],
    ids=["another cluster", "another timeline", "other files", "an earlier state"],
)
def test_a_moment_of_another_history_is_unknown(orders: Client, changed: dict[str, str], why: str) -> None:
    since = replace(known(moment(orders)), **changed)
    found = written(orders, since, "public.orders")
    assert isinstance(found, Unknown)
    assert why in found.reason


def test_where_the_user_may_not_ask_about_files_that_is_no_doubt(server: Server, orders: Client) -> None:
    since = known(moment(orders))
    assert since.laid
    server.sql(orders.reach.name, "CREATE ROLE plain LOGIN; GRANT SELECT ON orders TO plain")
    plain = server.client(orders.reach.name)
    plain = plain.at(replace(plain.reach, user="plain"))
    assert known(moment(plain)).laid == ""
    ran(execute(orders, "INSERT INTO orders (item) VALUES ('new')"))
    assert known(written(plain, since, "public.orders")).rows == 1


def test_a_table_that_was_made_anew_is_unknown(orders: Client) -> None:
    since = known(moment(orders))
    ran(execute(orders, "CREATE TABLE other AS TABLE orders; DROP TABLE orders; ALTER TABLE other RENAME TO orders"))
    assert written(orders, since, "public.orders") == Unknown("public.orders was dropped and made anew since")


def test_all_partitions_are_counted_and_new_tables_are_new(orders: Client) -> None:
    since = known(moment(orders))
    ran(
        execute(
            orders,
            """CREATE TABLE "p p" (n int) PARTITION BY LIST (n); CREATE TABLE p1 PARTITION OF "p p" DEFAULT;
    INSERT INTO "p p" VALUES (1), (2)""",
        )
    )
    assert known(written(orders, since, 'public."p p"', ("n",))) == Written(2, {"n": 2})


def test_a_table_that_is_not_there_is_unknown(orders: Client) -> None:
    assert written(orders, known(moment(orders)), "public.nope") == Unknown("there is no table public.nope")
