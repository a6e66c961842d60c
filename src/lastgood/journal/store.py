"""The journal on disk: every intent and every outcome, durable before anything depends on it.

One SQLite database (write-ahead log, synced at every commit) that is only ever added to. It is shared by all lastgood
processes of this machine's user, and by the threads of one process.
"""

import contextlib
import shlex
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from lastgood.journal import codec, schema
from lastgood.journal.fold import fold
from lastgood.model import chain
from lastgood.model.chain import Line
from lastgood.model.errors import JournalUnwritable, Refused, UsageError
from lastgood.model.event import Entry, Event, Judged, LogErrors, Resumed, Run, RunStarted
from lastgood.model.release import Judgement
from lastgood.model.text import sanitise

_ROOM = 512 * 1024
_NANO = 1_000_000_000
_RANDOM_BYTES = 2
_NAMED = 5


class Journal:
    """The journal at `path`; it is made, in a folder of mode 0700, when the first line is written.

    Every method raises JournalUnwritable where the file cannot be used: damaged, another program's, of a newer
    lastgood, on a full or read-only disk. Nothing is ever repaired, replaced or deleted to get on.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._reserved = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. The journal may be used again afterwards."""
        with self._lock:
            if self._db is not None:
                self._db.close()
            self._db = None

    def reserve(self) -> None:
        """Make sure that a whole run can be written down, before anything is done.

        Makes room for 512 KiB of lines inside the journal's own files, log and database, where no other program can
        take it: a disk fills up because something keeps writing to it.
        """
        with self._lock, _told(self.path):
            db = self._writer()
            with schema.writing(db):
                # Random, because a compressing filesystem would keep zeros in next to no room.
                db.execute("INSERT INTO room VALUES (randomblob(?))", (_ROOM,))
            with schema.writing(db):
                db.execute("DELETE FROM room")
            # The pages are the database's now, free for lines to come, and the log begins anew without shrinking.
            # Where a reader is in the way of that the log grows; it does so into the disk, as ever.
            db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
            self._reserved = True

    def append(self, run: str, event: Event, at: int) -> Entry:
        """Write down one event; it is durable when this returns. `at` is in Unix nanoseconds.

        Before RunStarted and Resumed, after which effects begin, the room for the rest of the run is reserved.
        """
        if isinstance(event, RunStarted | Resumed) and not self._reserved:
            self.reserve()
        self._reserved = False
        with self._lock, _told(self.path):
            db = self._writer()
            with schema.writing(db):
                (seq,) = db.execute("SELECT coalesce(max(seq), 0) + 1 FROM events WHERE run = ?", (run,)).fetchone()
                if isinstance(event, RunStarted) and seq != 1:
                    raise JournalUnwritable(f"Run {run} stands in the journal already.", next=("begin the run again",))
                entry = Entry(run, seq, at, event)
                _insert(db, entry, codec.line(entry))
        return entry

    def adopt(self, lines: Sequence[Line]) -> None:
        """Take over the lines of a run that another machine began, or went on with; those that are here stay.

        Raises Refused where a line here is not the one there: then two machines went on from the same place.
        """
        with self._lock, _told(self.path):
            db = self._writer()
            with schema.writing(db):
                for line in lines:
                    self._adopt(db, line)

    @staticmethod
    def _adopt(db: sqlite3.Connection, line: Line) -> None:
        here = db.execute("SELECT event FROM events WHERE run = ? AND seq = ?", (line.run, line.seq)).fetchone()
        if here is None:
            _insert(db, codec.read(line), line)
        elif bytes(here[0]) != line.event:
            raise Refused(
                f"Run {line.run} went on differently on another machine.",
                because=(f"line {line.seq} here and on the host differ",),
                next=(f"lastgood show {line.run}   # on both machines",),
            )

    def lines(self, run: str) -> tuple[Line, ...]:
        """The run's lines in order as they are stored, with their hashes and whether or not they can be read."""
        query = "SELECT run, seq, at, kind, event, hash FROM events WHERE run = ? ORDER BY seq"
        return tuple(_line(row) for row in self._rows(query, (run,)))

    def head(self, run: str) -> str:
        """The hash of the run's newest line: whoever knows it elsewhere sees what is changed or cut off here later."""
        with self._lock, _told(self.path):
            db = self._reader()
            return "" if db is None else _head(db, run)

    def sealed(self, entry: Entry) -> str:
        """The hash that was written down with a line."""
        found = self._rows("SELECT hash FROM events WHERE run = ? AND seq = ?", (entry.run, str(entry.seq)))
        return str(found[0][0]) if found else ""

    def mark(self, run: str) -> str:
        """How far the run's record has come, to be kept elsewhere: `RUN/SEQ/HASH`; empty where there is no line."""
        found = self._rows("SELECT max(seq) FROM events WHERE run = ?", (run,))
        return f"{run}/{found[0][0]}/{self.head(run)}" if found and found[0][0] else ""

    def labels(self, run: str) -> tuple[str, ...]:
        """By which target each of the run's lines is found, which its hash does not cover."""
        return self._ids("SELECT target FROM events WHERE run = ? ORDER BY seq", run)

    def chained_since(self) -> int | None:
        """When the first line that is chained was written, in Unix nanoseconds; None where none is."""
        found = self._rows("SELECT min(at) FROM events WHERE hash <> ''", ())
        return int(found[0][0]) if found and found[0][0] is not None else None

    def entries(self, run: str) -> tuple[Entry, ...]:
        """The run's lines in order; empty where there are none. Raises Refused for what only a newer version reads."""
        return self._entries("SELECT run, seq, at, kind, event FROM events WHERE run = ? ORDER BY seq", run)

    def runs(self, target: str | None = None) -> tuple[str, ...]:
        """Ids of all runs that carried out a plan, newest first by when they began; of `target` where one is given."""
        which, values = ("", ()) if target is None else ("AND target = ?", (target,))
        query = f"SELECT run FROM events WHERE kind = 'run-started' {which} ORDER BY at DESC, run DESC"  # noqa: S608 - our own words
        return self._ids(query, *values)

    def targets(self) -> tuple[str, ...]:
        """Every target (`service/env` or `app/env`) of which there are runs."""
        return self._ids("SELECT DISTINCT target FROM events WHERE kind = 'run-started' ORDER BY target")

    def latest(self, target: str | None = None) -> str | None:
        """The newest run's id, of `target` (`service/env`) where one is given, or None."""
        query = "SELECT run FROM events WHERE kind = 'run-started' AND target = ? ORDER BY at DESC, run DESC LIMIT 1"
        found = self.runs() if target is None else self._ids(query, target)
        return found[0] if found else None

    def newest(self) -> str | None:
        """The newest run that was more than a look; a check where there is no other, None where there is none at all.

        A check of a timer must not come between a run and what people do about it.
        """
        found = self.acted(1)
        return found[0] if found else self.latest()

    def acted(self, limit: int = -1) -> tuple[str, ...]:
        """Ids of the newest runs that were more than a look, newest first; all of them where there is no limit."""
        # In JSON a quote inside of a text is escaped, so this is a field and no text.
        query = "SELECT run FROM events WHERE kind = 'run-started' AND instr(event, ?) = 0 ORDER BY at DESC, run DESC"
        return tuple(str(row[0]) for row in self._rows(f"{query} LIMIT ?", (b'"action":"check"', limit)))

    def last_run_for(self, target: str) -> Run | None:
        """The newest run of `target` (`service/env`), folded, or None. Raises Refused as `entries` does."""
        run = self.latest(target)
        return None if run is None else fold(self.entries(run))

    def find(self, prefix: str) -> str:
        """The one run (or recorded check) whose id begins with `prefix`. Raises UsageError where none or several do."""
        found = self._ids(
            "SELECT run FROM events WHERE seq = 1 AND substr(run, 1, length(?1)) = ?1 ORDER BY at DESC", prefix
        )
        if prefix in found:
            return prefix
        if len(found) == 1 and prefix:
            return found[0]
        shown = sanitise(prefix)
        if not prefix or not found:
            raise UsageError(f"There is no run {shown!r} in the journal.", next=("lastgood runs",))
        raise UsageError(
            f"{len(found)} runs begin with {shown!r}.",
            because=found[:_NAMED],
            next=("give more of the run's id",),
        )

    def judgements(self, target: str) -> tuple[Judgement, ...]:
        """Every verdict recorded about `target` (`service/env`), newest first; their `at` is in Unix seconds."""
        read = self._entries(
            "SELECT run, seq, at, kind, event FROM events WHERE kind = 'judged' AND target = ?"
            " ORDER BY at DESC, run DESC, seq DESC",
            target,
        )
        return tuple(_judgement(entry, entry.event) for entry in read if isinstance(entry.event, Judged))

    def log_errors(self, target: str, besides: str) -> tuple[tuple[str, LogErrors], ...]:
        """What logs of releases of `target` (`service/env`) showed, with the run that read them; none of `besides`."""
        read = self._entries(
            "SELECT run, seq, at, kind, event FROM events WHERE kind = 'log-errors' AND target = ? AND run <> ?"
            " ORDER BY at DESC, run DESC, seq DESC",
            target,
            besides,
        )
        return tuple((entry.run, entry.event) for entry in read if isinstance(entry.event, LogErrors))

    def position(self, run: str = "") -> int:
        """How far the journal goes: the number of its last line over all runs, or of the first one of `run`; 0 if none.

        Later lines have larger numbers; a journal that was put back from a copy may be shorter than it was.
        """
        query = "SELECT coalesce(min(rowid), 0) FROM events WHERE run = ?"
        found = self._rows(query, (run,)) if run else self._rows("SELECT coalesce(max(rowid), 0) FROM events", ())
        return int(found[0][0]) if found else 0

    def after(self, position: int, kinds: Sequence[str]) -> tuple[tuple[str, int], ...]:
        """Run and line of the events of these kinds that were added after `position`, in the order they were added."""
        marks = ", ".join("?" for _ in kinds)
        query = f"SELECT run, seq FROM events WHERE rowid > ? AND kind IN ({marks}) ORDER BY rowid"  # noqa: S608 - marks only
        return tuple((str(run), int(seq)) for run, seq in self._rows(query, (position, *kinds)))

    def _ids(self, query: str, *values: str) -> tuple[str, ...]:
        return tuple(str(row[0]) for row in self._rows(query, values))

    def _entries(self, query: str, *values: str) -> tuple[Entry, ...]:
        return tuple(codec.entry(*row) for row in self._rows(query, values))

    def _rows(self, query: str, values: tuple[str | int | bytes, ...]) -> list[Any]:  # Any: the columns are the query's
        with self._lock, _told(self.path):
            db = self._reader()
            return [] if db is None else db.execute(query, values).fetchall()

    def _reader(self) -> sqlite3.Connection | None:
        if self._db is None:
            try:
                Path(self.path).stat()
            except FileNotFoundError:
                return None
            self._db = schema.connect(self.path)
        return self._db

    def _writer(self) -> sqlite3.Connection:
        db = self._reader()
        if db is None:
            schema.create(self.path)
            self._db = db = schema.connect(self.path)
        return db


