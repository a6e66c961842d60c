"""The audit trail on the hosts: a run's journal lines for machines, and a log for people, both only ever added to.

Another operator's machine takes a run up from the first, anybody on the server reads the second.
"""

import contextlib
import re
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from lastgood.journal import codec
from lastgood.model import chain
from lastgood.model.chain import Line
from lastgood.model.errors import InDoubt, LastgoodError, Refused
from lastgood.model.event import Entry, RunEnded, RunStarted
from lastgood.model.text import sanitise
from lastgood.observe.together import together
from lastgood.ports import Files
from lastgood.record.timeline import lines
from lastgood.run.desk import Desk

_RUN = re.compile(r"\w[\w.-]*", re.ASCII)


class _Row(msgspec.Struct, frozen=True):
    """A journal line as it lies on a host. `hash` is missing where an older lastgood wrote it."""

    run: str
    seq: int
    at: int
    kind: str
    event: msgspec.Raw
    hash: str = ""


class Trail:
    """Collects the lines of one process's part of a run and writes them to every host before the next effect.

    `before` are the lines that the run had when this process took it up, with their hashes: of those, the process
    before may have died before it told a host.
    """

    def __init__(
        self,
        desk: Desk,
        run: str,
        hosts: Sequence[str],
        *,
        resumed: bool = False,
        before: Sequence[tuple[Entry, str]] = (),
    ) -> None:
        self._desk = desk
        self._run = run
        self._pack = b""
        self._waiting: dict[str, list[tuple[Entry, str]]] = {host: [] for host in hosts}
        self._before = before
        self._behind = set(hosts) if before else set[str]()  # which may lack some of them
        self._cut = (
            set(hosts) if resumed or before else set[str]()
        )  # where a line that was cut off may stand at the end

    def pack(self, content: bytes) -> None:
        """Put the trees of the run beside its lines: no other machine could make them again."""
        self._pack = content

    def add(self, entry: Entry, sealed: str = "") -> None:
        """Remember a line and its hash in the journal."""
        for waiting in self._waiting.values():
            waiting.append((entry, sealed))

    def flush(self, *, alone: bool) -> None:
        """Write down what waits, on all hosts at once. What could not be written waits for the next time.

        Raises InDoubt where a host does not take it, unless `alone` and another host does.
        """
        failed = [error for error in together([partial(self._write, host) for host in self._waiting]) if error]
        if failed and not (alone and len(failed) < len(self._waiting)):
            raise failed[0]

    def at(self, host: str) -> None:
        """Write down what waits on one host, where something begins. Raises InDoubt where it does not take it."""
        failed = self._write(host) if host in self._waiting else None
        if failed:
            raise failed

    def _write(self, host: str) -> InDoubt | None:
        entries, files, state = self._waiting[host], self._desk.shared.files(host), self._desk.group.first.state
        if not entries:
            return None
        entries = [*self._lacking(host), *entries]
        try:
            if self._pack:
                files.create(kept_at(state, self._run).removesuffix("jsonl") + "pack", self._pack)
            begin = b"\n" if host in self._cut else b""
            self._cut.add(host)
            kept, told = begin + b"".join(encoded(*pair) for pair in entries), _told(self._desk.holder, entries)
            logs = [one.place("audit", "log") for one in self._desk.group.members]
            wanted = ((kept_at(state, self._run), kept), *((log, told) for log in logs))
            together([partial(files.append, path, content) for path, content in wanted])
            self._cut.discard(host)
            self._behind.discard(host)
        except OSError as error:
            because = f"{host}: {sanitise(error.strerror or str(error))}"
            step = "see that the host answers and its disk has room"
            return InDoubt("The audit trail on the host cannot be written.", because=(because,), next=(step,))
        self._waiting[host] = []
        return None

    def _lacking(self, host: str) -> Sequence[tuple[Entry, str]]:
        """The lines from before that the host was never told; none where what it has cannot be read."""
        if host not in self._behind:
            return ()
        try:
            there = read(self._desk.shared.files(host), self._desk.group.first.state, self._run)
        except Refused:
            return ()
        begun = self._before[0][0].event
        if not there and isinstance(begun, RunStarted) and begun.plan.base:
            self._pack = self._desk.shared.repo.pack(begun.plan.trees, begun.plan.base)
        return self._before[len(there) :]


def told_later(desk: Desk, run: str, hosts: Sequence[str]) -> tuple[str, ...]:
    """Write down on the hosts what a run's journal got after its end, and whatever else they have not been told of it.

    A host that cannot be read, does not take it, or knows the run otherwise, is left as it is: the run is over. The
    hosts that have it all by now.
    """
    told: list[str] = []
    entries = desk.journal.entries(run)
    lines = desk.journal.lines(run)
    for host, there in everywhere(hosts, desk.shared.files, desk.group.first.state, run).items():
        if isinstance(there, Refused) or [line.event for line in there] != [line.event for line in lines[: len(there)]]:
            continue
        one = Trail(desk, run, (host,), resumed=True)
        for entry, line in list(zip(entries, lines, strict=True))[len(there) :]:
            one.add(entry, line.hash)
        with contextlib.suppress(LastgoodError):
            one.flush(alone=False)
            told.append(host)
    return tuple(told)


