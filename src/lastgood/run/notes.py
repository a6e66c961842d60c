"""Whose turn it is to write the next line of a run that nobody carries out: of several machines, one after the other.

Two machines that add a line to the same run at once would each chain it to the same line before, and the record would
be two. So the line is first put beside the run's lines on its hosts, in a file that only one of them can create, named
for the line's number. Whoever comes too late writes down the other's line, should that one have died on the way, takes
it over, and comes after it. A host that does not answer, or knows the run otherwise, takes no part.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import msgspec

from lastgood.journal import codec
from lastgood.journal.fold import fold
from lastgood.model import chain
from lastgood.model.chain import Line
from lastgood.model.errors import Exit, LeaseHeld, Refused
from lastgood.model.event import Acked, Entry, Event, Run
from lastgood.ports import Files
from lastgood.run import trail
from lastgood.run.desk import Desk

_TRIES = 20
_PATIENCE = 0.1
_SAID = ("ticked", "acknowledged")


def add(desk: Desk, run: str, event: Event, hosts: Sequence[str]) -> tuple[str, ...]:
    """Add what a person says of a run to its record, here and on `hosts`; those that know it now, or soon will.

    Raises Refused where it stopped half-way, unless they say that they have it: the rest is for whoever takes it up.
    """
    if desk.live.alive(run):  # the run itself tells the hosts
        desk.journal.append(run, event, desk.shared.clock.now())
        return tuple(hosts)

    return note(desk, run, event, hosts, lambda: over(fold(desk.journal.entries(run)), event))


def over(run: Run, event: Event) -> None:
    """Raises Refused where a run that nobody here carries out is not over, unless somebody says that they have it."""
    if not isinstance(event, Acked) and (run.ended is None or run.ended.exit is Exit.IN_DOUBT):
        what = f"Run {run.id} is not over: it stopped half-way, or goes on elsewhere."
        raise Refused(what, next=(f"lastgood resume {run.id}",))


def note(desk: Desk, run: str, event: Event, hosts: Sequence[str], still: Callable[[], None]) -> tuple[str, ...]:
    """Add a line to a run that nobody carries out, here and on `hosts`; those that were told.

    `still` looks at the run as it is known by then, and raises where the line must not be added any more. Raises
    Refused where others write all the time.
    """
    with _here(desk, run), turn(desk, run, event, hosts, still):
        return trail.told_later(desk, run, hosts)


def learn(desk: Desk, run: str, hosts: Sequence[str]) -> None:
    """Have here what people said of a run on other machines, where that is all that `hosts` know more of it."""
    for lines in trail.everywhere(hosts, desk.shared.files, desk.group.first.state, run).values():
        own = desk.journal.lines(run)
        if (
            not isinstance(lines, Refused)
            and _goes_on(own, lines)
            and all(one.kind in _SAID for one in lines[len(own) :])
        ):
            desk.journal.adopt(lines)


@contextlib.contextmanager
def turn(
    desk: Desk, run: str, event: Event, hosts: Sequence[str], still: Callable[[], None] = lambda: None
) -> Iterator[Entry]:
    """Add a line to the journal here; no other machine adds one of its number until the hosts have been told of it.

    The process is the only one on this machine that writes to the run. Raises as `note` does.
    """
    table = _Table(desk, run, hosts)
    for _ in range(_TRIES):
        table.catch_up()
        still()
        lines = desk.journal.lines(run)
        entry = Entry(run, len(lines) + 1, desk.shared.clock.now(), event)
        if table.claim(trail.encoded(entry, chain.seals((*lines, codec.line(entry)))[-1]), entry.seq):
            break
    else:
        raise Refused(f"Others write to the record of run {run} all the time.", next=("try again",))
    try:
        yield desk.journal.append(run, event, entry.at)
    finally:
        table.let_go()


class _Table:
    """The hosts of a run, as the place where its next line is claimed."""

    def __init__(self, desk: Desk, run: str, hosts: Sequence[str]) -> None:
        self._desk = desk
        self._run = run
        self._hosts = tuple(sorted(hosts))  # in one order, so that of two one has the first and goes on
        self._there: tuple[str, ...] = ()
        self._held: dict[str, str] = {}

    def catch_up(self) -> None:
        """Have here the lines that the hosts have, and have them have each other's.

        A host that does not answer takes no part from here on: nobody waits for it once more.
        """
        found = self._lines(self._hosts)
        self._there = tuple(found)
        for lines in found.values():
            with contextlib.suppress(Refused):
                self._desk.journal.adopt(lines)
        count = len(self._desk.journal.lines(self._run))
        behind = [host for host, lines in found.items() if 0 < len(lines) < count]
        if behind:
            trail.told_later(self._desk, self._run, behind)

    def claim(self, row: bytes, seq: int) -> bool:
        """Whether the line is ours to write: on every host that takes part, and on none is another one of its number.

        Where it is another's, that one is written down.
        """
        for host in self._there:
            with contextlib.suppress(OSError):
                if not self._files(host).create(self._path(seq), row):
                    self._help(self._files(host), seq)
                    self.let_go()
                    return False
                self._held[host] = self._path(seq)
        ours = msgspec.json.decode(row)["hash"]
        there = [lines for lines in self._lines(self._there).values() if len(lines) >= seq and self._fits(lines)]
        if any(lines[seq - 1].hash != ours for lines in there):
            self.let_go()
            return False
        return True

    def let_go(self) -> None:
        """Take our claims away."""
        for host, path in self._held.items():
            with contextlib.suppress(OSError):
                self._files(host).remove(path)
        self._held.clear()

    def _help(self, files: Files, seq: int) -> None:
        """Write down the line that another machine has claimed, where it was not yet, and let go of it for that one."""
        row = files.read(self._path(seq))
        if row is None:
            return
        try:
            lines = trail.read(files, self._state, self._run)
        except Refused:
            return
        if len(lines) < seq - 1:
            return
        if len(lines) == seq - 1 and trail.follows(lines, row):
            files.append(trail.kept_at(self._state, self._run), b"\n" + row)
        files.remove(self._path(seq))

    def _lines(self, hosts: Sequence[str]) -> dict[str, tuple[Line, ...]]:
        found = trail.everywhere(hosts, self._files, self._state, self._run)
        return {host: lines for host, lines in found.items() if not isinstance(lines, Refused)}

    def _fits(self, lines: Sequence[Line]) -> bool:
        """Whether a host's lines go on from those here: else it knows the run otherwise, and takes no part."""
        return _goes_on(self._desk.journal.lines(self._run), lines)

    def _files(self, host: str) -> Files:
        return self._desk.shared.files(host)

    @property
    def _state(self) -> str:
        return self._desk.group.first.state

    def _path(self, seq: int) -> str:
        return f"{trail.kept_at(self._state, self._run).removesuffix('jsonl')}{seq}.claim"


def _goes_on(own: Sequence[Line], lines: Sequence[Line]) -> bool:
    return [line.event for line in lines[: len(own)]] == [line.event for line in own]


@contextlib.contextmanager
def _here(desk: Desk, run: str) -> Iterator[None]:
    """Be the one process on this machine that writes to a run, waiting a moment for another. Raises LeaseHeld."""
    with contextlib.ExitStack() as stack:
        for left in reversed(range(_TRIES)):
            try:
                stack.enter_context(desk.live.executing(run))
            except LeaseHeld:
                if not left:
                    raise
                desk.shared.clock.sleep(_PATIENCE)
            else:
                break
        yield
