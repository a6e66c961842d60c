"""What a run leaves elsewhere is enough to see that its record here was changed, or cut off."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from lastgood.journal.store import Journal
from lastgood.model.errors import Exit
from lastgood.model.verified import Verdict, Verified
from lastgood.record.verify import verify
from lastgood.run import witnesses
from tests.standin.fate import ANSWERS_500
from tests.standin.world import World


def verified(world: World) -> Verified:
    """As `lastgood verify` does."""
    run = world.run()
    assert run
    with Journal(str(world.root / "own/journal.db")) as journal, world.tools() as tools:
        lines = journal.lines(run.id)
        asked = witnesses.witnesses(run, world.target, tools.repo, tools.files)
        return verify(run.id, run.plan.target, lines, asked, faults=witnesses.labelled(journal, lines))


def by_hand(world: World, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(world.root / "own/journal.db", isolation_level=None)) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            db.execute(statement)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    for number, fate in enumerate((None, None, ANSWERS_500), start=1):
        world.ship(f"v{number}", fate) if fate else world.ship(f"v{number}")
    assert world.rollback().exit is Exit.DONE
    return world


def test_a_run_that_ended_must_be_known_whole_by_host_and_commit(world: World) -> None:
    found = verified(world)
    assert (found.verdict, found.faults, found.limits) == (Verdict.WHOLE, (), ())
    host, commit = found.witnesses
    assert (host.where, host.lines) == ("on host local", found.lines)
    assert commit.where.startswith("in commit ")
    assert 0 < commit.lines < found.lines
    audit = (world.root / "host/audit/shop@prod.log").read_text().splitlines()
    assert audit[-1].endswith(f"; record: {found.lines} lines, sha256 {found.head}")


def test_what_was_cut_off_must_show_although_the_rest_fits(world: World) -> None:
    by_hand(world, "DELETE FROM events WHERE kind = 'run-ended'")
    found = verified(world)
    assert (found.verdict, found.faults[0].line) == (Verdict.BROKEN, found.lines + 1)


def test_what_was_cut_off_here_and_on_the_host_must_show_by_the_commit(world: World) -> None:
    run = world.run()
    assert run
    by_hand(world, "DELETE FROM events WHERE seq > 3")
    trail = world.root / f"host/runs/{run.id}.jsonl"
    trail.write_bytes(b"".join(trail.read_bytes().splitlines(keepends=True)[:3]))
    found = verified(world)
    assert found.verdict is Verdict.BROKEN
    assert [fault.what for fault in found.faults if "in commit" in fault.what]


def test_a_line_filed_under_another_target_must_show(world: World) -> None:
    by_hand(world, "UPDATE events SET target = 'shop/staging' WHERE kind = 'judged'")
    assert "filed as something that it is not" in verified(world).faults[0].what


def test_a_trail_that_was_edited_must_never_be_believed(world: World) -> None:
    run = world.run()
    assert run
    trail = world.root / f"host/runs/{run.id}.jsonl"
    trail.write_bytes(trail.read_bytes().replace(b"ANSWERS 500", b"ANSWERS 200").replace(b'"at":', b'"at":1', 1))
    found = verified(world)
    assert found.verdict is Verdict.UNPROVEN
    assert "cannot be relied on" in found.witnesses[0].because
