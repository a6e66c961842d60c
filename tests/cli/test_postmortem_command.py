"""`lastgood postmortem` as it is typed."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lastgood.journal.store import Journal
from lastgood.model.errors import Exit
from lastgood.model.event import RunEnded
from tests.journal.sample import begun

RUN = "20261122-174501-7f3a"
NOON = 1_795_348_800 * 10**9


@pytest.fixture
def run(deploy_repo: Path) -> str:
    with Journal(str(deploy_repo.parent / "home/.local/state/lastgood/journal.db")) as journal:
        journal.append(RUN, begun(), NOON)
        journal.append(RUN, RunEnded(Exit.DONE, "done"), NOON + 5 * 10**9)
    return RUN


def test_the_document_alone_must_go_to_stdout(lastgood: Callable[..., Any], run: str) -> None:
    said = lastgood("postmortem", run[:8])
    assert said.code == 0
    assert said.out.startswith("# Post-mortem: rollback of shop-api/prod, 2026-11-22")
    assert lastgood("postmortem", "--html").out.startswith("<!doctype html>")


def test_a_file_must_be_brought_up_to_date_and_keep_what_people_wrote(
    lastgood: Callable[..., Any], run: str, tmp_path: Path
) -> None:
    file = tmp_path / "incident.md"
    assert lastgood("postmortem", "--output", str(file), "--detected", "2026-11-22T11:30Z").code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o640)
    file.write_text(file.read_text() + "\nWe were lucky.\n")
    link = tmp_path / "link.md"
    link.symlink_to(file)
    again = lastgood("postmortem", "--output", str(link), "--json").json
    assert (again["run"], again["file"], again["detected"]) == (run, str(link), "2026-11-22T11:30:00+00:00")
    assert file.read_text() == again["text"]
    assert file.read_text().endswith("\nWe were lucky.\n")
    assert (link.is_symlink(), stat.S_IMODE(file.stat().st_mode)) == (True, 0o640)


@pytest.mark.parametrize("theirs", [b"my notes\n", b"\xff\xfe", b""])
def test_a_file_of_somebody_s_must_never_be_written_over(
    lastgood: Callable[..., Any], run: str, tmp_path: Path, theirs: bytes
) -> None:
    assert run
    file = tmp_path / "notes.md"
    file.write_bytes(theirs)
    said = lastgood("postmortem", "--output", str(file))
    assert (said.code, file.read_bytes()) == (Exit.USAGE, theirs)
    assert list(tmp_path.glob(".notes*")) == []


@pytest.mark.parametrize("when", ["yesterday", "25:00", "9" * 40, "\x1b[2J", "0001-01-02T00:00Z"])
def test_what_is_no_time_must_be_usage(lastgood: Callable[..., Any], run: str, when: str) -> None:
    assert run
    assert lastgood("postmortem", "--detected", when).code == Exit.USAGE
