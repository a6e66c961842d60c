import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lastgood.journal import schema
from lastgood.journal.store import Journal, new_run_id
from lastgood.model.command import Child
from lastgood.model.errors import Exit, JournalUnwritable, Refused, UsageError
from lastgood.model.event import ChildStarted, Event, Judged, Resumed, RunEnded, Said, StepDone, StepFailed, StepStarted
from lastgood.model.release import Grade
from tests.journal.sample import IMAGE, SECOND, begun


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "state" / "journal.db")


@pytest.fixture
def journal(path: str) -> Iterator[Journal]:
    with Journal(path) as it:
        yield it


def raw(path: str) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def test_what_was_appended_must_come_back_in_order_and_equal(journal: Journal) -> None:
    events: tuple[Event, ...] = (
        begun(),
        StepStarted("1.pull"),
        ChildStarted("1.pull", Child(12, 34, ("docker", "pull"))),
        StepDone("1.pull", "it is there", {"seconds": "2"}),
        StepFailed("1.verify", "500", next=("look",)),
        Judged("shop-api/prod", IMAGE, Grade.BAD, "500"),
        Said("\x1b[31m walks on\n"),
        Resumed("bob", aborting=True, lease="t"),
        RunEnded(Exit.DONE, "done"),
    )
    written = tuple(journal.append("r", event, 5 + at) for at, event in enumerate(events))
    assert [entry.seq for entry in written] == list(range(1, 10))
    assert journal.entries("r") == written


def test_reading_a_journal_that_is_not_there_must_find_nothing_and_make_nothing(journal: Journal, path: str) -> None:
    assert journal.entries("r") == ()
    assert journal.runs() == ()
    assert journal.latest(None) is None
    assert journal.last_run_for("a/b") is None
    assert journal.judgements("a/b") == ()
    assert not Path(path).parent.exists()


def test_the_journal_must_be_its_owners_alone(journal: Journal, path: str) -> None:
    journal.append("r", begun(), 1)
    assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700
    modes = {stat.S_IMODE(each.stat().st_mode) for each in Path(path).parent.iterdir()}
    assert modes == {0o600}


def test_no_temporary_file_must_stay(journal: Journal, path: str) -> None:
    journal.append("r", begun(), 1)
    journal.close()
    assert sorted(each.name for each in Path(path).parent.iterdir()) == ["journal.db"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET at = 0",
        "DELETE FROM events",
        "INSERT OR REPLACE INTO events VALUES ('r', 1, 9, 'said', '', x'7b7d', printf('%064d', 0))",
        "INSERT INTO events VALUES ('r', 9, 9, 'said', '', x'7b7d', printf('%064d', 0))",
    ],
)
def test_history_must_not_be_rewritten_by_anybody(journal: Journal, path: str, statement: str) -> None:
    first = journal.append("r", begun(), 1)
    with contextlib.closing(raw(path)) as db, pytest.raises(sqlite3.IntegrityError, match="only ever added to"):
        db.execute(statement)
    assert journal.entries("r") == (first,)


def test_every_commit_must_be_synced(journal: Journal) -> None:
    journal.append("r", begun(), 1)
    assert journal._db is not None
    assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_run_must_not_begin_twice_under_one_id(journal: Journal) -> None:
    journal.append("r", begun(), 1)
    with pytest.raises(JournalUnwritable, match="stands in the journal already"):
        journal.append("r", begun(), 2)
    assert len(journal.entries("r")) == 1


def test_runs_must_be_listed_newest_first_by_their_beginning(journal: Journal) -> None:
    journal.append("a", begun(), 20)
    journal.append("b", begun("web/prod"), 10)
    journal.append("c", begun("web/prod"), 30)
    journal.append("b", Said("late"), 99)
    journal.append("check", Judged("web/prod", IMAGE, Grade.VERIFIED, "gate"), 50)
    assert journal.runs() == ("c", "a", "b")
    assert journal.latest(None) == "c"
    assert journal.latest("shop-api/prod") == "a"
    assert journal.latest("nobody/prod") is None
    found = journal.last_run_for("web/prod")
    assert found is not None
    assert (found.id, found.started) == ("c", 30)


