"""What a run leaves on its hosts: lines that another machine takes it up from, and a log for people."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest

from lastgood.effects.files import LocalFiles
from lastgood.journal import codec
from lastgood.journal.store import Journal
from lastgood.model import chain
from lastgood.model.chain import Line
from lastgood.model.errors import Exit, InDoubt, Refused
from lastgood.model.event import Entry, Event, RunEnded, Said, StepDone, StepStarted
from lastgood.model.target import Target
from lastgood.ports import Files
from lastgood.run import trail
from lastgood.run.trail import Trail
from tests.journal.sample import begun, lined

RUN = "20261122-174501-7f3a"
EVENTS = (begun(), StepStarted("1.pull"), StepDone("1.pull", "there"), Said("on"), RunEnded(Exit.DONE, "done"))
LINES = lined(*EVENTS, run=RUN)


def rows(entries: tuple[Entry, ...]) -> tuple[Line, ...]:
    return tuple(map(codec.line, entries))


def desk(place: Callable[[str], Files], state: Path) -> Any:
    """As much of a desk as a trail looks at: two services of an app in one environment."""
    members = tuple(Mock(service=name, env="prod", state=str(state)) for name in ("api", "web"))
    for one in members:
        one.place = partial(Target.place, one)
    group = Mock(first=Mock(state=str(state)), members=members)
    return Mock(group=group, shared=Mock(files=place), holder="ada@laptop pid 7")


def written(state: Path, *flushes: tuple[Entry, ...], resumed: bool = False) -> Path:
    """What processes one after the other leave: each flush is another process's part."""
    for number, entries in enumerate(flushes):
        one = Trail(desk(lambda _: LocalFiles(), state), RUN, ("local",), resumed=resumed or number > 0)
        for entry in entries:
            one.add(entry)
        one.flush(alone=False)
    return state / "runs" / f"{RUN}.jsonl"


def stored(state: Path) -> tuple[Line, ...]:
    return trail.read(LocalFiles(), str(state), RUN)


def read(state: Path) -> tuple[Entry, ...]:
    return tuple(map(codec.read, stored(state)))


