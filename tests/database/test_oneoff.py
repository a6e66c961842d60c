"""A migration tool's container: what is started, what becomes of its end, and that no secret of it is seen."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from lastgood.database import oneoff, owntool
from lastgood.database.desk import DatabaseDesk
from lastgood.database.oneoff import Ended, OneOff
from lastgood.database.owntool import Going, environment, go_down, happened
from lastgood.model.command import Command, Completed
from lastgood.model.database import Failed, Fingerprint, Reach
from lastgood.model.descent import Descent, Loss, OwnTool, Undo
from lastgood.model.facts import Known, No, Unclear, Unknown, Yes
from lastgood.model.schema import SchemaState, What
from lastgood.postgres.client import Client
from tests.database.descending import Waiting

ENV = {"DATABASE_URL": "postgresql://shop:hunter22@db/shop", "GREETING": "hello"}
WANTED = OneOff(
    "r1", "local", "sha256:bad", ("poetry", "run", "alembic", "downgrade", "a"), "/app", ("in", "out"), ENV, 5
)


class Docker:
    """Answers the calls of one container by their first words; what was called is kept."""

    def __init__(self, **answers: Completed | str) -> None:
        self.answers = answers
        self.called: list[Command] = []

    def run(self, command: Command) -> Completed:
        self.called.append(command)
        words = "_".join(word for word in command.argv[1:3] if word.isalpha())
        found = self.answers.get(words, self.answers.get(command.argv[1], ""))
        return Completed(command, 0, found.encode()) if isinstance(found, str) else found


def done(code: int | None, out: str = "", err: str = "", failure: str = "") -> Completed:
    return Completed(Command(("docker",)), code, out.encode(), err.encode(), 1.0, failure)


def test_only_the_program_is_started_and_secrets_stand_in_no_command_line() -> None:
    docker = Docker(container_ls="id", container_inspect="exited 0", logs="-- SQL")
    assert oneoff.once(docker.run, WANTED) == Ended(0, "-- SQL", "-- SQL", 0.0)
    create = next(one for one in docker.called if one.argv[1] == "create")
    assert not any("hunter22" in word for one in docker.called for word in one.argv)
    assert b"DATABASE_URL=postgresql://shop:hunter22@db/shop\n" in create.stdin
    words = " ".join(create.argv)
    assert "--entrypoint poetry --env-file /dev/stdin -- sha256:bad run alembic downgrade a" in words
    assert "--workdir /app" in words
    assert "--publish" not in words
    assert [one.argv[-2:] for one in docker.called if one.argv[1] == "network"] == [("out", "lastgood-tool-r1")]


@pytest.mark.parametrize(
    ("answers", "why", "in_doubt", "locked"),
    [
        ({"create": done(1, err="no such image")}, "no such image", False, False),
        ({"network": done(1, err="no such network")}, "no such network", False, False),
        ({"start": done(127, err='exec: "alembic": hunter22 not found')}, "not found", False, False),
        ({"container_inspect": "running 0", "wait": done(None, failure="killed after 5 s")}, "within 5 s", True, False),
        ({"container_ls": done(1, err="daemon is gone")}, "daemon is gone", True, False),
        ({"container_ls": ""}, "gone", True, False),
        ({"container_inspect": "exited 137"}, "exit code 137", False, False),
        (
            {
                "container_inspect": "exited 1",
                "logs": done(0, err="x.Error: (LockNotAvailable) due to lock timeout, as hunter22\n[SQL: DROP]\n"),
            },
            "lock timeout",
            False,
            True,
        ),
    ],
)
def test_an_end_that_is_none_must_be_said_without_secrets(
    answers: dict[str, Any], why: str, *, in_doubt: bool, locked: bool
) -> None:
    docker = Docker(**{"container_ls": "id", "container_inspect": "exited 0"} | answers)
    ended = oneoff.once(docker.run, WANTED)
    failed = ended if isinstance(ended, Failed) else ended.failed
    assert failed is not None
    assert why in failed.reason
    assert "hunter22" not in failed.reason
    assert (failed.in_doubt, failed.locked) == (in_doubt, locked)


def test_its_sessions_must_carry_the_run_s_name_and_wait_for_no_lock() -> None:
    client = Client(cast("Any", None), cast("Any", None), Reach("shop"), mark="r1")
    found = environment(client, {"PGOPTIONS": "-c search_path=shop", "A": "b"})
    assert found["PGAPPNAME"] == "lastgood-r1"
    assert found["PGOPTIONS"] == "-c search_path=shop -c lock_timeout=3s"
    assert found["A"] == "b"
    assert environment(client, {"PGOPTIONS": "-c lock_timeout=1s"})["PGOPTIONS"] == "-c lock_timeout=1s"


SHAPE = Fingerprint({"table public.orders": "", "column public.orders.note": "text"}, {}, {})
GONE = Fingerprint({"table public.orders": ""}, {}, {})
ODD = Fingerprint({"table public.orders": "", "table public.odd": ""}, {}, {})
NOTE = Loss(What.COLUMN, "public.orders.note", 3, 20, Unknown("-"), "", '"public"."orders"', '"note"')
ROWS = Loss(What.ROWS, "public.orders", 3, 20, Unknown("-"), "", '"public"."orders"')


def way() -> Descent:
    """As the rehearsal left it: the column is dropped."""
    tool = OwnTool("sha256:bad", ("alembic", "downgrade", "a"))
    bare = Descent("alembic", '"public"."alembic_version"', "", "b", "a", (Undo("b", "b.py", "", ""),), own=tool)
    return owntool.reached(bare, SHAPE, GONE)


class Live:
    """Stands in for the database and the tool: how both stand, before and after the tool was run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.versions, self.shapes, self.rows = ["b", "a"], [SHAPE, GONE], [{"public.orders": 50}] * 2
        self.ends: list[Ended | Failed] = [Ended(0, "", "", 1.0)]
        self.values, self.untouched, self.ran = 3, True, 0
        self.left: Failed | None = None
        self.vacant: tuple[Loss, ...] = ()
        self.clock = Waiting()
        now: Callable[[list[Any]], Any] = lambda pair: pair[min(self.ran, len(pair) - 1)]  # noqa: E731
        for name, found in {
            "recognised": lambda *_: None,
            "state": lambda *_: SchemaState("t", now(self.versions)),
            "fingerprint": lambda *_: Known(now(self.shapes)),
            "next_number": lambda *_: Known(7),
            "untouched": lambda *_: Known(self.untouched),
            "ask": lambda *_, **__: Known(self.values),
            "end": lambda *_: self.left,
        }.items():
            monkeypatch.setattr(owntool, name, found)
        monkeypatch.setattr(owntool.facts, "counts", lambda *_: Known(now(self.rows)))
        monkeypatch.setattr(oneoff, "once", self.once)

    def once(self, *_: object) -> Ended | Failed:
        ended = self.ends[min(self.ran, len(self.ends) - 1)]
        self.ran += 1
        return ended

    def goes(self, *losses: Loss) -> str:
        """Why it did not go down; empty where it did."""
        found = go_down(self.desk, self.client, self.going(*losses), WANTED)
        return found.reason if isinstance(found, Failed) else ""

    @property
    def desk(self) -> DatabaseDesk:
        spec, tools = SimpleNamespace(migrator=None), SimpleNamespace(clock=self.clock)
        return DatabaseDesk(*cast("tuple[Any, ...]", (None, spec, tools, None, None)))

    @property
    def client(self) -> Client:
        return Client(cast("Any", Docker()), cast("Any", None), Reach("shop"), mark="r1")

    def going(self, *losses: Loss) -> Going:
        found = replace(way(), vacant=self.vacant)
        assert found.own is not None
        return Going(found, found.own, losses, "local", "r1")


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Live:
    return Live(monkeypatch)


