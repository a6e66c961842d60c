"""The way down by a tool's own program: what of it can be shown, and what must be refused before it is tried."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lastgood.database import oneoff, rehearsal
from lastgood.database.booting import Model
from lastgood.database.desk import DatabaseDesk
from lastgood.database.oneoff import Ended, OneOff
from lastgood.database.owntool import locks
from lastgood.database.rehearsal import Older
from lastgood.database.releases import Sourced
from lastgood.database.tables import Tool, candidates
from lastgood.database.toolway import by_tool
from lastgood.model.database import Failed
from lastgood.model.descent import Descent
from lastgood.model.errors import Refused
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.release import Image
from lastgood.model.schema import Mode, SchemaState
from lastgood.model.step import Runnable
from lastgood.postgres.asking import ask, execute
from lastgood.postgres.client import Client
from tests.postgres.pgworld import Server

ALEMBIC = candidates(None)["alembic"]
TABLE = '"public"."alembic_version"'
APART: Fact[Older] = Known(Older("older", Model({"DATABASE_URL": "postgresql://db", "API_TOKEN": "t0psecret"}, ()), ()))
BAD = Runnable(Image("shop", "sha-bad", "sha256:bad"), "")
# What Alembic 1.20 printed for `downgrade c3:base --sql`, the last one with an autocommit block in it.
PRINTED = """BEGIN;

-- Running downgrade c3 -> b2

UPDATE t SET note = 'a;b';

UPDATE alembic_version SET version_num='b2' WHERE alembic_version.version_num = 'c3';

-- Running downgrade b2 -> a1

COMMIT;

DROP INDEX CONCURRENTLY i;

BEGIN;

UPDATE alembic_version SET version_num='a1' WHERE alembic_version.version_num = 'b2';

-- Running downgrade a1 -> 

DROP TABLE t;

DELETE FROM alembic_version WHERE alembic_version.version_num = 'a1';

COMMIT;
"""  # noqa: W291 - Alembic's own


def revisions(*names: str, **bodies: str) -> dict[str, bytes]:
    """A chain of revisions; `b2="pass"` gives one another way down."""
    text = "revision = {!r}\ndown_revision = {!r}\ndef upgrade():\n    x\ndef downgrade():\n    {}\n"
    pairs = zip(names, (None, *names), strict=False)
    return {f"versions/{name}.py": text.format(name, after, bodies.get(name, "x")).encode() for name, after in pairs}


class Printing:
    """Stands in for the container that prints the SQL: what was run in it, and how it ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, ends: Ended | Failed | None = None) -> None:
        self.ends = ends or Ended(0, PRINTED, "", 1.0)
        self.ran: list[OneOff] = []
        monkeypatch.setattr(oneoff, "once", self.once)
        monkeypatch.setattr(oneoff, "remove", lambda *_: None)

    def once(self, _: object, wanted: OneOff) -> Ended | Failed:
        self.ran.append(wanted)
        return self.ends


def way(newer: dict[str, bytes], older: dict[str, bytes], *, at: str = "c3", apart: Fact[Older] = APART) -> Descent:
    process = SimpleNamespace(process=SimpleNamespace(run=None))
    spec = SimpleNamespace(host="local", schema="")
    desk = DatabaseDesk(*cast("tuple[Any, ...]", (None, spec, process, None, None)))
    sourced = (Sourced(ALEMBIC.migrations(files), "migrations at abc") for files in (newer, older))
    return by_tool(desk, Tool("alembic", ALEMBIC, TABLE), SchemaState(TABLE, at), *sourced, BAD, apart)


def test_the_sql_that_the_tool_prints_must_be_shown_with_its_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    printing = Printing(monkeypatch)
    found = way(revisions("a1", "b2", "c3"), {})
    shown = [one.sql.splitlines()[0] for one in found.undone]
    assert shown == ["UPDATE t SET note = 'a;b';", "DROP INDEX CONCURRENTLY i;", "DROP TABLE t;"]
    assert not any("COMMIT" in one.sql or "BEGIN" in one.sql for one in found.undone)
    assert [bool(one.alone) for one in found.undone] == [False, True, False]
    assert {one.relation: one.mode for one in locks(found)}["t"] is Mode.ACCESS_EXCLUSIVE
    assert found.own is not None
    assert (found.own.image, found.own.argv) == ("shop@sha256:bad", ("alembic", "downgrade", "base"))
    assert not found.own.unseen
    (ran,) = printing.ran
    assert ran.argv == ("alembic", "downgrade", "c3:base", "--sql")
    assert (ran.networks, ran.image) == (("none",), "shop@sha256:bad")
    assert "API_TOKEN" not in ran.env