def _insert(db: sqlite3.Connection, entry: Entry, line: Line) -> None:
    """Write down a line, chained to the one before it."""
    row = (line.run, line.seq, line.at, line.kind, codec.target_of(entry.event), line.event)
    sealed = chain.seal(_head(db, line.run), line)
    db.execute(
        "INSERT INTO events (run, seq, at, kind, target, event, hash) VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, sealed)
    )


def _head(db: sqlite3.Connection, run: str) -> str:
    """The hash of the run's newest line; made of all its lines where they were written before there were hashes."""
    newest = db.execute("SELECT hash FROM events WHERE run = ? ORDER BY seq DESC LIMIT 1", (run,)).fetchone()
    if newest is None or newest[0]:
        return str(newest[0]) if newest else ""
    rows = db.execute("SELECT run, seq, at, kind, event, hash FROM events WHERE run = ? ORDER BY seq", (run,))
    return chain.seals([_line(row) for row in rows])[-1]


def _line(row: tuple[Any, ...]) -> Line:  # Any: the columns are the query's
    run, seq, at, kind, event, sealed = row
    # What somebody put there by hand may be text; it has to be read in order to be found.
    return Line(run, seq, at, kind, event if isinstance(event, bytes) else str(event).encode(), str(sealed))


def new_run_id(now: int, randomness: bytes) -> str:
    """A run's id out of the time (Unix nanoseconds) and at least two random bytes: `20261122-174501-7f3a`, in UTC.

    Ids sort by time and can be spoken. Raises ValueError for less randomness.
    """
    if len(randomness) < _RANDOM_BYTES:
        message = f"a run's id needs {_RANDOM_BYTES} random bytes"
        raise ValueError(message)
    return f"{datetime.fromtimestamp(now // _NANO, UTC):%Y%m%d-%H%M%S}-{randomness[:_RANDOM_BYTES].hex()}"


