"""What a person may do next: told by every refusal, and never with a secret in it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

import lastgood
from lastgood.database.choices import ALONE, addressed, unanswered, unreadable
from lastgood.database.tables import Columns, _one, candidates
from lastgood.model import errors
from lastgood.model.database import Reach
from lastgood.model.errors import Exit, LastgoodError, NeedsHuman
from lastgood.postgres.client import Client
from tests.plans.builders import TARGET

SOURCES = Path(lastgood.__file__).parent
KINDS = {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.LastgoodError)
}
# What says why a release's migrations cannot be had is a reason in others' errors, and no error of its own.
REASONS = "database/releases.py"


def client(**reach: str) -> Client:
    given = {"name": "shop", "host": "ssh://op@db.example", "user": "shop", "password": "env:SECRET", **reach}
    return Client(cast("Any", None), cast("Any", None), Reach(**given))


def raised() -> Iterator[tuple[str, ast.Call]]:
    """Each error that is made where databases are looked at or changed."""
    paths = [*SOURCES.glob("database/*.py"), *(SOURCES / each for each in ("run/schema.py", "databases.py"))]
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
                yield f"{path.relative_to(SOURCES)}:{node.lineno}", node


def test_every_refusal_about_a_database_must_say_what_to_do_next() -> None:
    found = dict(raised())
    assert len(found) > 40
    silent = [where for where, call in found.items() if not any(word.arg == "next" for word in call.keywords)]
    assert [where for where in silent if not where.startswith(REASONS)] == []


def test_a_server_that_does_not_answer_must_be_asked_by_hand_without_a_secret() -> None:
    error = unanswered(client(container="shop-db-1"), "connection refused")
    assert (error.exit, error.because) == (Exit.REFUSED, ("connection refused",))
    assert error.next[0] == "docker exec shop-db-1 psql -X -c 'SELECT 1' -U shop shop   # on db.example"
    by_dsn = unanswered(client(dsn="file:/etc/dsn"), "connection refused")
    assert by_dsn.next[0].startswith("psql -X -c 'SELECT 1' DSN   # on db.example")
    assert "SECRET" not in str((error.next, by_dsn.next))


@pytest.mark.parametrize(("reason", "granted"), [("permission denied for table x", True), ("no such table", False)])
def test_a_table_that_cannot_be_read_must_say_how_it_can(reason: str, *, granted: bool) -> None:
    error = unreadable(client(container="shop-db-1"), '"public"."schema_migrations"', reason)
    assert error.exit is Exit.NEEDS_HUMAN
    look = """docker exec shop-db-1 psql -X -c 'TABLE "public"."schema_migrations"' -U shop shop   # on db.example"""
    grant = 'GRANT SELECT ON "public"."schema_migrations" TO shop;   # by its owner'
    assert error.next == (grant if granted else look, ALONE)


def test_tables_of_two_tools_must_call_a_human_with_the_choices() -> None:
    columns: Columns = {
        ("public", "schema_migrations"): (("version", "bigint"), ("dirty", "boolean")),
        ("public", "goose_db_version"): (
            ("id", "integer"), ("version_id", "bigint"), ("is_applied", "boolean"), ("tstamp", "timestamp"),
        ),
    }  # fmt: skip
    with pytest.raises(NeedsHuman, match="ambiguous") as needed:
        _one(candidates(None), columns, "public")
    assert {each.split()[0] for each in needed.value.because} == {"golang-migrate", "goose"}
    assert needed.value.next == ("services.S.database.migrator: KIND", ALONE)


def test_what_to_do_next_must_name_the_target() -> None:
    with pytest.raises(LastgoodError) as raising, addressed(TARGET):
        raise unreadable(client(), "t", "no")
    assert raising.value.next[-1].startswith("lastgood rollback shop-api prod --image-only")
