"""Lines are chained in the journal: whatever is done to them afterwards shows."""

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastgood.journal import codec, schema
from lastgood.journal.store import Journal
from lastgood.model import chain
from lastgood.model.chain import Line
from lastgood.model.errors import Exit, Refused
from lastgood.model.event import Event, RunEnded, Said, StepDone, StepStarted
from tests.journal.sample import begun, lined

EVENTS: tuple[Event, ...] = (
    begun(),
    StepStarted("1.pull"),
    StepDone("1.pull", "there"),
    Said("é \u2028\n"),
    RunEnded(Exit.DONE, "x"),
)
INSERT = "INSERT INTO events (run, seq, at, kind, target, event)"
TWICE = (
    "INSERT INTO events (run, seq, at, kind, target, event, hash)"
    " SELECT run, 3, at, kind, target, event, hash FROM events WHERE seq = 2"
)


def written(path: Path, *events: Event, run: str = "r") -> tuple[Line, ...]:
    with Journal(str(path)) as journal:
        for at, event in enumerate(events, start=1):
            journal.append(run, event, at)
        return journal.lines(run)


def by_hand(path: Path, *statements: str) -> None:
    """What somebody does who is at the file: no trigger is in their way."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            db.execute(statement)


def old_journal(path: Path, monkeypatch: pytest.MonkeyPatch, *events: Event) -> None:
    """A journal as the lastgood before hashes left it."""
    with monkeypatch.context() as patched:
        patched.setattr(schema, "_MIGRATIONS", schema._MIGRATIONS[:1])
        schema.create(str(path))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        for entry in lined(*events):
            row = (entry.run, entry.seq, entry.at, codec.kind_of(entry.event), codec.target_of(entry.event))
            db.execute(f"{INSERT} VALUES (?, ?, ?, ?, ?, ?)", (*row, codec.encode(entry.event)))


def test_every_line_must_be_chained_to_the_one_before_it_as_documented(tmp_path: Path) -> None:
    lines = written(tmp_path / "j.db", *EVENTS)
    previous = ""
    for line in lines:
        event = hashlib.sha256(line.event).hexdigest()
        parts = ["lastgood-journal-1", previous, line.run, line.seq, line.at, line.kind, event]
        text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
        previous = hashlib.sha256(text.encode()).hexdigest()
        assert line.hash == previous
    assert chain.misfit(lines) is None


def test_runs_that_are_written_in_turns_must_have_chains_of_their_own(tmp_path: Path) -> None:
    with Journal(str(tmp_path / "j.db")) as journal:
        for at in range(1, 4):
            for run in ("a", "b"):
                journal.append(run, Said(f"{at}"), at)
        alone = written(tmp_path / "alone.db", *(Said(f"{at}") for at in range(1, 4)), run="a")
        assert journal.lines("a") == alone
        assert journal.lines("b")[0].hash != alone[0].hash
        assert journal.mark("a") == f"a/3/{alone[-1].hash}"
        assert (journal.mark("c"), journal.head("c")) == ("", "")


def test_an_older_lastgood_that_still_runs_must_go_on_and_be_covered_by_the_next_line(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    written(path, *EVENTS[:3])
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"{INSERT} VALUES ('r', 4, 6, 'said', '', ?)", (codec.encode(Said("old")),))
    with Journal(str(path)) as journal:
        journal.append("r", EVENTS[4], 7)
        assert chain.misfit(journal.lines("r")) is None
        assert [bool(line.hash) for line in journal.lines("r")] == [True, True, True, False, True]
    by_hand(path, "UPDATE events SET event = replace(event, 'old', 'new') WHERE seq = 4")
    with Journal(str(path)) as journal:
        assert chain.misfit(journal.lines("r")) is not None


@pytest.mark.parametrize(
    ("statements", "line"),
    [
        (("UPDATE events SET event = replace(event, 'there', 'gone!') WHERE seq = 3",), 3),
        (("UPDATE events SET event = CAST(replace(event, 'there', 'gone!') AS BLOB) WHERE seq = 3",), 3),
        (("UPDATE events SET at = 9 WHERE seq = 2",), 2),
        (("UPDATE events SET kind = 'judged' WHERE seq = 4",), 4),
        (("DELETE FROM events WHERE seq = 2",), 2),
        (("DELETE FROM events WHERE seq = 1",), 1),
        (("DELETE FROM events WHERE seq = 3", "UPDATE events SET seq = seq - 1 WHERE seq > 3"), 3),
        (("UPDATE events SET seq = 99 WHERE seq = 3", "UPDATE events SET seq = 3 WHERE seq = 4",
          "UPDATE events SET seq = 4 WHERE seq = 99"), 3),
        (("UPDATE events SET seq = seq + 100 WHERE seq > 2", "UPDATE events SET seq = seq - 99 WHERE seq > 100",
          TWICE), 3),
    ],
)  # fmt: skip
def test_what_is_done_to_the_file_by_hand_must_show(tmp_path: Path, statements: tuple[str, ...], line: int) -> None:
    written(tmp_path / "j.db", *EVENTS)
    by_hand(tmp_path / "j.db", *statements)
    with Journal(str(tmp_path / "j.db")) as journal:
        found = chain.misfit(journal.lines("r"))
    assert found is not None
    assert found.line == line


CHANGES: tuple[Callable[[list[Line], int, int], None], ...] = (
    lambda lines, at, _: lines.pop(at) and None,
    lambda lines, at, to: lines.insert(to, lines[at]),
    lambda lines, at, to: lines.insert(to, lines.pop(at)),
    lambda lines, at, to: lines.__setitem__(at, Line(**{**fields(lines[at]), "event": lines[to].event + b" "})),
    lambda lines, at, to: lines.__setitem__(at, Line(**{**fields(lines[at]), "at": lines[at].at + to + 1})),
    lambda lines, at, _: lines.__setitem__(at, Line(**{**fields(lines[at]), "run": "another"})),
)


def fields(line: Line) -> dict[str, object]:
    return {name: getattr(line, name) for name in line.__struct_fields__}


@given(st.integers(2, 9), st.sampled_from(CHANGES), st.data())
def test_no_change_before_the_end_may_fit(
    count: int, change: Callable[[list[Line], int, int], None], data: st.DataObject
) -> None:
    whole = tuple(codec.line(entry) for entry in lined(begun(), *(Said(str(at)) for at in range(count))))
    sealed = [Line(**{**fields(line), "hash": seal}) for line, seal in zip(whole, chain.seals(whole), strict=True)]
    assert chain.misfit(sealed) is None
    changed = list(sealed)
    last = len(changed) - 2  # that something is cut off at the end is for witnesses to tell
    change(changed, data.draw(st.integers(0, last)), data.draw(st.integers(0, last)))
    assert changed == sealed or chain.misfit(changed) is not None


def test_an_old_journal_must_keep_its_lines_as_they_are_and_chain_what_comes_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_journal(tmp_path / "j.db", monkeypatch, *EVENTS[:3])
    with Journal(str(tmp_path / "j.db")) as journal:
        assert journal.entries("r") == lined(*EVENTS[:3])
        assert [line.hash for line in journal.lines("r")] == ["", "", ""]
        assert (chain.unchained(journal.lines("r")), journal.chained_since()) == (3, None)
        assert journal.head("r") == chain.seals(journal.lines("r"))[-1]
        journal.append("r", EVENTS[3], 77)
        lines = journal.lines("r")
        assert (chain.misfit(lines), chain.unchained(lines), journal.chained_since()) == (None, 3, 77)


def test_what_an_old_journal_had_must_be_covered_by_the_next_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_journal(tmp_path / "j.db", monkeypatch, *EVENTS[:3])
    with Journal(str(tmp_path / "j.db")) as journal:
        journal.append("r", EVENTS[3], 77)
    by_hand(tmp_path / "j.db", "UPDATE events SET event = replace(event, 'there', 'gone!') WHERE seq = 3")
    with Journal(str(tmp_path / "j.db")) as journal:
        found = chain.misfit(journal.lines("r"))
    assert found is not None
    assert "or a line before it" in found.what


def test_lines_of_another_machine_must_keep_their_hashes_here_and_go_on_from_them(tmp_path: Path) -> None:
    there = written(tmp_path / "there.db", *EVENTS)
    with Journal(str(tmp_path / "here.db")) as here:
        here.adopt(there[:3])
        assert here.append("r", EVENTS[3], 4).seq == 4
        here.adopt(there[:4])
        assert here.lines("r") == there[:4]


def test_bytes_that_another_version_wrote_must_stay_as_they_are(tmp_path: Path) -> None:
    old = Line("r", 2, 2, "step-done", b'{"seen":"x","step":"1.pull","event":"step-done"}')
    first = written(tmp_path / "there.db", begun())[0]
    with Journal(str(tmp_path / "here.db")) as here:
        here.adopt((first, old))
        assert here.lines("r")[1].event == old.event
        assert here.entries("r")[1].event == StepDone("1.pull", "x")
        with pytest.raises(Refused, match="cannot read"):
            here.adopt((Line("r", 3, 3, "said", b'{"event":"said","text":"x","loud":true}'),))
