"""The journal's database: how it is made, recognised and brought up to date."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from lastgood.model.errors import JournalUnwritable

# SQLite keeps this number in the file's header for programs to mark their files with: "lgjr".
_APPLICATION = 0x6C676A72
_BUSY_SECONDS = 10.0
_LOG_PAGES = 24

# One script per schema version, from an empty database on; the header's user_version counts those applied. The
# triggers hold for every program that opens the file: an INSERT OR REPLACE would delete without asking the delete
# trigger, which is why a line may only be inserted under its run's next number.
_MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE events (
            run TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL,
            target TEXT NOT NULL, event BLOB NOT NULL, PRIMARY KEY (run, seq))""",
        "CREATE TABLE room (content BLOB NOT NULL)",
        "CREATE INDEX by_target ON events (kind, target, at)",
        """CREATE TRIGGER no_update BEFORE UPDATE ON events
            BEGIN SELECT RAISE(ABORT, 'the journal is only ever added to'); END""",
        """CREATE TRIGGER no_delete BEFORE DELETE ON events
            BEGIN SELECT RAISE(ABORT, 'the journal is only ever added to'); END""",
        """CREATE TRIGGER next_line BEFORE INSERT ON events
            WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM events WHERE run = NEW.run)
            BEGIN SELECT RAISE(ABORT, 'the journal is only ever added to'); END""",
    ),
    (
        # Lines from before stay without a hash: one made up later would prove nothing, and the next line covers them.
        # Nor is a line without one refused: the older lastgood of a run under way meanwhile has to be able to go on.
        "ALTER TABLE events ADD COLUMN hash TEXT NOT NULL DEFAULT ''",
    ),
)


def connect(path: str) -> sqlite3.Connection:
    """Open an existing journal, migrated to this version's schema; every commit is on disk when it returns.

    Raises sqlite3.Error or OSError for what the file and disk do, and JournalUnwritable where the file is not a
    journal or belongs to a newer lastgood.
    """
    db = _open(path)
    try:
        db.execute("PRAGMA synchronous = FULL")
        # The log goes round in the room that Journal.reserve made; it must not fill all of it before it begins anew.
        db.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        _recognise(db, path)
        _migrate(db)
        if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            db.execute("PRAGMA journal_mode = WAL")
    except BaseException:
        db.close()
        raise
    return db


def create(path: str) -> None:
    """Make an empty journal at `path`, in a folder of mode 0700; fine where another process makes it at the same time.

    It is made aside and linked into place, so that no process ever opens a half-made journal, and one that stands
    there already is never written over. Raises sqlite3.Error or OSError.
    """
    folder = Path(path).parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = f"{path}.new.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with contextlib.closing(_open(aside)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute(f"PRAGMA application_id = {_APPLICATION}")
            _migrate(db)
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
        sync_folder(str(folder))
    finally:
        for suffix in ("", "-wal", "-shm"):
            Path(aside + suffix).unlink(missing_ok=True)


@contextlib.contextmanager
def writing(db: sqlite3.Connection) -> Iterator[None]:
    """One write transaction: begun as a writer at once (waiting for others), undone where the block raises."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # A failed COMMIT may or may not have ended the transaction already; both are fine.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def sync_folder(folder: str) -> None:
    """Make the names in `folder` durable: without it a new file's content is on disk and its name may not be."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _open(path: str) -> sqlite3.Connection:
    # mode=rw never creates a file: a journal that vanished must be noticed and not be replaced by an empty one.
    return sqlite3.connect(
        f"file:{quote(str(Path(path).absolute()))}?mode=rw",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


def _recognise(db: sqlite3.Connection, path: str) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION:
        raise JournalUnwritable(
            f"{path} is not a journal of lastgood.",
            because=("it is a database of another program, or it is empty",),
            next=("move it out of the way, after a look at what it is",),
        )
    if version > len(_MIGRATIONS):
        raise JournalUnwritable(
            f"The journal {path} was written by a newer lastgood.",
            because=(f"its schema has version {version}, this lastgood knows up to {len(_MIGRATIONS)}",),
            next=("use the newer lastgood, or upgrade this one",),
        )


def _migrate(db: sqlite3.Connection) -> None:
    if db.execute("PRAGMA user_version").fetchone()[0] == len(_MIGRATIONS):
        return
    with writing(db):
        # Asked again inside the transaction: another process may just have done it.
        (version,) = db.execute("PRAGMA user_version").fetchone()
        for script in _MIGRATIONS[version:]:
            for statement in script:
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
