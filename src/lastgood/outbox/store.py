"""The outbox on disk: which messages wait for which destination, and what became of each.

Its own SQLite file beside the journal. The journal stays the truth: `outbox.collect` makes the messages from its
lines, so a process that dies between a line and its message loses nothing; the next one to look makes it.
"""

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

import msgspec

from lastgood.model.errors import NeedsHuman
from lastgood.model.message import Fate, Message, Post

# SQLite keeps this number in the file's header for programs to mark their files with: "lgob".
_APPLICATION: Final = 0x6C676F62
_VERSION: Final = 1
_LONGEST_WAIT: Final = 3600 * 1_000_000_000
_OVER: Final = ("delivered", "superseded")
_TABLES: Final = (
    "CREATE TABLE destinations (name TEXT PRIMARY KEY, since INTEGER NOT NULL, position INTEGER NOT NULL)",
    """CREATE TABLE posts (
        id INTEGER PRIMARY KEY, destination TEXT NOT NULL, run TEXT NOT NULL, kind TEXT NOT NULL, seq INTEGER NOT NULL,
        message BLOB NOT NULL, fate TEXT NOT NULL DEFAULT 'waiting', tries INTEGER NOT NULL DEFAULT 0,
        due INTEGER NOT NULL DEFAULT 0, because TEXT NOT NULL DEFAULT '', place TEXT NOT NULL DEFAULT '',
        ref TEXT NOT NULL DEFAULT '', UNIQUE (destination, run, kind, seq))""",
    "CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE INDEX by_fate ON posts (destination, fate)",
)
_POST: Final = "SELECT id, destination, message, fate, tries, due, because, place, ref FROM posts"


class Enlisted(msgspec.Struct, frozen=True):
    """A destination: journal lines after `since` are for it, those up to `position` were looked at."""

    name: str
    since: int
    position: int


