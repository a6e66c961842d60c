"""What can run in one transaction."""

import pytest

from lastgood.sql import body, read, transactional

CASES = (
    ("BEGIN; DROP TABLE a; COMMIT", 1, ""),
    ("START TRANSACTION; DROP TABLE a; DROP TABLE b; END;", 2, ""),
    ("DROP TABLE a; DROP TABLE b", 2, ""),
    ("", 0, ""),
    ("BEGIN; COMMIT", 0, ""),
    ("BEGIN", 1, "line 1: BEGIN controls"),
    ("BEGIN; DROP TABLE a;", 2, "line 1: BEGIN controls"),
    ("BEGIN; DROP TABLE a; ROLLBACK", 3, "line 1: BEGIN controls"),
    ("SET lock_timeout = '1s'; BEGIN; DROP TABLE a; COMMIT", 4, "line 1: BEGIN controls"),
    ("BEGIN; DROP TABLE a; COMMIT;\nBEGIN; DROP TABLE b; COMMIT", 4, "line 1: COMMIT controls"),
    ("BEGIN ISOLATION LEVEL SERIALIZABLE; DELETE FROM a; COMMIT", 3, "line 1: BEGIN transaction_isolation controls"),
    ("BEGIN; DELETE FROM a; COMMIT AND CHAIN", 3, "line 1: BEGIN controls"),
    ("BEGIN; SAVEPOINT x; DELETE FROM a; ROLLBACK TO x; RELEASE x; COMMIT", 4, ""),
    ("DROP TABLE a;\nDROP INDEX CONCURRENTLY i", 2, "line 2: DROP INDEX CONCURRENTLY cannot run in a transaction"),
    ("BEGIN; VACUUM a; COMMIT", 1, "line 1: VACUUM cannot run in a transaction"),
    ("PREPARE TRANSACTION 'x'", 1, "line 1: PREPARE TRANSACTION controls"),
)


@pytest.mark.parametrize(("text", "kept", "why"), CASES)
def test_only_a_pair_around_everything_is_taken_off(text: str, kept: int, why: str) -> None:
    statements = read(text)
    assert len(body(statements)) == kept
    assert transactional(statements).startswith(why)
    assert bool(transactional(statements)) == bool(why)