class Failing(LocalFiles):
    """A disk that is full half-way, once for each path."""

    def __init__(self) -> None:
        self.failed: set[str] = set()

    def append(self, path: str, content: bytes) -> None:
        if path in self.failed:
            super().append(path, content)
            return
        self.failed.add(path)
        super().append(path, content[: len(content) // 2])
        raise OSError(28, "No space left on device")


class Silent(LocalFiles):
    """A host that does not answer."""

    def append(self, path: str, content: bytes) -> None:  # noqa: ARG002 - the port's signature
        raise OSError(113, "No route to host")

    def read(self, path: str) -> bytes | None:  # noqa: ARG002 - the port's signature
        raise OSError(113, "No route to host")


def test_what_was_written_must_be_read_back_equal(tmp_path: Path) -> None:
    written(tmp_path, LINES)
    assert read(tmp_path) == LINES


def test_what_several_processes_wrote_must_be_one_run(tmp_path: Path) -> None:
    written(tmp_path, LINES[:2], LINES[2:4], LINES[4:])
    assert read(tmp_path) == LINES


@pytest.mark.parametrize("cut", [1, 40, -1])
def test_a_line_that_was_cut_off_must_be_none(cut: int, tmp_path: Path) -> None:
    path = written(tmp_path, LINES)
    content = path.read_bytes()
    start = content[:-1].rfind(b"\n") + 1
    path.write_bytes(content[: start + cut] if cut > 0 else content[:cut])
    assert read(tmp_path) == LINES[:-1]


def test_a_line_that_was_cut_off_must_not_spoil_what_is_written_after_it(tmp_path: Path) -> None:
    path = written(tmp_path, LINES[:3])
    path.write_bytes(path.read_bytes()[:-20])
    written(tmp_path, LINES[2:], resumed=True)
    assert read(tmp_path) == LINES


def test_what_a_full_disk_did_not_take_must_wait_and_be_whole_afterwards(tmp_path: Path) -> None:
    disk = Failing()
    one = Trail(desk(lambda _: disk, tmp_path), RUN, ("local",))
    for entry in LINES:
        one.add(entry)
    with pytest.raises(InDoubt, match="cannot be written"):
        one.flush(alone=False)
    one.flush(alone=False)
    assert read(tmp_path) == LINES


def test_one_of_several_hosts_may_be_silent_only_where_that_is_allowed(tmp_path: Path) -> None:
    places = {"a": LocalFiles(), "b": Silent()}
    one = Trail(desk(places.__getitem__, tmp_path), RUN, ("a", "b"))
    one.add(LINES[0])
    with pytest.raises(InDoubt, match="cannot be written"):
        one.flush(alone=False)
    one.flush(alone=True)
    assert read(tmp_path) == LINES[:1]


def test_where_no_host_takes_it_nothing_may_go_on(tmp_path: Path) -> None:
    one = Trail(desk(lambda _: Silent(), tmp_path), RUN, ("a", "b"))
    one.add(LINES[0])
    with pytest.raises(InDoubt):
        one.flush(alone=True)


def test_a_run_that_a_host_does_not_know_must_be_empty(tmp_path: Path) -> None:
    assert read(tmp_path) == ()


@pytest.mark.parametrize("content", [b"garbage\n", b"{}\n", b"\xff\xfe\n", b'{"run": 1}\n', b"[" * 9999 + b"\n"])
def test_what_cannot_be_read_must_be_refused_and_never_be_taken_for_no_run(content: bytes, tmp_path: Path) -> None:
    path = written(tmp_path, LINES[:2])
    path.write_bytes(path.read_bytes() + content)
    with pytest.raises(Refused, match="cannot be read"):
        read(tmp_path)


def test_lines_that_are_missing_must_be_refused(tmp_path: Path) -> None:
    written(tmp_path, LINES[:2], LINES[3:])
    with pytest.raises(Refused, match="cannot be relied on"):
        read(tmp_path)


def test_two_machines_that_went_on_from_one_place_must_be_noticed(tmp_path: Path) -> None:
    written(tmp_path, LINES[:2], (Entry(RUN, 3, 9, Said("another machine")),), LINES[2:])
    with pytest.raises(Refused, match="two machines"):
        read(tmp_path)


def test_lines_of_another_run_must_not_be_this_one_s(tmp_path: Path) -> None:
    path = written(tmp_path, LINES[:1])
    path.write_bytes(path.read_bytes() + path.read_bytes().replace(RUN.encode(), b"20261122-000000-0000"))
    assert read(tmp_path) == LINES[:1]


@pytest.mark.parametrize("run", ["../x", "", "a/b", "x\n", "--force", "\x1b[2J", ".."])
def test_a_name_that_is_no_run_s_must_never_become_a_path(run: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="not the id of a run"):
        trail.read(LocalFiles(), str(tmp_path), run)


def test_the_host_that_knows_most_must_be_believed(tmp_path: Path) -> None:
    written(tmp_path / "a", LINES[:2])
    written(tmp_path / "b", LINES)
    places = {"a": tmp_path / "a", "b": tmp_path / "b"}

    class At(LocalFiles):
        def __init__(self, host: str) -> None:
            self.host = host

        def read(self, path: str) -> bytes | None:
            return super().read(str(places[self.host] / "runs" / Path(path).name))

    assert tuple(map(codec.read, trail.fetch(("a", "b"), At, "/state", RUN))) == LINES
    with pytest.raises(Refused):
        trail.fetch(("a", "b"), lambda _: Silent(), "/state", RUN)


def test_the_log_for_people_must_stand_at_every_service_one_harmless_line_for_each_event(tmp_path: Path) -> None:
    hostile = Entry(RUN, 2, 5, Said("\x1b[2J\n2026-11-22 root: all fine\u202e"))
    written(tmp_path, (LINES[0], hostile))
    for service in ("api", "web"):
        told = (tmp_path / f"audit/{service}@prod.log").read_text()
        assert len(told.splitlines()) == 2
        assert all(line.isprintable() and f" ada@laptop pid 7 {RUN} " in line for line in told.split("\n")[:-1])


def test_what_hosts_know_must_be_adopted_by_another_machine_s_journal(tmp_path: Path) -> None:
    written(tmp_path, LINES)
    with Journal(str(tmp_path / "other.db")) as journal:
        journal.adopt(stored(tmp_path)[:3])
        journal.adopt(stored(tmp_path))
        assert journal.entries(RUN) == LINES
        assert journal.runs() == (RUN,)


def test_a_journal_that_went_on_further_must_keep_its_lines(tmp_path: Path) -> None:
    with Journal(str(tmp_path / "own.db")) as journal:
        for entry in LINES:
            journal.append(RUN, entry.event, entry.at)
        journal.adopt(rows(LINES[:2]))
        assert journal.entries(RUN) == LINES


def test_a_journal_that_went_on_differently_must_refuse_and_keep_its_lines(tmp_path: Path) -> None:
    other = (*LINES[:2], msgspec.structs.replace(LINES[2], event=Said("elsewhere")), LINES[3])
    with Journal(str(tmp_path / "own.db")) as journal:
        for entry in LINES[:3]:
            journal.append(RUN, entry.event, entry.at)
        with pytest.raises(Refused, match="went on differently"):
            journal.adopt(rows(other))
        assert journal.entries(RUN) == LINES[:3]


def test_a_run_that_was_adopted_must_go_on_here_under_the_next_number(tmp_path: Path) -> None:
    with Journal(str(tmp_path / "own.db")) as journal:
        journal.adopt(rows(LINES[:4]))
        assert journal.append(RUN, RunEnded(Exit.DONE, "done"), 9).seq == 5


def told_later(state: Path, place: Callable[[str], Files], *events: Event) -> None:
    """A run that ended with LINES gets more lines on the machine whose journal has them."""
    with Journal(f"{state}/own.db") as journal:
        for at, event in enumerate((*EVENTS, *events)):
            journal.append(RUN, event, LINES[at].at if at < len(LINES) else at)
        one = desk(place, state)
        one.journal = journal
        trail.told_later(one, RUN, ("local",))


@pytest.mark.parametrize("known", [0, 2, 5])
def test_what_a_run_gets_after_its_end_must_be_told_with_all_that_the_host_lacks(known: int, tmp_path: Path) -> None:
    written(tmp_path, LINES[:known]) if known else None
    told_later(tmp_path, lambda _: LocalFiles(), Said("later"))
    assert [entry.event for entry in read(tmp_path)] == [*EVENTS, Said("later")]
    assert chain.misfit(stored(tmp_path)) is None


def test_a_host_that_knows_the_run_otherwise_or_is_silent_must_be_left_as_it_is(tmp_path: Path) -> None:
    other = (*LINES[:2], msgspec.structs.replace(LINES[2], event=Said("elsewhere")))
    path = written(tmp_path, other)
    before = path.read_bytes()
    told_later(tmp_path, lambda _: LocalFiles(), Said("later"))
    assert path.read_bytes() == before
    told_later(tmp_path / "gone", lambda _: Silent(), Said("later"))


def test_what_the_process_before_died_before_telling_must_be_told_by_the_one_that_goes_on(tmp_path: Path) -> None:
    written(tmp_path, LINES[:2])
    one = Trail(desk(lambda _: LocalFiles(), tmp_path), RUN, ("local",), before=[(entry, "") for entry in LINES[:4]])
    one.add(LINES[4])
    one.flush(alone=False)
    assert read(tmp_path) == LINES
    one.add(Entry(RUN, 6, 9, Said("more")))
    one.flush(alone=False)
    assert len(read(tmp_path)) == 6