class Outbox:
    """The outbox at `path`, which is made when first written to. Use as a context manager; not shared by threads.

    Every method raises NeedsHuman where the file cannot be used; waiting for another writer takes `patience` seconds
    at most.
    """

    def __init__(self, path: str, patience: float = 2.0) -> None:
        self.path = path
        self._patience = patience
        self._db: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._db is not None:
            self._db.close()
        self._db = None

    @property
    def there(self) -> bool:
        """Whether anything was ever written."""
        return Path(self.path).exists()

    def enlisted(self) -> dict[str, Enlisted]:
        """The destinations that are known, by name."""
        if not self.there:
            return {}
        with self._told() as db:
            rows = db.execute("SELECT name, since, position FROM destinations").fetchall()
        return {row[0]: Enlisted(*row) for row in rows}

    def enlist(self, name: str, position: int) -> None:
        """Make a destination known, for the journal's lines after `position`; fine where it is known."""
        with self._writing() as db:
            db.execute("INSERT OR IGNORE INTO destinations VALUES (?, ?, ?)", (name, position, position))

    def take(self, name: str, position: int, messages: Iterable[Message]) -> None:
        """Keep messages for a destination, each once, and note how far the journal was looked at: both or neither."""
        with self._writing() as db:
            for one in messages:
                db.execute(
                    "INSERT OR IGNORE INTO posts (destination, run, kind, seq, message) VALUES (?, ?, ?, ?, ?)",
                    (name, one.run, one.kind.value, one.seq, msgspec.json.encode(one)),
                )
            db.execute("UPDATE destinations SET position = ? WHERE name = ?", (position, name))

    def due(self, name: str, now: int, after: int = 0, *, all_of_them: bool = False) -> Post | None:
        """The first post after the one numbered `after` that may be tried now, however many wait.

        Of each run only the oldest that has not arrived may be, as a run's messages keep their order. `all_of_them`
        goes by no waiting time. A time to try that is further off than any wait is one of a clock that jumped, and
        counts as now.
        """
        waits = "destination = ? AND fate NOT IN (?, ?)"
        same = "older.run = posts.run AND older.id < posts.id"
        older = f"EXISTS (SELECT 1 FROM posts older WHERE {waits} AND {same})"  # noqa: S608 - our own words
        when = "1" if all_of_them else "(due <= ? OR due > ?)"
        query = f"{_POST} NOT INDEXED WHERE {waits} AND id > ? AND {when} AND NOT {older} ORDER BY id LIMIT 1"
        times = () if all_of_them else (now, now + _LONGEST_WAIT)
        # By an index it would look at all that ever was, for each one that is handed out.
        found = self._posts(query, name, *_OVER, after, *times, name, *_OVER)
        return found[0] if found else None

    def renewed(self, name: str, now: int) -> tuple[Post, ...]:
        """What arrived and has to be told anew by now, oldest first."""
        query = f"{_POST} WHERE destination = ? AND fate = ? AND due > 0 AND (due <= ? OR due > ?) ORDER BY id"
        return self._posts(query, name, Fate.DELIVERED.value, now, now + _LONGEST_WAIT)

    def waiting(self, name: str) -> tuple[Post, ...]:
        """Everything of a destination that has not arrived, oldest first."""
        return self._posts(f"{_POST} WHERE destination = ? AND fate NOT IN (?, ?) ORDER BY id", name, *_OVER)

    def awaited(self) -> tuple[str, ...]:
        """The destinations for which anything waits."""
        if not self.there:
            return ()
        with self._told() as db:
            query = "SELECT DISTINCT destination FROM posts WHERE fate NOT IN (?, ?) ORDER BY destination"
            return tuple(str(name) for (name,) in db.execute(query, _OVER))

    def posts(self, limit: int) -> tuple[Post, ...]:
        """The newest posts, and all that have not arrived; oldest first."""
        newest = "SELECT id FROM posts ORDER BY id DESC LIMIT ?"
        some = f"{_POST} WHERE id IN ({newest}) OR fate NOT IN (?, ?) ORDER BY id"
        return self._posts(some, limit, *_OVER)

    def about(self, run: str) -> tuple[Post, ...]:
        """Every post about a run, oldest first."""
        return self._posts(f"{_POST} WHERE run = ? ORDER BY id", run)

    def later(self, post: Post) -> bool:
        """Whether a newer message about the same run stands for the same destination."""
        found = self._posts(
            f"{_POST} WHERE destination = ? AND run = ? AND id > ?", post.destination, post.message.run, post.id
        )
        return bool(found)

    def ref(self, post: Post) -> str:
        """What the destination was told last about this run, in the member's own words; empty where nothing."""
        found = self._posts(
            f"{_POST} WHERE destination = ? AND run = ? AND ref <> '' ORDER BY id DESC LIMIT 1",
            post.destination,
            post.message.run,
        )
        return found[0].ref if found else ""

    def settle(self, post: Post, fate: Fate, **known: str | int) -> None:
        """Note what became of a post: `because`, `place`, `ref`, `due`, `tries`, as far as given."""
        columns = "".join(f", {name} = ?" for name in known)
        query = f"UPDATE posts SET fate = ?{columns} WHERE id = ?"  # noqa: S608 - the columns are our own keywords
        with self._writing() as db:
            db.execute(query, (fate.value, *known.values(), post.id))

    def note(self, name: str, value: str) -> None:
        """Keep one value by its name."""
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    def noted(self, name: str) -> str:
        """The value that was kept, or nothing."""
        if not self.there:
            return ""
        with self._told() as db:
            found = db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return str(found[0]) if found else ""

    def notes(self, begin: str) -> tuple[tuple[str, str], ...]:
        """The values that were kept by names that begin so, with these."""
        if not self.there:
            return ()
        with self._told() as db:
            query = "SELECT name, value FROM notes WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name"
            return tuple((str(name), str(value)) for name, value in db.execute(query, (begin,)))

    def done_with(self, run: str) -> bool:
        """Whether nothing about a run is to be told any more, and the newest post of all is about another.

        The number of that one would be given to the next, and whoever is still at it would take that for done.
        """
        posts, newest = self.about(run), self._posts(f"{_POST} ORDER BY id DESC LIMIT 1")
        over = (post.fate is Fate.SUPERSEDED or (post.fate is Fate.DELIVERED and not post.due) for post in posts)
        return not posts or (posts[-1:] != newest and all(over))

    def drop(self, run: str, notes: Iterable[str]) -> None:
        """Forget every post about a run, and what was kept by these names, or by one with a `/` and more behind it."""
        which = "name = ?1 OR substr(name, 1, length(?1) + 1) = ?1 || '/'"
        with self._writing() as db:
            db.execute("DELETE FROM posts WHERE run = ?", (run,))
            db.executemany(f"DELETE FROM notes WHERE {which}", [(one,) for one in notes])  # noqa: S608 - our own words

    def holds(self, name: str, message: Message) -> bool:
        """Whether a destination was given the message, whatever became of it."""
        query = f"{_POST} WHERE destination = ? AND run = ? AND kind = ? AND seq = ?"
        return bool(self._posts(query, name, message.run, message.kind.value, message.seq))

    def _posts(self, query: str, *values: str | int) -> tuple[Post, ...]:
        if not self.there:
            return ()
        with self._told() as db:
            rows = db.execute(query, values).fetchall()
            return tuple(_post(*row) for row in rows)

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """What is read and changed meanwhile is one change: no other process comes between."""
        with self._writing():
            yield

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._told() as db:
            inside: bool = db.in_transaction
            if inside:  # part of a larger change
                yield db
                return
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _told(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._opened()
        except (sqlite3.Error, OSError, msgspec.MsgspecError) as error:
            raise _unusable(self.path, str(error), full=_is_no_room(error)) from error

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            folder = Path(self.path).parent
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
            self._db = _connect(self.path, self._patience)
        return self._db


def _connect(path: str, patience: float) -> sqlite3.Connection:
    address = f"file:{quote(str(Path(path).absolute()))}?mode=rw"
    db = sqlite3.connect(address, uri=True, timeout=patience, isolation_level=None)
    try:
        db.execute("PRAGMA synchronous = FULL")
        _recognise(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _recognise(db: sqlite3.Connection, path: str) -> None:
    """Make the tables in an empty file; refuse another program's, and a newer lastgood's. Nothing is replaced."""
    if _marks(db) == (0, 0):
        db.execute("BEGIN IMMEDIATE")
        try:
            # Asked again inside the transaction: another process may just have done it.
            if _marks(db) == (0, 0) and not db.execute("SELECT 1 FROM sqlite_master").fetchone():
                for statement in _TABLES:
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {_APPLICATION}")
                db.execute(f"PRAGMA user_version = {_VERSION}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
    application, version = _marks(db)
    if application != _APPLICATION:
        raise _unusable(path, "it is a database of another program")
    if version > _VERSION:
        raise _unusable(path, "it was written by a newer lastgood")


def _marks(db: sqlite3.Connection) -> tuple[int, int]:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return application, version


def _post(  # noqa: PLR0913, PLR0917 - the table's columns
    number: int, name: str, content: bytes, fate: str, tries: int, due: int, because: str, place: str, ref: str
) -> Post:
    message = msgspec.json.decode(content, type=Message)
    return Post(number, name, message, Fate(fate), tries, due, because, place, ref)


def _is_no_room(error: Exception) -> bool:
    """Whether it is the folder or the disk that takes nothing, and the file itself is well."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY}
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}


def _unusable(path: str, because: str, *, full: bool = False) -> NeedsHuman:
    away = "move it out of the way, after a look at it; what waits is made again from the journal's newest runs"
    room = "make room on the disk, or the folder writable to you; nothing is told until then, and nothing is lost"
    return NeedsHuman(f"The outbox {path} cannot be used.", because=(because,), next=(room if full else away,))
