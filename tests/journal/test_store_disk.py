"""The journal on a disk that is full, fills up, or takes nothing."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lastgood.journal.store import Journal
from lastgood.model.errors import Exit, JournalUnwritable
from lastgood.model.event import Resumed, RunEnded, Said, StepDone
from tests.journal.sample import begun

ROOM = 2 * 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path, *, leave: int = 0) -> None:
    """Use up the disk but for `leave` bytes."""
    with (disk / "ballast").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    if leave:
        os.truncate(disk / "ballast", (disk / "ballast").stat().st_size - leave)


def test_a_full_disk_must_be_noticed_before_a_run_begins(small_disk: Path) -> None:
    with Journal(str(small_disk / "state" / "journal.db")) as journal:
        journal.append("old", Said("x"), 1)
        fill(small_disk, leave=100 * 1024)
        for opening in (begun(), Resumed("ann", aborting=False, lease="t")):
            with pytest.raises(JournalUnwritable) as told:
                journal.append("r", opening, 2)
            assert "df -h" in told.value.next[0]
        assert journal.entries("r") == ()
        assert sorted(each.name for each in (small_disk / "state").iterdir()) == [
            "journal.db",
            "journal.db-shm",
            "journal.db-wal",
        ]


def test_a_full_disk_must_be_noticed_where_there_is_no_journal_yet(small_disk: Path) -> None:
    fill(small_disk)
    with Journal(str(small_disk / "journal.db")) as journal, pytest.raises(JournalUnwritable):
        journal.append("r", begun(), 1)
    assert sorted(each.name for each in small_disk.iterdir()) == ["ballast"]


def test_a_disk_that_fills_up_in_the_middle_must_not_keep_a_run_from_ending_cleanly(small_disk: Path) -> None:
    with Journal(str(small_disk / "state" / "journal.db")) as journal:
        written = [journal.append("r", begun(), 1)]
        for at in range(2, 200):
            fill(small_disk)
            written.append(journal.append("r", StepDone(f"step {at}", "seen " * 20), at))
        written.append(journal.append("r", RunEnded(Exit.DONE, "done"), 200))
        assert journal.entries("r") == tuple(written)


def test_room_made_again_must_let_runs_begin_again(small_disk: Path) -> None:
    with Journal(str(small_disk / "journal.db")) as journal:
        journal.append("old", Said("x"), 1)
        fill(small_disk)
        with pytest.raises(JournalUnwritable):
            journal.append("r", begun(), 2)
        (small_disk / "ballast").unlink()
        journal.append("r", begun(), 3)
        assert [entry.at for entry in journal.entries("r")] == [3]


def test_a_disk_without_any_room_left_must_be_told_and_keep_what_was_written(small_disk: Path) -> None:
    with Journal(str(small_disk / "journal.db")) as journal:
        journal.append("r", begun(), 1)
        fill(small_disk)
        written = 1
        with pytest.raises(JournalUnwritable, match="cannot be used"):  # noqa: PT012 - it fails at an unknown turn
            while True:
                journal.append("r", Said("x" * 20_000), 2)
                written += 1
        assert written > 5
        assert len(journal.entries("r")) == written


def test_a_read_only_disk_must_be_told(small_disk: Path) -> None:
    path = str(small_disk / "journal.db")
    with Journal(path) as journal:
        journal.append("r", begun(), 1)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with Journal(path) as journal:
        for act in (journal.reserve, lambda: journal.append("s", begun(), 2)):
            with pytest.raises(JournalUnwritable) as told:
                act()
            assert told.value.because
    with Journal(str(small_disk / "new" / "journal.db")) as journal, pytest.raises(JournalUnwritable, match="cannot"):
        journal.reserve()