def test_what_the_rehearsal_reached_must_be_reached_again(live: Live) -> None:
    assert live.goes(NOTE) == ""
    assert live.ran == 1


def test_a_part_that_a_dump_spells_otherwise_must_make_no_difference(live: Live) -> None:
    check = "constraint public.orders.short"
    live.shapes = [Fingerprint(one.parts | {check: "as it was written"}, {}, {}) for one in live.shapes]
    there, then = (Fingerprint(one.parts | {check: "as it was restored"}, {}, {}) for one in (SHAPE, GONE))
    found = owntool.reached(way(), there, then)
    assert found.own is not None
    going = Going(found, found.own, (NOTE,), "local", "r1")
    assert not isinstance(go_down(live.desk, live.client, going, WANTED), Failed)


@pytest.mark.parametrize(
    ("as_it_is", "losses", "why"),
    [
        ({"versions": ["c"]}, (NOTE,), "at version c now, and not at b"),
        ({"values": 21}, (NOTE,), "accepted up to 20, and there are 21"),
        ({"values": 1, "vacant": (replace(NOTE, most=0),)}, (), "accepted up to 0, and there are 1"),
    ],
)
def test_nothing_must_be_begun_where_it_would_not_be_what_was_planned(
    live: Live, as_it_is: Mapping[str, Any], losses: tuple[Loss, ...], why: str
) -> None:
    vars(live).update(as_it_is)
    assert why in live.goes(*losses)
    assert live.ran == 0


