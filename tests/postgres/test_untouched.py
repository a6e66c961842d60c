"""Whether anything was changed since a moment, on a real server: only then may a backup be left where it is."""

import subprocess

from lastgood.postgres.client import Client
from lastgood.postgres.sessions import reap, sessions
from lastgood.postgres.untouched import next_number, untouched
from tests.postgres.pgworld import Server, known, until


def test_nothing_must_be_taken_for_untouched_once_anything_was_committed(server: Server, client: Client) -> None:
    server.sql(client.reach.name, "CREATE TABLE orders (id int)")
    since = known(next_number(client))
    assert known(untouched(client, since))
    server.sql(client.reach.name, "BEGIN; DROP TABLE orders; ROLLBACK;")
    assert known(untouched(client, since))
    with server.connected(client.reach.name, "BEGIN; INSERT INTO orders VALUES (1);"):
        begun = server.sql(client.reach.name, "BEGIN; DROP TABLE IF EXISTS other; CREATE TABLE other (); ROLLBACK;")
        assert begun == ""
        assert not known(untouched(client, since))  # one that goes on may still be committed
    assert until(lambda: known(untouched(client, since)))
    server.sql(client.reach.name, "INSERT INTO orders VALUES (1)")
    assert not known(untouched(client, since))
    assert not known(untouched(client, known(next_number(client)) + 5))  # not this server's number


def test_sessions_of_an_address_must_be_ended_whatever_they_call_themselves(server: Server, client: Client) -> None:
    words = ("psql", "-h", "127.0.0.1", "-U", "shop", "-c", "SELECT pg_sleep(60)", client.reach.name)
    with subprocess.Popen(("docker", "exec", server.container, *words), stderr=subprocess.PIPE) as other:
        assert until(lambda: [one.client for one in known(sessions(client))] == ["127.0.0.1"])
        assert known(reap(client, client.reach.name, ("192.0.2.1",))) == 0
        assert known(reap(client, client.reach.name, ("127.0.0.1", ""))) == 1
        assert other.wait(60) != 0
    assert until(lambda: known(sessions(client)) == ())