@pytest.mark.parametrize(
    ("ends", "why"),
    [
        (Failed("alembic could not be started: no such file"), "could not be started"),
        (Ended(1, "", "AttributeError: 'NoneType' object has no attribute 'execute'", 1.0), "AttributeError"),
        (Ended(0, PRINTED.replace("b2 -> a1", "b9 -> a1"), "", 1.0), "does not name the migrations"),
        (Ended(0, "", "", 1.0), "does not name the migrations"),
        (Ended(0, PRINTED.replace("DROP TABLE t", "DROP TABEL t"), "", 1.0), "syntax error"),
    ],
)
def test_sql_that_cannot_be_had_must_be_said_to_be_unseen(
    monkeypatch: pytest.MonkeyPatch, ends: Ended | Failed, why: str
) -> None:
    Printing(monkeypatch, ends)
    found = way(revisions("a1", "b2", "c3"), {})
    assert found.own is not None
    assert why in found.own.unseen
    assert [(one.version, one.sql) for one in found.undone] == [("c3", ""), ("b2", ""), ("a1", "")]
    assert locks(found) == ()


BRANCHED = revisions("a1", "b2", "c3") | {"versions/d.py": b"revision = 'd4'\ndown_revision = 'b2'\n"}


@pytest.mark.parametrize(
    ("newer", "older", "at", "apart", "why"),
    [
        (BRANCHED, revisions("a1"), "c3", APART, "branch"),
        (revisions("a1", "b2", "c3"), BRANCHED, "c3", APART, "branch"),
        (revisions("a1", "b2", "c3", b2="pass"), revisions("a1"), "c3", APART, "does nothing"),
        (revisions("a1", "b2", "c3", b2="raise X('merged')"), revisions("a1"), "c3", APART, "merged"),
        (revisions("a1", "b2"), revisions("a1"), "c3", APART, "not in"),
        (revisions("a1", "b-2"), revisions("a1"), "a1", APART, "does not allow"),
        (revisions("a1", "b2", "c3"), revisions("a1"), "c3", Unknown("on a server of its own"), "of its own"),
    ],
)
def test_a_way_that_is_not_certain_must_be_refused_before_anything_runs(  # noqa: PLR0913, PLR0917 - all that can be wrong
    monkeypatch: pytest.MonkeyPatch,
    newer: dict[str, bytes],
    older: dict[str, bytes],
    at: str,
    apart: Fact[Older],
    why: str,
) -> None:
    printing = Printing(monkeypatch)
    with pytest.raises(Refused) as refused:
        way(newer, older, at=at, apart=apart)
    assert any(why in one for one in refused.value.because), refused.value.because
    assert printing.ran == []


def test_a_word_of_the_tool_must_not_be_taken_for_a_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    printing = Printing(monkeypatch)
    with pytest.raises(Refused, match="told where to go"):
        way(revisions("head", "b2"), revisions("head"), at="b2")
    assert printing.ran == []


def test_a_tool_without_a_program_must_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    printing = Printing(monkeypatch)
    monkeypatch.setattr(type(ALEMBIC), "tool", lambda *_: None)
    with pytest.raises(Refused, match="no program"):
        way(revisions("a1", "b2"), revisions("a1"), at="b2")
    assert printing.ran == []


def test_what_another_user_s_program_drops_on_the_copy_must_be_noted(server: Server, client: Client) -> None:
    assert not isinstance(execute(client, rehearsal._NOTES + rehearsal._WATCH), Failed)
    server.sql(
        client.reach.name,
        """CREATE ROLE plain; GRANT CREATE ON SCHEMA public TO plain; SET ROLE plain;
           CREATE TABLE orders (id int); CREATE VIEW daily AS SELECT * FROM orders; DROP TABLE orders CASCADE""",
    )
    assert ask(client, rehearsal._DROPPED, tuple[str, ...]) == Known(("table public.orders", "view public.daily"))