def read(files: Files, state: str, run: str) -> tuple[Line, ...]:
    """The run's lines as a host has them; empty where it has none.

    Raises Refused where they cannot be read, or are not those that were written there.
    """
    path = kept_at(state, run)
    try:
        content = files.read(path) or b""
    except OSError as error:
        raise Refused(f"{path} cannot be read.", because=(sanitise(error.strerror or str(error)),)) from error
    whole = content[: content.rfind(b"\n") + 1]  # a line that was cut off was never relied on
    found: dict[int, Line] = {}
    for row in _rows(path, whole):
        if row.run != run:
            continue
        line = Line(row.run, row.seq, row.at, row.kind, bytes(row.event), row.hash)
        codec.read(line)
        if found.setdefault(row.seq, line) != line:
            raise Refused(f"{path} has two different lines {row.seq}: two machines went on with run {run}.")
    if sorted(found) != list(range(1, len(found) + 1)):
        raise Refused(f"{path} cannot be relied on.", because=("lines of the run are missing in it",))
    lines = tuple(found[seq] for seq in sorted(found))
    wrong = chain.misfit(lines)
    if wrong:
        raise Refused(f"{path} cannot be relied on.", because=(wrong.what,))
    return lines


def _rows(path: str, whole: bytes) -> list[_Row]:
    """The lines. One that was cut off is followed by its whole self, for it was not relied on. Raises Refused."""
    found: list[_Row] = []
    broken = ""
    for line in filter(None, whole.split(b"\n")):
        try:
            found.append(msgspec.json.decode(line, type=_Row))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            broken = sanitise(str(error))
        else:
            broken = ""
    if broken:
        raise Refused(f"{path} cannot be read.", because=(broken,))
    return found


def follows(lines: Sequence[Line], content: bytes) -> bool:
    """Whether a line as it lies on a host is the one after `lines`, by its number and its hash."""
    try:
        row = msgspec.json.decode(content, type=_Row)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    line = Line(row.run, row.seq, row.at, row.kind, bytes(row.event), row.hash)
    return row.seq == len(lines) + 1 and chain.seals((*lines, line))[-1] == row.hash


def trees(hosts: Sequence[str], files: Callable[[str], Files], state: str, run: str) -> bytes:
    """The pack of the run's trees, from the first host that has it. Raises Refused where none has."""
    path = kept_at(state, run).removesuffix("jsonl") + "pack"
    for host in hosts:
        with contextlib.suppress(OSError):
            content = files(host).read(path)
            if content:
                return content
    raise Refused(f"What run {run} had prepared in git is on no host.", because=(f"{path} cannot be read",))


def fetch(hosts: Sequence[str], files: Callable[[str], Files], state: str, run: str) -> tuple[Line, ...]:
    """The run's lines from the host that has most of them. Raises Refused where no host can be read."""
    found = everywhere(hosts, files, state, run).values()
    lines = [one for one in found if not isinstance(one, Refused)]
    if not lines:
        raise next(one for one in found if isinstance(one, Refused))
    return max(lines, key=len)


def everywhere(
    hosts: Sequence[str], files: Callable[[str], Files], state: str, run: str
) -> dict[str, tuple[Line, ...] | Refused]:
    """By host, the run's lines there, or why they cannot be relied on."""
    found = together([partial(_tried, files, host, state, run) for host in hosts])
    return dict(zip(hosts, found, strict=True))


def _tried(files: Callable[[str], Files], host: str, state: str, run: str) -> tuple[Line, ...] | Refused:
    try:
        return read(files(host), state, run)
    except Refused as error:
        return error


def kept_at(state: str, run: str) -> str:
    """Where the lines of a run are on its hosts. Raises Refused for what is no run's id."""
    if not _RUN.fullmatch(run):
        raise Refused(f"{sanitise(run)!r} is not the id of a run.", next=("lastgood runs",))
    return f"{state.rstrip('/')}/runs/{run}.jsonl"


def encoded(entry: Entry, sealed: str) -> bytes:
    """A line and its hash as they lie on a host."""
    line = codec.line(entry)
    row = _Row(line.run, line.seq, line.at, line.kind, msgspec.Raw(line.event), sealed)
    return msgspec.json.encode(row) + b"\n"


def _told(holder: str, entries: Sequence[tuple[Entry, str]]) -> bytes:
    """One line for people for each entry: when, who, which run, what; the end with the hash that seals the record."""
    found = ((entry, lines((entry,))[0], _sealed(entry, sealed)) for entry, sealed in entries)
    told = (f"{line.at} {sanitise(holder)} {entry.run} {line.text}{sealed}\n" for entry, line, sealed in found)
    return "".join(told).encode()


def _sealed(entry: Entry, sealed: str) -> str:
    return f"; record: {entry.seq} lines, sha256 {sealed}" if sealed and isinstance(entry.event, RunEnded) else ""
