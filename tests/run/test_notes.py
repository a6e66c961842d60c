"""Several machines add lines to one run that is over: one after the other, and it stays one record."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from lastgood.effects.clock import SystemClock
from lastgood.effects.files import LocalFiles
from lastgood.journal.live import Live
from lastgood.journal.store import Journal
from lastgood.model import chain
from lastgood.model.errors import Exit, Refused, UsageError
from lastgood.model.event import Acked, Event, Resumed, RunEnded, Ticked
from lastgood.model.message import Acknowledged
from lastgood.outbox.messages import standstill
from lastgood.run import notes, trail
from lastgood.run.calls import Calls
from tests.journal.sample import begun

RUN = "20261122-174501-7f3a"
HOSTS = ("ssh://a", "ssh://b")


class Host(LocalFiles):
    """A host's files, in a folder; `down` is why it does not answer, `before` is called before each creation."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.down = False
        self.before: Callable[[str], None] = lambda _: None

    def _at(self, path: str) -> str:
        if self.down:
            raise OSError(113, "No route to host")
        return f"{self.folder}{path}"

    def read(self, path: str) -> bytes | None:
        return super().read(self._at(path))

    def create(self, path: str, content: bytes) -> bool:
        place = self._at(path)
        self.before(path)
        return super().create(place, content)

    def append(self, path: str, content: bytes) -> None:
        super().append(self._at(path), content)

    def remove(self, path: str) -> None:
        super().remove(self._at(path))


class Fleet:
    """Two hosts, and machines to reach them from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hosts = {name: Host(folder / name[-1]) for name in HOSTS}
        self.first = self.machine("ann")
        for event in (begun(), RunEnded(Exit.NEEDS_HUMAN, "Nothing passed.")):
            self.first.journal.append(RUN, event, SystemClock().now())
        assert set(trail.told_later(self.first, RUN, HOSTS)) == set(HOSTS)

    def machine(self, name: str) -> Any:
        """As much of a desk as notes look at."""
        state = self.folder / name
        member = Mock(service="shop-api", env="prod", hosts=HOSTS)
        shared = Mock(files=lambda host: self.hosts[host], clock=SystemClock())
        group = Mock(first=Mock(state="/state"), members=(member,))
        return Mock(
            journal=Journal(str(state / "journal.db")), live=Live(str(state)), shared=shared, group=group, holder=name
        )

    def lines(self, host: str) -> tuple[chain.Line, ...]:
        return trail.read(self.hosts[host], "/state", RUN)

    def is_one_record(self, *machines: Any) -> list[str]:
        """Everybody's lines fit their hashes and each other; who said something, in order."""
        known = [machine.journal.lines(RUN) for machine in machines]
        assert [chain.misfit(lines) for lines in known] == [None] * len(known)
        longest = max((*known, *map(self.lines, HOSTS)), key=len)
        for lines in (*known, *map(self.lines, HOSTS)):
            assert [line.hash for line in lines] == [line.hash for line in longest[: len(lines)]]
        found = (entry.event for machine in machines for entry in machine.journal.entries(RUN))
        return list(dict.fromkeys(event.by for event in found if isinstance(event, Acked | Ticked)))


def says(by: str) -> Event:
    return Ticked("before/1", "Team told", by, "terminal")


