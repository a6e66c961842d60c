"""The way down on a copy first: what it shows, and that nothing of the copy stays, whatever happens."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from descending import Database, Step, pairs

from lastgood.database.booting import Model
from lastgood.database.rehearsal import Copies, Older, Rehearsing
from lastgood.effects.process import LocalProcess
from lastgood.model.command import Child, Command, Completed
from lastgood.model.descent import Descent
from lastgood.model.errors import Refused
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.rehearsal import Rehearsal
from lastgood.model.schema import Mode
from lastgood.postgres.client import Client
from sandbox import images
from tests.postgres.pgworld import Server, docker

STEPS: tuple[Step, ...] = (
    (
        "CREATE TABLE orders (id serial PRIMARY KEY, item text, note text); CREATE TABLE kept (id int)",
        "DROP TABLE orders, kept",
    ),
    (
        """CREATE TABLE bills (id int PRIMARY KEY, of int REFERENCES orders, sum int);
           CREATE VIEW sums AS SELECT of, sum(sum) FROM bills GROUP BY of""",
        "DROP TABLE bills CASCADE",
    ),
    (
        "ALTER TABLE orders ADD paid boolean",
        "ALTER TABLE orders DROP COLUMN paid; ALTER TABLE orders ALTER note TYPE varchar(3) USING note::varchar(3)",
    ),
)
ROWS = """INSERT INTO orders (item, note, paid) SELECT 'item', 'note ' || n, true FROM generate_series(1, 5) n;
INSERT INTO bills SELECT n, n, 100 FROM generate_series(1, 4) n; INSERT INTO kept VALUES (1)"""
NOBODY: Fact[Older] = Unknown("there is no older release here")


def left(run: str) -> str:
    """What of a rehearsal is still there."""
    label = f"label=lastgood.scratch={run}"
    containers = docker("ps", "--all", "--quiet", "--filter", label)
    return containers + docker("network", "ls", "--quiet", "--filter", label)


class Rehearsed:
    """Rehearses the way down of one database, and looks at it before and afterwards."""

    def __init__(self, database: Database, backups: Path, run: str) -> None:
        self.database, self.backups, self.run = database, backups, run
        self.told: list[str] = []
        self.before = database.whole()

    def goes(
        self,
        older: Fact[Older] = NOBODY,
        *,
        compatible: bool = True,
        tell: Callable[[str], object] = lambda _: None,
        way: Callable[[], Descent] | None = None,
    ) -> Rehearsal:
        def hear(what: str) -> None:
            self.told.append(what)
            tell(what)

        find = way or (lambda: self.database.way("1"))
        tool, desk = self.database.tool, self.database.desk
        with Copies() as copies:
            return copies.rehearse(Rehearsing(desk, tool, find, self.run, older, compatible, hear))

    def left_nothing(self) -> bool:
        """Nothing of it is there, and the database is as it was."""
        kept = sorted(self.backups.glob("*")) if self.backups.exists() else []
        return (left(self.run), kept, self.database.whole()) == ("", [], self.before)


@pytest.fixture(scope="module")
def shown(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[Rehearsed, Rehearsal, bool]:
    """One rehearsal that shows much, and whether it left anything."""
    server.sql("postgres", "CREATE DATABASE rehearsed TEMPLATE template0")
    backups = tmp_path_factory.mktemp("rehearsed")
    database = Database(server, server.client("rehearsed", "one"), pairs(*STEPS), rows=ROWS, backups=str(backups))
    rehearsed = Rehearsed(database, backups, f"test-shown-{os.getpid()}")
    older = Older("lastgood.example/never-built:1", Model({}, ()), ("shop-db",))
    found = rehearsed.goes(Known(older))
    return rehearsed, found, rehearsed.left_nothing()


Shown = tuple[Rehearsed, Rehearsal, bool]


def test_nothing_of_the_copy_stays_and_the_database_is_untouched(shown: Shown) -> None:
    _, _, nothing = shown
    assert nothing


def test_what_is_lost_is_named_with_its_number(shown: Shown) -> None:
    _, found, _ = shown
    assert {one.called: one.count for one in found.losses} == {
        "column public.orders.paid": 5,
        "values public.orders.note": 5,
        "table public.bills": 4,
    }


def test_what_goes_with_it_is_named_as_well(shown: Shown) -> None:
    _, found, _ = shown
    for name in (
        "table public.bills",
        "view public.sums",
        "table column public.orders.paid",
    ):
        assert name in found.dropped
    assert not [name for name in found.dropped if "bills_pkey" in name]  # a part of what goes is not told again
    assert not any("lastgood" in name or "kept" in name for name in found.dropped)


def test_the_locks_that_it_holds_are_told(shown: Shown) -> None:
    _, found, _ = shown
    held = {one.relation: one.mode for one in found.locks}
    assert held["orders"] is Mode.ACCESS_EXCLUSIVE
    assert "kept" not in held


def test_the_rows_of_the_copy_are_counted_against_the_database(shown: Shown) -> None:
    _, found, _ = shown
    assert found.rows == 5 + 4 + 1 + 1
    assert found.size > 0
    assert found.descent
    assert [one.version for one in found.descent.undone] == ["3", "2"]


def test_an_older_release_that_cannot_be_started_is_unknown_and_said(shown: Shown) -> None:
    rehearsed, found, _ = shown
    for booted in (found.before, found.after):
        assert isinstance(booted, Unknown)
        assert booted.reason.startswith("it could not be started: ")
        assert "never-built" in booted.reason
    assert rehearsed.told == [
        "backing the database up, for a copy",
        "loading the copy",
        "starting the older release against the copy as it is",
        "going down on the copy",
        "starting the older release against the copy gone down",
    ]


def released(condition: str) -> Fact[Older]:
    """A release that is healthy while its database, by the name that it knows it by, answers yes."""
    asks = f"psql -h shop-db -U shop -d \"$NAME\" -Atc 'SELECT {condition}' | grep -q t"
    times = ("--health-interval=200ms", "--health-timeout=5s", "--health-retries=5")
    model = Model({"NAME": "shop", "TOKEN": "f8a1c0d29b7e4f6a83c5"}, (f"--health-cmd={asks}", *times))
    return Known(Older(images.DATABASE.image, model, ("shop-db",)))


@pytest.fixture
def rehearsed(server: Server, client: Client, tmp_path: Path, request: pytest.FixtureRequest) -> Rehearsed:
    steps = getattr(request, "param", STEPS)
    return built(server, client, tmp_path, steps)


def built(server: Server, client: Client, tmp_path: Path, steps: tuple[Step, ...]) -> Rehearsed:
    backups = tmp_path / "back ups"
    rows = ROWS if steps is STEPS else ""
    database = Database(server, client, pairs(*steps), rows=rows, backups=str(backups))
    return Rehearsed(database, backups, f"test-{os.getpid()}-{client.mark}")


def test_a_release_that_starts_with_the_schema_as_it_is_needs_no_way_down(rehearsed: Rehearsed) -> None:
    name = rehearsed.database.name
    older = released("count(*) = 5 FROM orders")
    assert isinstance(older, Known)
    older.value.model.env["NAME"] = name
    found = rehearsed.goes(older, way=lambda: pytest.fail("nobody needs a way down"))
    assert isinstance(found.before, Known)
    assert found.before.value.healthy
    assert found.descent is None
    assert rehearsed.left_nothing()


def test_a_release_is_seen_to_start_only_once_the_schema_went_down(rehearsed: Rehearsed) -> None:
    older = released("to_regclass($$bills$$) IS NULL")
    assert isinstance(older, Known)
    older.value.model.env["NAME"] = rehearsed.database.name
    found = rehearsed.goes(older)
    assert isinstance(found.before, Known)
    assert isinstance(found.after, Known)
    assert (found.before.value.healthy, found.after.value.healthy) == (False, True)
    assert rehearsed.left_nothing()


BROKEN = (*STEPS[:2], (STEPS[2][0], "ALTER TABLE orders DROP COLUMN it_never_was"))


@pytest.mark.parametrize("rehearsed", [BROKEN], indirect=True)
def test_a_way_down_that_fails_on_the_copy_is_refused_in_the_server_s_words(rehearsed: Rehearsed) -> None:
    with pytest.raises(Refused, match="nothing was applied there") as refused:
        rehearsed.goes()
    assert refused.value.because == ('column "it_never_was" of relation "orders" does not exist',)
    assert rehearsed.left_nothing()


CONCURRENT = (
    STEPS[0],
    ("ALTER TABLE orders ADD paid boolean DEFAULT false NOT NULL", "ALTER TABLE orders DROP COLUMN paid"),
    ("CREATE INDEX paid_idx ON orders (paid); INSERT INTO orders DEFAULT VALUES", "DROP INDEX CONCURRENTLY paid_idx"),
)


@pytest.mark.parametrize("rehearsed", [CONCURRENT], indirect=True)
def test_a_loss_outside_of_one_transaction_is_refused(rehearsed: Rehearsed) -> None:
    with pytest.raises(Refused, match="cannot be done in one transaction") as refused:
        rehearsed.goes()
    assert refused.value.because[0] == "column public.orders.paid"
    assert refused.value.because[1].startswith("3_step.down.sql: line 1")
    assert rehearsed.left_nothing()


@pytest.mark.parametrize("rehearsed", [CONCURRENT], indirect=True)
def test_outside_of_one_transaction_without_a_loss_it_is_rehearsed(rehearsed: Rehearsed) -> None:
    found = rehearsed.goes(way=lambda: rehearsed.database.way("2"))
    assert found.losses == ()
    assert "index public.paid_idx" in found.dropped
    assert rehearsed.left_nothing()


@pytest.mark.parametrize("at", ["loading the copy", "going down on the copy"])
def test_interrupted_anywhere_nothing_of_the_copy_stays(rehearsed: Rehearsed, at: str) -> None:
    def interrupt(what: str) -> None:
        if what == at:
            assert left(rehearsed.run)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rehearsed.goes(tell=interrupt)
    assert rehearsed.left_nothing()


class Failing(LocalProcess):
    """A machine on which one program fails."""

    def __init__(self, word: str) -> None:
        super().__init__(patience=0.3)
        self._word = word

    def run(
        self,
        command: Command,
        *,
        on_start: Callable[[Child], None] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        if self._word in " ".join(command.argv):
            return Completed(command, 1, b"", b"error: the disk is full\n", 0.1)
        return super().run(command, on_start=on_start, on_line=on_line)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("pg_restore", "the copy cannot be loaded"),
        ("network create", "no network can be made"),
        ("initdb", "no copy can be made"),
    ],
)
def test_where_a_program_fails_nothing_of_the_copy_stays(
    server: Server, client: Client, tmp_path: Path, word: str, said: str
) -> None:
    client = server.client(client.reach.name, client.mark, Failing(word))
    rehearsed = built(server, client, tmp_path, STEPS)
    with pytest.raises(Refused, match=said):
        rehearsed.goes()
    assert rehearsed.left_nothing()


def test_what_cannot_be_undone_is_refused_and_nothing_of_the_copy_stays(rehearsed: Rehearsed) -> None:
    def refuse() -> Descent:
        raise Refused("Migration 3 cannot be undone by lastgood.")

    with pytest.raises(Refused, match="Migration 3"):
        rehearsed.goes(way=refuse)
    assert rehearsed.left_nothing()