def test_judgements_must_come_newest_first_in_unix_seconds(journal: Journal) -> None:
    journal.append("a", Judged("web/prod", IMAGE, Grade.BAD, "500", "http:500"), 7 * SECOND + 5)
    journal.append("a", Judged("web/prod", IMAGE, Grade.VERIFIED, "passed"), 9 * SECOND)
    journal.append("a", Judged("other/prod", IMAGE, Grade.BAD, "x"), 10 * SECOND)
    found = journal.judgements("web/prod")
    assert [(each.grade, each.at, each.run) for each in found] == [(Grade.VERIFIED, 9, "a"), (Grade.BAD, 7, "a")]
    assert found[1].signature == "http:500"


def test_a_run_must_be_found_by_a_unique_beginning_of_its_id(journal: Journal) -> None:
    for at, run in enumerate(("20261122-174501-7f3a", "20261122-174501-7f3b", "2026")):
        journal.append(run, Said("x"), at)
    assert journal.find("20261122-174501-7f3b") == "20261122-174501-7f3b"
    assert journal.find("2026") == "2026"
    with pytest.raises(UsageError, match="2 runs begin with '20261122'") as told:
        journal.find("20261122")
    assert told.value.because == ("20261122-174501-7f3b", "20261122-174501-7f3a")


@pytest.mark.parametrize("prefix", ["", "%", "_", "x'; DROP TABLE events", "\x1b[2J", "\n"])
def test_hostile_prefixes_must_find_nothing_and_be_shown_harmlessly(journal: Journal, prefix: str) -> None:
    journal.append("2026", Said("x"), 1)
    with pytest.raises(UsageError, match="There is no run") as told:
        journal.find(prefix)
    assert told.value.what.isprintable()


def test_two_journals_and_many_threads_must_all_get_their_lines_in(path: str) -> None:
    with Journal(path) as one, Journal(path) as two, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda at: (one, two)[at % 2].append("r", Said(str(at)), at), range(60)))
        found = one.entries("r")
    assert [entry.seq for entry in found] == list(range(1, 61))
    assert {entry.at for entry in found} == set(range(60))


WRITER = """
import sys
from lastgood.journal.store import Journal
from lastgood.model.event import Said
journal = Journal(sys.argv[1])
for at in range(40):
    journal.append(sys.argv[2], Said(str(at)), at)
"""


def test_processes_that_create_and_append_at_once_must_all_succeed(path: str) -> None:
    started = [subprocess.Popen([sys.executable, "-c", WRITER, path, run]) for run in ("a", "b", "a", "c")]
    with Journal(path) as journal:
        while any(each.poll() is None for each in started):
            assert all(entry.seq == at for at, entry in enumerate(journal.entries("a"), start=1))
        assert [each.wait() for each in started] == [0, 0, 0, 0]
        assert [len(journal.entries(run)) for run in "abc"] == [80, 40, 40]