def note(desk: Any, by: str) -> tuple[str, ...]:
    return notes.note(desk, RUN, says(by), HOSTS, lambda: None)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def test_two_who_say_something_at_once_must_end_in_one_record(fleet: Fleet) -> None:
    machines = [fleet.machine(name) for name in ("bo", "cy")]
    ready = threading.Barrier(2)

    def one(desk: Any, by: str) -> None:
        for number in range(3):
            ready.wait()
            assert set(note(desk, f"{by}{number}")) == set(HOSTS)

    threads = [threading.Thread(target=one, args=pair) for pair in zip(machines, ("bo", "cy"), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(fleet.is_one_record(*machines)) == 6
    assert len(fleet.lines(HOSTS[0])) == len(fleet.lines(HOSTS[1])) == 8
    assert not list(fleet.folder.rglob("*.claim"))


def test_two_processes_of_one_machine_must_come_one_after_the_other(fleet: Fleet) -> None:
    again = fleet.machine("ann")
    threads = [threading.Thread(target=note, args=(desk, by)) for desk, by in ((fleet.first, "x"), (again, "y"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(fleet.is_one_record(fleet.first)) == ["x", "y"]


def test_a_line_that_another_writes_at_the_very_moment_must_come_first(fleet: Fleet) -> None:
    """Between the look at the hosts and the claim the other one does all of it."""
    bo, cy = fleet.machine("bo"), fleet.machine("cy")

    def cuts_in(_: str) -> None:
        fleet.hosts[HOSTS[0]].before = lambda _: None
        note(cy, "cy")

    fleet.hosts[HOSTS[0]].before = cuts_in
    note(bo, "bo")
    assert fleet.is_one_record(bo, cy) == ["cy", "bo"]


@pytest.mark.parametrize("told", [True, False])
def test_one_that_died_in_its_turn_must_not_hold_up_the_next_and_its_line_stays(fleet: Fleet, *, told: bool) -> None:
    bo, cy = fleet.machine("bo"), fleet.machine("cy")

    class Died(BaseException):
        pass

    hosts = list(fleet.hosts.values())

    def dies() -> None:
        with notes.turn(bo, RUN, says("bo"), HOSTS):
            if told:
                trail.told_later(bo, RUN, HOSTS[:1])
            for host in hosts:
                host.down = True  # a dead one takes no claim away
            raise Died

    with pytest.raises(Died):
        dies()
    for host in hosts:
        host.down = False
    note(cy, "cy")
    assert fleet.is_one_record(bo, cy) == ["bo", "cy"]


def test_whoever_takes_the_run_up_must_come_after_what_was_said(fleet: Fleet) -> None:
    bo, cy = fleet.machine("bo"), fleet.machine("cy")
    note(bo, "bo")
    with notes.turn(cy, RUN, Resumed("cy", aborting=False, lease="t"), HOSTS):
        late = threading.Thread(target=note, args=(bo, "late"))
        trail.told_later(cy, RUN, HOSTS)
        late.start()
        late.join(60)
    assert [line.kind for line in fleet.lines(HOSTS[0])][2:] == ["ticked", "resumed", "ticked"]
    assert fleet.is_one_record(bo, cy) == ["bo", "late"]


def test_a_host_that_was_down_must_be_told_later_and_the_record_stays_one(fleet: Fleet) -> None:
    bo, cy = fleet.machine("bo"), fleet.machine("cy")
    fleet.hosts[HOSTS[0]].down = True
    assert note(bo, "bo") == (HOSTS[1],)
    fleet.hosts[HOSTS[0]].down = False
    assert set(note(cy, "cy")) == set(HOSTS)
    assert fleet.is_one_record(bo, cy) == ["bo", "cy"]


def test_where_no_host_answers_it_must_be_kept_here(fleet: Fleet) -> None:
    for host in fleet.hosts.values():
        host.down = True
    assert note(fleet.first, "ann") == ()
    assert len(fleet.first.journal.lines(RUN)) == 3


def test_what_must_not_be_said_any_more_must_leave_nothing(fleet: Fleet) -> None:
    def still() -> None:
        raise UsageError("it is under way")

    with pytest.raises(UsageError):
        notes.note(fleet.first, RUN, says("ann"), HOSTS, still)
    assert fleet.is_one_record(fleet.first) == []


def test_a_claim_that_is_no_line_of_the_run_must_be_taken_away(fleet: Fleet) -> None:
    fleet.hosts[HOSTS[0]].create(f"/state/runs/{RUN}.3.claim", b"garbage")
    note(fleet.first, "ann")
    assert fleet.is_one_record(fleet.first) == ["ann"]


def calls(desk: Any) -> Calls:
    return Calls(lambda _: desk, lambda *_: None)


def test_who_has_it_must_be_known_to_the_machine_that_calls_and_be_in_the_record(fleet: Fleet) -> None:
    stop = standstill(fleet.first.journal.entries(RUN))
    assert stop is not None
    assert calls(fleet.first).answered(stop) is None
    bo, cy = fleet.machine("bo"), fleet.machine("cy")
    first, told = calls(bo).answer(stop, Acknowledged(RUN, "shop-api/prod", "bo@desk", 7))
    assert (first.by, told) == ("bo@desk", True)
    assert calls(cy).answer(stop, Acknowledged(RUN, "shop-api/prod", "cy@home", 9)) == (first, True)
    for _ in range(2):
        assert calls(fleet.first).answered(stop) == first
    said = [entry.event for entry in fleet.first.journal.entries(RUN) if isinstance(entry.event, Acked)]
    assert said == [Acked("bo@desk", "on another machine", 7 * 10**9)]
    assert fleet.is_one_record(fleet.first) == ["bo@desk"]
    for host in fleet.hosts.values():
        host.down = True
    assert calls(fleet.first).answered(stop) is None
    assert not calls(bo).answer(stop, first)[1]


def test_what_others_wrote_meanwhile_must_be_learnt_before_anybody_is_called(fleet: Fleet) -> None:
    stop = standstill(fleet.first.journal.entries(RUN))
    assert stop is not None
    bo = fleet.machine("bo")
    notes.note(bo, RUN, Acked("bo@desk", "terminal", 7), HOSTS, lambda: None)
    calls(fleet.first).answered(stop)
    assert fleet.is_one_record(fleet.first, bo) == ["bo@desk"]
    assert len(fleet.first.journal.lines(RUN)) == 3


def test_a_host_that_knows_the_run_otherwise_must_take_no_part(fleet: Fleet) -> None:
    other = fleet.hosts[HOSTS[0]].folder / f"state/runs/{RUN}.jsonl"
    stranger = Journal(str(fleet.folder / "stranger/journal.db"))
    for event in (begun(), RunEnded(Exit.DONE, "x"), says("stranger")):
        stranger.append(RUN, event, 1)
    rows = [trail.encoded(entry, stranger.sealed(entry)) for entry in stranger.entries(RUN)]
    other.write_bytes(b"".join(rows))
    assert note(fleet.first, "ann") == (HOSTS[1],)
    assert other.read_bytes() == b"".join(rows)
    with pytest.raises(Refused):
        fleet.first.journal.adopt(fleet.lines(HOSTS[0]))