def _judgement(entry: Entry, event: Judged) -> Judgement:
    return Judgement(
        target=event.target,
        image=event.image,
        grade=event.grade,
        at=entry.at // _NANO,
        run=entry.run,
        because=event.because,
        signature=event.signature,
    )


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    """Turn what SQLite and the system say into JournalUnwritable."""
    try:
        yield
    except sqlite3.Error as error:
        # Errors of the Python module itself carry no SQLite name.
        raise _unwritable(path, str(error), getattr(error, "sqlite_errorname", "")) from error
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error), "") from error


def _unwritable(path: str, said: str, name: str) -> JournalUnwritable:
    folder = shlex.quote(str(Path(path).parent))
    if name in {"SQLITE_NOTADB", "SQLITE_CORRUPT"} or name.startswith("SQLITE_CORRUPT_"):
        steps: tuple[str, ...] = (
            "restore it from a backup",
            f"mv -n {shlex.quote(path)} {shlex.quote(path + '.damaged')}   # begins anew, past runs forgotten",
        )
    elif name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        steps = ("try again; another lastgood process is writing to it", "lastgood runs")
    else:
        steps = (f"df -h {folder}   # is there room?", f"ls -la {folder}   # may you write there?")
    return JournalUnwritable(f"The journal {path} cannot be used.", because=(said,), next=steps)