@pytest.mark.parametrize(
    ("as_it_is", "losses", "why"),
    [
        ({"versions": ["b", "b"]}, (NOTE,), "ended well, and the database is at version b"),
        ({"shapes": [SHAPE, ODD]}, (NOTE,), "table public.odd is there and was not"),
        ({"shapes": [SHAPE, SHAPE]}, (NOTE,), "not: column public.orders.note is missing"),
        ({"rows": [{"public.orders": 50}, {"public.orders": 49}]}, (NOTE,), "lost 1 rows, and 0 were accepted"),
        ({"rows": [{"public.orders": 50}, {"public.orders": 20}]}, (NOTE, ROWS), "lost 30 rows, and 20 were accepted"),
        ({"ends": [Ended(1, "", "boom", 1.0)]}, (NOTE,), "exit code 1: boom"),
        ({"ends": [Failed("did not end", in_doubt=True)]}, (NOTE,), "did not end"),
    ],
)
def test_what_did_not_come_out_as_on_the_copy_must_be_told(
    live: Live, as_it_is: Mapping[str, Any], losses: tuple[Loss, ...], why: str
) -> None:
    vars(live).update(as_it_is)
    assert why in live.goes(*losses)
    assert live.ran == 1


def test_a_lock_must_be_asked_for_again_only_while_nothing_was_changed(live: Live) -> None:
    locked = Ended(1, "", "canceling statement due to lock timeout", 3.0)
    live.ends, live.versions, live.shapes = [locked, locked, live.ends[0]], ["b", "b", "b", "a"], [SHAPE] * 3 + [GONE]
    assert live.goes(NOTE) == ""
    assert (live.ran, len(live.clock.slept)) == (3, 2)
    live.ran, live.ends = 0, [locked]
    assert "lock timeout" in live.goes(NOTE)
    assert live.ran == 5
    live.ran, live.untouched = 0, False
    assert "lock timeout" in live.goes(NOTE)
    assert live.ran == 1


def test_values_must_be_told_to_be_in_doubt_only_where_rows_are_gone() -> None:
    lost = (ROWS, replace(NOTE, what=What.VALUES), replace(NOTE, what=What.VALUES, relation="other"))
    assert [("may have" in one.because) for one in owntool.doubted(lost)] == [False, True, False]
    assert [one.called for one in owntool.doubted(lost)] == [one.called for one in lost]


@pytest.mark.parametrize(
    ("version", "shape", "left", "verdict"),
    [
        ("a", GONE, None, Yes()),
        ("a", ODD, None, No()),
        ("b", SHAPE, None, No()),
        ("", SHAPE, None, No()),
        ("a", GONE, Failed("cannot be ended"), Unclear("cannot be ended")),
    ],
)
def test_whether_it_happened_must_be_asked_from_the_database_once_the_tool_is_gone(
    live: Live, version: str, shape: Fingerprint, left: Failed | None, verdict: object
) -> None:
    live.versions, live.shapes, live.left = [version], [shape], left
    assert happened(live.desk, live.client, live.going(), None, waiting=True) == verdict


def test_rows_that_nobody_gave_must_not_be_gone_where_nobody_watched(live: Live) -> None:
    live.versions, live.shapes = ["a"], [GONE]
    assert happened(live.desk, live.client, live.going(), {"public.orders": 51}, waiting=False) == No()
    assert happened(live.desk, live.client, live.going(ROWS), {"public.orders": 51}, waiting=False) == Yes()
