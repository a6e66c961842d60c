"""`lastgood checklist` as it is typed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lastgood.journal.store import Journal
from lastgood.model.errors import Exit
from lastgood.model.event import RunEnded, Ticked
from tests.journal.sample import begun

RUN = "20261122-174501-7f3a"
NOON = 1_795_348_800 * 10**9
LIST = """\
checklist:
  before: ["Customers told"]
  during: []
  after: [{text: Evidence looked at, check: evidence-kept, id: kept}]
"""


@pytest.fixture
def journal(deploy_repo: Path) -> Path:
    path = deploy_repo.parent / "home/.local/state/lastgood/journal.db"
    with Journal(str(path)) as journal:
        journal.append(RUN, begun(), NOON)
        journal.append(RUN, RunEnded(Exit.DONE, "done"), NOON + 5 * 10**9)
    (deploy_repo / "lastgood.yaml").write_text((deploy_repo / "lastgood.yaml").read_text() + LIST)
    return path


@pytest.fixture
def call(lastgood: Callable[..., Any], deploy_repo: Path) -> Callable[..., Any]:
    return lambda *words: lastgood("checklist", *words, "--repo", str(deploy_repo))


def said(journal: Path) -> list[Ticked]:
    with Journal(str(journal)) as kept:
        return [entry.event for entry in kept.entries(RUN) if isinstance(entry.event, Ticked)]


def test_what_is_left_must_end_with_8_and_tell_how_to_answer(call: Callable[..., Any], journal: Path) -> None:
    shown = call(RUN[:8])
    assert (shown.code, said(journal)) == (Exit.NEEDS_HUMAN, [])
    assert "[ ] Customers told  (customers-told)" in shown.out
    assert f"lastgood checklist {RUN} --done customers-told" in shown.out
    assert [one["state"] for one in call("--json").json["points"]] == ["open", "unknown"]


def test_who_said_what_when_must_be_in_the_record(call: Callable[..., Any], journal: Path) -> None:
    done = call("--done", "customers-told", "--skip", "kept", "--because", "nothing to see")
    assert done.code == Exit.DONE
    first, second = said(journal)
    assert (first.point, first.text, first.how, first.skipped) == ("customers-told", "Customers told", "--done", False)
    assert first.because == ""
    assert (second.point, second.skipped, second.because) == ("kept", True, "nothing to see")
    assert "@" in first.by
    point = call("--json").json["points"][0]
    assert (point["state"], point["by"]) == ("done", f"{first.by} (--done)")


def test_several_points_that_are_skipped_at_once_must_all_be_said(call: Callable[..., Any], journal: Path) -> None:
    assert call("--skip", "customers-told", "--skip", "kept", "--because", "a drill").code == Exit.DONE
    assert [(one.point, one.skipped, one.because) for one in said(journal)] == [
        ("customers-told", True, "a drill"),
        ("kept", True, "a drill"),
    ]


WRONG = (
    ("--done", "team-told"),
    ("--done", "kept"),
    ("--skip", "kept"),
    ("--done", "\x1b[2J"),
    ("--skip", "kept", "--because", " "),
)


@pytest.mark.parametrize("words", WRONG)
def test_what_cannot_be_said_must_be_usage_and_leave_no_trace(
    call: Callable[..., Any], journal: Path, words: tuple[str, ...]
) -> None:
    shown = call(*words)
    assert (shown.code, said(journal)) == (Exit.USAGE, [])
    assert all(char.isprintable() or char == "\n" for char in shown.err)


def test_a_look_that_came_since_must_not_be_taken_for_the_run(call: Callable[..., Any], journal: Path) -> None:
    with Journal(str(journal)) as kept:
        look = msgspec.structs.replace(begun(), plan=msgspec.structs.replace(begun().plan, action="check"))
        kept.append("20261123-000000-0000", look, NOON + 9 * 10**9)
        kept.append("20261123-000000-0000", RunEnded(Exit.DONE, "it passes"), NOON + 10 * 10**9)
    assert call("--json").json["run"] == RUN
    with Journal(f"{journal}.other") as other:
        assert other.newest() is None
        other.append("c", look, NOON)
        assert other.newest() == "c"
        said = msgspec.structs.replace(begun(), plan=msgspec.structs.replace(begun().plan, because='"action":"check"'))
        other.append("r", said, NOON - 1)
        assert other.newest() == "r"


def test_nobody_to_ask_must_be_told(call: Callable[..., Any], journal: Path) -> None:
    assert (call("--ask").code, said(journal)) == (Exit.CONSENT_NEEDED, [])


def test_a_run_that_stopped_half_way_must_be_taken_up_first(call: Callable[..., Any], journal: Path) -> None:
    with Journal(str(journal)) as kept:
        kept.append("20261123-000000-0000", begun(), NOON + 9 * 10**9)
    shown = call("--done", "customers-told")
    assert (shown.code, said(journal)) == (Exit.REFUSED, [])
    assert "lastgood resume 20261123-000000-0000" in shown.err
