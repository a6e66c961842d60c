"""A look into the journal of a lastgood that goes on beside a test."""

import sqlite3
from contextlib import closing
from pathlib import Path


def noted(state: str, kind: str, step: str) -> bool:
    """Whether a journal has such a line of a step: asked often, so it is left to SQLite."""
    path = Path(state) / "lastgood/journal.db"
    if not path.exists():
        return False
    question = "SELECT 1 FROM events WHERE kind = ? AND json_extract(CAST(event AS TEXT), '$.step') = ? LIMIT 1"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
        return db.execute(question, (kind, step)).fetchone() is not None
