"""Sessions that a killed command left are ended, and seen to be gone before anything else is believed."""

import pytest
from pgworld import Server, docker, known, until

from lastgood.model.facts import Unknown
from lastgood.postgres import sessions
from lastgood.postgres.client import Client


def stopped(server: Server, client: Client, how: str) -> None:
    """Stops (STOP) or wakes (CONT) the server's end of our session, as a disk that hangs does."""
    asked = f"SELECT pid FROM pg_stat_activity WHERE application_name = '{client.application}'"  # noqa: S608 - ours
    docker("exec", "--user", "0", server.container, "sh", "-c", f"kill -{how} {server.sql('postgres', asked)}")


def test_a_session_that_does_not_end_leaves_it_unknown_and_one_that_ends_late_is_waited_for(
    server: Server, orders: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = f"SET application_name = '{orders.application}'; BEGIN; DELETE FROM orders;"  # noqa: S608 - ours
    with server.connected(orders.reach.name, held):
        stopped(server, orders, "STOP")
        with monkeypatch.context() as patch:
            patch.setattr(sessions, "_REAP_SECONDS", 0.3)
            answer = sessions.reap(orders, orders.reach.name)
        assert isinstance(answer, Unknown)
        assert answer.reason == "a session of ours does not end"
        assert server.sessions(orders.application) == 1
        stopped(server, orders, "CONT")
        assert until(lambda: server.sessions(orders.application) == 0)
    assert known(sessions.reap(orders, orders.reach.name)) == 0
    with server.connected(orders.reach.name, held):
        assert known(sessions.reap(orders, orders.reach.name)) == 1
        assert server.sessions(orders.application) == 0
    assert server.sql(orders.reach.name, "SELECT count(*) FROM orders") == "90"


def test_sessions_of_others_and_in_other_databases_go_on(server: Server, orders: Client, client: Client) -> None:
    theirs = "SET application_name = 'lastgood-run-of-others'; SELECT;"
    with (
        server.connected(orders.reach.name, theirs),
        server.connected(client.reach.name, f"SET application_name = '{orders.application}'; SELECT;"),
    ):
        assert known(sessions.reap(orders, orders.reach.name)) == 0
        assert (server.sessions("lastgood-run-of-others"), server.sessions(orders.application)) == (1, 1)
