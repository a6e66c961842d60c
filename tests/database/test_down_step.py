"""The way down as a step of a run: a crash leaves nothing that nobody knows of, and who is in its way is named."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from descending import ROWS, SHOP, Database, pairs
from test_down_locks import other

from lastgood.database import down
from lastgood.model.command import Child
from lastgood.model.descent import KeptBackup
from lastgood.model.errors import InDoubt
from lastgood.model.event import Failure, StepDone, StepFailed
from lastgood.model.step import DownStep
from lastgood.postgres.client import Client
from lastgood.run import databases
from lastgood.run.doing import Doing
from tests.postgres.pgworld import Server


@pytest.fixture
def database(server: Server, client: Client) -> Database:
    return Database(server, client, pairs(*SHOP), rows=ROWS)


def goes(database: Database, child: Any) -> StepDone | StepFailed:
    """Goes down to the first version, as a run does whose journal hears of processes by `child`."""
    desk = SimpleNamespace(database=lambda _: database.desk)
    run = SimpleNamespace(id=f"run of {database.name}")
    doing = SimpleNamespace(desk=desk, tools=database.desk.tools, service="shop-api", run=run, child=child)
    step = DownStep("1.down", "shop-api", "local", database.way("1"), KeptBackup("1.backup"), "a test")
    return databases.perform(step, cast("Doing", doing))


def test_it_is_journalled_before_it_begins(database: Database) -> None:
    known: list[Child] = []
    assert isinstance(goes(database, known.append), StepDone)
    assert [child.argv[:2] for child in known] == [("docker", "exec")]
    assert database.at == ("1", False)


def test_where_it_cannot_be_journalled_nothing_is_run(database: Database) -> None:
    def refuse(_: Child) -> None:
        raise InDoubt("The audit trail on the host cannot be written.")

    before = database.whole()
    with pytest.raises(InDoubt):
        goes(database, refuse)
    assert database.whole() == before


def test_who_holds_the_lock_is_named_and_who_only_listens_is_not(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(down, "_LOCK_SECONDS", 0.2)
    monkeypatch.setattr(down, "_PAUSE", 0.01)
    known: list[Child] = []
    before = database.whole()
    with other(database) as idle, other(database, "BEGIN; SELECT count(*) FROM orders") as report:
        (listens,), (holds,) = (one.does("SELECT pg_backend_pid()") for one in (idle, report))
        done = goes(database, known.append)
    assert isinstance(done, StepFailed)
    assert done.kind is Failure.RELEASE
    assert f"pid {holds} of shop" in done.because
    assert f"pid {listens} " not in done.because
    assert len(known) == 5  # tried again, and each time known before
    assert database.whole() == before


def test_a_server_that_is_gone_leaves_it_in_doubt(database: Database) -> None:
    """What the database says decides; where it says nothing, whoever takes the run up asks it again."""
    name = database.name

    def vanishes(_: Child) -> None:
        # Whoever is connected by then, or about to be, is sent away.
        keep_out = f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'
        send_away = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608 - a name of ours
        database.server.sql("postgres", keep_out)
        database.server.sql("postgres", send_away)
        database.server.sql("postgres", f'ALTER DATABASE "{name}" RENAME TO "{name} away"')

    done = goes(database, vanishes)
    assert isinstance(done, StepFailed)
    assert (done.kind, "does not exist" in done.because) == (Failure.IN_DOUBT, True)