KILLED = """
import os, signal, sys
from lastgood.journal.store import Journal
from lastgood.model.event import Said
for at in range(3):
    Journal(sys.argv[1]).append("r", Said(str(at)), at)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_lines_must_survive_kill_9(path: str) -> None:
    died = subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert died.returncode == -signal.SIGKILL
    with Journal(path) as journal:
        assert [entry.at for entry in journal.entries("r")] == [0, 1, 2]


@pytest.mark.parametrize("content", [b"garbage " * 2000, b"", b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_damaged_journal_must_be_named_and_left_alone(journal: Journal, path: str, content: bytes) -> None:
    Path(path).parent.mkdir()
    Path(path).write_bytes(content)
    for act in (lambda: journal.append("r", begun(), 1), lambda: journal.entries("r"), journal.reserve):
        with pytest.raises(JournalUnwritable, match="journal") as told:
            act()
        assert path in told.value.what
        assert told.value.because
        assert told.value.next
    assert Path(path).read_bytes() == content


def test_damage_inside_the_journal_must_be_told_and_not_read_over(journal: Journal, path: str) -> None:
    for at in range(200):
        journal.append("r", Said("x" * 500), at)
    journal.close()
    content = bytearray(Path(path).read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    Path(path).write_bytes(content)
    with pytest.raises(JournalUnwritable, match="cannot be used"):
        journal.entries("r")


def test_a_database_of_another_program_must_be_left_alone(journal: Journal, path: str) -> None:
    Path(path).parent.mkdir()
    with contextlib.closing(raw(path)) as db:
        db.execute("CREATE TABLE events (mine)")
    with pytest.raises(JournalUnwritable, match="not a journal of lastgood"):
        journal.append("r", begun(), 1)
    with contextlib.closing(raw(path)) as db:
        assert db.execute("SELECT sql FROM sqlite_master").fetchall() == [("CREATE TABLE events (mine)",)]


def test_the_schema_of_a_newer_lastgood_must_be_refused(journal: Journal, path: str) -> None:
    journal.append("r", begun(), 1)
    journal.close()
    with contextlib.closing(raw(path)) as db:
        db.execute("PRAGMA user_version = 7")
    with pytest.raises(JournalUnwritable, match="newer lastgood") as told:
        journal.entries("r")
    assert "version 7" in told.value.because[0]


def test_an_older_schema_must_be_migrated_and_keep_its_lines(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    first = journal.append("r", begun(), 1)
    journal.close()
    later = (*schema._MIGRATIONS, ("CREATE TABLE outbox (id)", "CREATE INDEX more ON events (at)"))
    monkeypatch.setattr(schema, "_MIGRATIONS", later)
    assert journal.entries("r") == (first,)
    assert journal._db is not None
    assert journal._db.execute("PRAGMA user_version").fetchone() == (len(later),)


def test_a_migration_that_fails_must_leave_the_journal_as_it_was(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = journal.append("r", begun(), 1)
    journal.close()
    with monkeypatch.context() as patched:
        patched.setattr(schema, "_MIGRATIONS", (*schema._MIGRATIONS, ("CREATE TABLE a (b)", "NONSENSE")))
        with pytest.raises(JournalUnwritable, match="cannot be used"):
            journal.entries("r")
    assert journal.entries("r") == (first,)


@pytest.mark.parametrize(
    ("kind", "content", "named"),
    [
        ("teleported", b'{"event":"teleported","where":1}', "teleported"),
        ("said", b'{"event":"said","text":"x","loud":true}', "$.loud"),
        ("step-done", b'{"event":"step-done","step":1,"seen":"x"}', "$.step"),
        (
            "judged",
            b'{"event":"judged","target":"a/b","image":{"repository":"r","signed":1},"grade":"bad","because":"x"}',
            "$.image.signed",
        ),
        ("said", b"\xff\xfe", "said"),
        ("said", b"", "said"),
    ],
)
def test_what_only_a_newer_version_understands_must_be_named(
    journal: Journal, path: str, kind: str, content: bytes, named: str
) -> None:
    journal.append("r", begun(), 1)
    with contextlib.closing(raw(path)) as db:
        db.execute("INSERT INTO events VALUES ('r', 2, 2, ?, 'a/b', ?, ?)", (kind, content, "0" * 64))
    with pytest.raises(Refused, match="cannot read: line 2 of run r") as told:
        journal.entries("r")
    assert named in told.value.what + told.value.because[0]


def test_lines_of_an_older_version_must_be_read_with_later_fields_at_their_defaults(
    journal: Journal, path: str
) -> None:
    journal.append("r", begun(), 1)
    with contextlib.closing(raw(path)) as db:
        old = b'{"seen":"x","step":"1.pull","event":"step-done"}'
        db.execute("INSERT INTO events VALUES ('r', 2, 2, 'step-done', '', ?, ?)", (old, "0" * 64))
    assert journal.entries("r")[1].event == StepDone("1.pull", "x")


def test_reserving_again_and_again_must_not_make_the_journal_grow(journal: Journal, path: str) -> None:
    journal.reserve()
    size = Path(path).stat().st_size
    for at in range(20):
        journal.reserve()
        journal.append("r", Said("x"), at)
    assert Path(path).stat().st_size == size


def test_run_ids_must_be_speakable_sortable_and_in_utc() -> None:
    at = 1_795_369_501 * SECOND + 999
    assert new_run_id(at, b"\x7f\x3a\xff") == "20261122-174501-7f3a"
    assert new_run_id(at, b"\xff\xff") < new_run_id(at + SECOND, b"\0\0")
    with pytest.raises(ValueError, match="random"):
        new_run_id(at, b"\x7f")
