"""What migration files lock, and what would be gentler. As in test_lint, a finding is `FILE:LINE MARK RULE`."""

import pytest
from linted import Case, migration, short

from lastgood.database.lint import lint
from lastgood.model.lint import Mark
from lastgood.model.schema import Migrations

LOCKS = (
    ("CREATE INDEX i ON orders (item)", "warning heavy-lock", "SHARE on orders", "CREATE INDEX CONCURRENTLY"),
    ("ALTER TABLE orders ADD CONSTRAINT i FOREIGN KEY (a) REFERENCES b", "warning heavy-lock", "on orders", "VALIDATE"),
    (
        "ALTER TABLE orders ADD CONSTRAINT i CHECK (a > 0)",
        "warning heavy-lock",
        "ACCESS EXCLUSIVE on orders",
        "NOT VALID",
    ),
    (
        "ALTER TABLE orders ADD CONSTRAINT i CHECK (a > 0) NOT VALID",
        "info heavy-lock",
        "ADD CHECK NOT VALID",
        "lock_timeout",
    ),
    ("ALTER TABLE orders ADD CONSTRAINT i UNIQUE (a)", "warning heavy-lock", "ADD UNIQUE", "USING INDEX"),
    ("ALTER TABLE orders ALTER a SET NOT NULL", "warning heavy-lock", "SET NOT NULL", "IS NOT NULL) NOT VALID"),
    (
        "ALTER TABLE orders ALTER a SET DEFAULT 1, ALTER a SET NOT NULL",
        "warning heavy-lock",
        "SET NOT NULL",
        "NOT VALID",
    ),
    (
        "ALTER TABLE orders ALTER a SET DEFAULT 1",
        "info heavy-lock",
        "SET DEFAULT takes ACCESS EXCLUSIVE",
        "lock_timeout",
    ),
    ("ALTER TABLE orders ADD COLUMN i uuid DEFAULT gen_random_uuid()", "warning rewrite", "ADD COLUMN", "batches"),
    ("ALTER TABLE orders ADD COLUMN i text DEFAULT 'x'", "info heavy-lock", "ADD COLUMN", "lock_timeout"),
    ("CLUSTER orders USING i", "warning rewrite", "may write orders anew", "pg_repack"),
    (
        "CREATE TRIGGER i BEFORE INSERT ON orders EXECUTE FUNCTION f()",
        "info heavy-lock",
        "nobody writes",
        "lock_timeout",
    ),
    ("DROP INDEX i", "info heavy-lock", "on i and its table:", "DROP INDEX CONCURRENTLY"),
)


@pytest.mark.parametrize(("sql", "kind", "said", "then"), LOCKS)
@pytest.mark.parametrize("side", ["up", "down"])
def test_a_heavy_lock_is_told_with_what_would_be_gentler(sql: str, kind: str, said: str, then: str, side: str) -> None:
    case = Case("", sql if side == "up" else "SELECT 1", "SELECT 1" if side == "up" else sql)
    found = [one for one in lint(Migrations((migration(case),))) if one.rule in ("heavy-lock", "rewrite")]
    first = found[-1]
    assert short(first) == f"8_x.{side}.sql:1 {kind}"
    assert said in first.said
    assert then in first.next


def test_a_foreign_key_is_told_for_both_tables() -> None:
    case = Case(
        "", "ALTER TABLE lines ADD FOREIGN KEY (o) REFERENCES orders", "ALTER TABLE lines DROP CONSTRAINT lines_o_fkey"
    )
    said = [one.said for one in lint(Migrations((migration(case),))) if one.mark is Mark.WARNING]
    assert [text.partition(" on ")[2].partition(":")[0] for text in said] == ["lines", "orders"]


def test_a_table_that_the_same_file_made_is_locked_for_nobody() -> None:
    up = "CREATE TABLE a (b int); CREATE INDEX ON public.a (b); ALTER TABLE a ALTER b SET NOT NULL, ADD UNIQUE (b);"
    assert lint(Migrations((migration(Case("", up, "SET lock_timeout = 1; DROP TABLE a")),))) == ()


def test_a_table_under_a_new_name_is_still_an_old_table() -> None:
    up = "ALTER TABLE a RENAME TO b; CREATE INDEX i ON b (c);"
    found = lint(Migrations((migration(Case("", up, "DROP INDEX i; ALTER TABLE b RENAME TO a")),)))
    assert [one.said for one in found if one.mark is Mark.WARNING] == [
        "CREATE INDEX reads the whole table and takes SHARE on b: nobody writes meanwhile"
    ]
