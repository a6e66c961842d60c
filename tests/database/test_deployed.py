"""The moment of a deploy: noted once for each release, and believed only where it can be."""

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from descending import SHOP, Database, pairs
from msgspec.structs import replace

from lastgood.database import deployed
from lastgood.database.deployed import note, place, read, since
from lastgood.database.desk import DatabaseDesk
from lastgood.effects.process import LocalProcess
from lastgood.model.command import Child, Command, Completed
from lastgood.model.deployed import Deployed
from lastgood.model.descent import Loss
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.release import Image
from lastgood.model.schema import What
from lastgood.model.step import Runnable
from tests.plans.builders import TARGET
from tests.postgres.pgworld import Server, known

BAD = Runnable(Image("ghcr.io/x/api", "sha-bad", "sha256:bad"), "sha256:id-bad")
TWO = Runnable(Image("ghcr.io/x/api", "sha-two", "sha256:two"), "sha256:id-two")
NOTE = Loss(What.COLUMN, "public.orders.note", 5, 20, Unknown("-"), "-", '"public"."orders"', '"note"')
ORDERS = Loss(What.TABLE, "public.orders", 5, 20, Unknown("-"), "-", '"public"."orders"')
ROWS = replace(ORDERS, what=What.ROWS)
WRITE = "INSERT INTO orders (item, note) SELECT 'new', CASE WHEN n > 4 THEN 'x' END FROM generate_series(1, 11) n"
_NUMBERS = itertools.count(1)


class Host(LocalProcess):
    """This machine, where a container was made `seconds` before the database is asked for its time; None: unknown."""

    def __init__(self, seconds: float | None) -> None:
        super().__init__(patience=0.3)
        self.seconds = seconds

    def run(
        self,
        command: Command,
        *,
        on_start: Callable[[Child], None] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        if command.argv[:2] != ("docker", "ps"):
            return super().run(command, on_start=on_start, on_line=on_line)
        if self.seconds is None:
            return Completed(command, 1, b"", b"no engine", 0.1)
        argv = ("date", "-u", "-d", f"{self.seconds} seconds ago", "+%Y-%m-%d %H:%M:%S +0000 UTC")
        return super().run(Command(argv))


@pytest.fixture
def database(server: Server) -> Database:
    name = f"deployed {next(_NUMBERS)}"
    server.sql("postgres", f'CREATE DATABASE "{name}" TEMPLATE template0')
    rows = "INSERT INTO orders (item, note) SELECT 'item', 'note ' || n FROM generate_series(1, 5) n"
    return Database(server, server.client(name, "deployed"), pairs(*SHOP), rows=rows)


def desk(database: Database, folder: Path, late: float | None = 20.0) -> DatabaseDesk:
    """As a laptop has it, of which there may be several."""
    found = database.desk
    tools = dataclasses.replace(found.tools, process=Host(late))
    return DatabaseDesk(replace(TARGET, state=str(folder)), found.spec, tools, found.secrets, cast("Any", None))


def told(facts: tuple[Loss, ...]) -> list[Fact[int]]:
    return [loss.since for loss in facts]


def test_what_was_written_since_the_deploy_must_be_counted_in_the_real_database(
    database: Database, tmp_path: Path
) -> None:
    assert note(desk(database, tmp_path), BAD) == ""
    database.sql(WRITE)
    assert note(desk(database, tmp_path), BAD) == ""  # a later check of the same release changes nothing
    rows = Unknown("which rows the down takes is not known one by one")
    assert told(since(desk(database, tmp_path), BAD, (NOTE, ORDERS, ROWS))) == [Known(7), Known(11), rows]
    # A database of that name that was made anew is another one, for whoever notes it and whoever counts.
    database.server.sql("postgres", f'DROP DATABASE "{database.name}"; CREATE DATABASE "{database.name}"')
    database.sql("CREATE TABLE orders (id int, note text); INSERT INTO orders VALUES (1, 'back')")
    assert note(desk(database, tmp_path), BAD) == ""
    restored = Unknown("the database was restored or replaced since")
    assert told(since(desk(database, tmp_path), BAD, (NOTE, ORDERS))) == [restored, restored]


def test_the_next_release_must_have_a_moment_of_its_own(database: Database, tmp_path: Path) -> None:
    assert note(desk(database, tmp_path), TWO) == ""
    database.sql(WRITE)
    why = Unknown("what was noted last is the deploy of sha-two, and sha-bad runs")
    assert told(since(desk(database, tmp_path), BAD, (NOTE,))) == [why]
    assert note(desk(database, tmp_path), BAD) == ""
    assert told(since(desk(database, tmp_path), BAD, (NOTE,))) == [Known(0)]
    assert told(since(desk(database, tmp_path), None, (NOTE,))) == [Unknown("no single release runs")]


@pytest.mark.parametrize(
    ("late", "why"),
    [
        (None, "how long after the deploy it was noted is not known"),
        (7200.0, "it was noted only 2 h after the deploy"),
    ],
)
def test_a_moment_that_says_little_about_the_deploy_must_be_unknown(
    database: Database, tmp_path: Path, late: float | None, why: str
) -> None:
    assert note(desk(database, tmp_path, late), BAD) == ""
    (found,) = told(since(desk(database, tmp_path), BAD, (NOTE,)))
    assert isinstance(found, Unknown)
    assert found.reason.startswith(why)


def test_what_cannot_be_noted_or_read_must_be_said_and_never_raised(database: Database, tmp_path: Path) -> None:
    here = desk(database, tmp_path)
    nobody = Unknown("nobody noted the moment of the deploy")
    assert told(since(here, BAD, (NOTE,))) == [nobody]
    gone = DatabaseDesk(here.target, replace(here.spec, name="gone"), here.tools, here.secrets, here.code)
    assert 'database "gone" does not exist' in note(gone, BAD)
    assert read(here) == nobody
    Path(place(here)).parent.mkdir(parents=True)
    Path(place(here)).write_text("{")
    assert "cannot be read" in cast("Unknown", told(since(here, BAD, (NOTE,)))[0]).reason
    assert note(here, BAD) == ""
    assert known(read(here)).release == BAD
    blocked = desk(database, Path(place(here)))  # a file where a folder has to be
    assert note(blocked, TWO) != ""


def test_nothing_must_be_asked_where_nothing_is_lost() -> None:
    assert since(cast("Any", None), BAD, ()) == ()


def test_the_number_must_be_unknown_where_the_table_was_made_by_another_hand(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = desk(database, tmp_path)
    assert note(here, BAD) == ""
    noted = known(read(here))
    wrong = replace(noted, moment=replace(noted.moment, timeline="00000009"))
    monkeypatch.setattr(deployed, "read", lambda _: Known[Deployed](wrong))
    assert told(since(here, BAD, (NOTE,))) == [Unknown("the database was restored or replaced since")]
