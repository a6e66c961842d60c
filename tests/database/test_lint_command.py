"""`lastgood lint migrations`, as CI calls it: in any folder, without lastgood.yaml and without Docker."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
GOOD = {"1_a.up.sql": "CREATE TABLE a (id int);\n", "1_a.down.sql": "DROP TABLE a;\n"}
DBMATE = "-- migrate:up\nCREATE TABLE a (id int);\n-- migrate:down\nDROP TABLE a;\n"
GOOSE = "-- +goose Up\nCREATE TABLE a (id int);\n-- +goose Down\nDROP TABLE a;\n"
ALEMBIC = 'revision = "ab"\ndown_revision = None\ndef upgrade():\n    op.a()\ndef downgrade():\n    op.b()\n'
Lint = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "migrations").mkdir()
    return tmp_path


def put(here: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (here / "migrations" / path).parent.mkdir(parents=True, exist_ok=True)
        (here / "migrations" / path).write_text(text)


def run(here: Path, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {"HOME": str(here), "PATH": f"{BIN}:{os.environ['PATH']}", "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    return subprocess.run(
        argv, cwd=here, env={**clean, **env}, capture_output=True, text=True, check=False, timeout=240
    )


@pytest.fixture
def lint(here: Path) -> Lint:
    def call(*argv: str, ends: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        done = run(here, "lastgood", "lint", "migrations", *argv, **env)
        assert done.returncode == ends, f"{done.returncode}: {done.stdout}{done.stderr}"
        return done

    return call


@pytest.fixture
def repo(here: Path) -> Callable[..., str]:
    """Commits everything; the commit's id."""
    run(here, "git", "init", "-q", "-b", "main")

    def commit() -> str:
        run(here, "git", "add", "-A")
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@shop.example")
        done = run(here, "git", *who, "commit", "-q", "--allow-empty", "-m", "work")
        assert done.returncode == 0, done.stderr
        return run(here, "git", "rev-parse", "HEAD").stdout.strip()

    return commit


def findings(done: subprocess.CompletedProcess[str]) -> list[tuple[str, int, str, str]]:
    return [(one["path"], one["line"], one["mark"], one["rule"]) for one in json.loads(done.stdout)["findings"]]


def test_honest_migrations_must_pass_and_their_tool_be_named(here: Path, lint: Lint) -> None:
    put(here, GOOD)
    assert lint().stdout.endswith("1 note: 1 migration of golang-migrate in migrations\n")


def test_an_error_must_end_with_3_and_be_a_line_that_an_editor_can_follow(here: Path, lint: Lint) -> None:
    put(here, {**GOOD, "2_b.up.sql": "CREATE TABLE b (id int);\n", "2_b.down.sql": "-- nothing\n"})
    said = lint(ends=3).stdout.splitlines()
    assert "migrations/2_b.down.sql:1: error empty-down: the down file has comments only; " in "\n".join(said)
    assert (here / "migrations/2_b.down.sql").read_text() == "-- nothing\n"


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("golang-migrate", GOOD),
        ("dbmate", {"1_a.sql": DBMATE}),
        ("goose", {"1_a.sql": GOOSE}),
        ("alembic", {"versions/ab_a.py": ALEMBIC, "env.py": "import alembic\n"}),
    ],
)
def test_the_tool_must_be_recognised_by_the_files(here: Path, lint: Lint, kind: str, files: dict[str, str]) -> None:
    put(here, {**files, "README.md": "how to migrate\n", ".cache/1_x.up.sql": "not looked at"})
    found = json.loads(lint("--json").stdout)
    assert (found["tool"], found["migrations"], found["folder"]) == (kind, 1, "migrations")


def test_files_of_two_tools_must_be_ambiguous_until_one_is_named(here: Path, lint: Lint) -> None:
    put(here, {**GOOD, "2_b.sql": GOOSE})
    done = lint(ends=2)
    assert "golang-migrate reads 2 of 3 files" in done.stderr
    assert "goose reads 1 of 3 files" in done.stderr
    assert json.loads(lint("--kind", "golang-migrate", "--json").stdout)["migrations"] == 1


@pytest.mark.parametrize("argv", [(), ("elsewhere",), ("--kind", "golang")], ids=["no migration", "no folder", "kind"])
def test_what_is_not_there_must_be_a_usage_error(here: Path, lint: Lint, argv: tuple[str, ...]) -> None:
    put(here, {"README.md": "nothing here\n"})
    assert "next" in lint(*argv, ends=2).stderr or argv


def test_files_that_the_tool_refuses_must_be_an_error(here: Path, lint: Lint) -> None:
    put(here, {**GOOD, "0001_again.up.sql": "SELECT 1;\n"})
    assert findings(lint("--json", ends=3)) == [("migrations", 1, "error", "unreadable")]


def test_a_file_that_cannot_be_read_must_be_an_error_at_its_path(here: Path, lint: Lint) -> None:
    put(here, GOOD)
    (here / "migrations/2_b.up.sql").write_bytes(b"SELECT '\xff';\n")
    assert ("migrations/2_b.up.sql", 1, "error", "bad-file") in findings(lint("--json", ends=3))


def test_with_base_old_sins_must_be_shown_and_only_new_ones_fail(
    here: Path, lint: Lint, repo: Callable[[], str]
) -> None:
    put(here, {"1_a.up.sql": "CREATE TABLE a (id int);\n", "1_a.down.sql": ""})
    base = repo()
    old = ("migrations/1_a.down.sql", 1, "info", "empty-down")
    found = json.loads(lint("--base", base, "--json").stdout)
    assert found["base"] == base
    assert old in findings(lint("--base", base, "--json"))
    lint(ends=3)
    put(here, {"2_b.up.sql": "CREATE TABLE b (id int);\n", "2_b.down.sql": ""})  # not committed
    new = ("migrations/2_b.down.sql", 1, "error", "empty-down")
    assert {old, new} <= set(findings(lint("--base", base, "--json", ends=3)))
    repo()
    assert {old, new} <= set(findings(lint("--base", base, "--json", ends=3)))


def test_with_base_a_down_that_is_taken_away_must_fail(here: Path, lint: Lint, repo: Callable[[], str]) -> None:
    put(here, GOOD)
    base = repo()
    (here / "migrations/1_a.down.sql").unlink()
    repo()
    found = findings(lint("--base", base, "--json", ends=3))
    assert ("migrations/1_a.up.sql", 1, "error", "missing-down") in found


def test_with_base_what_others_changed_meanwhile_must_not_count(
    here: Path, lint: Lint, repo: Callable[[], str]
) -> None:
    put(here, {"1_a.up.sql": "CREATE TABLE a (id int);\n", "1_a.down.sql": ""})
    repo()
    run(here, "git", "checkout", "-q", "-b", "change")
    repo()
    run(here, "git", "checkout", "-q", "main")
    put(here, {"1_a.down.sql": "DROP TABLE a;\n"})
    repo()
    run(here, "git", "checkout", "-q", "change")
    assert ("migrations/1_a.down.sql", 1, "info", "empty-down") in findings(lint("--base", "main", "--json"))


def test_a_base_that_is_no_commit_or_no_git_must_be_said(here: Path, lint: Lint, repo: Callable[[], str]) -> None:
    put(here, GOOD)
    repo()
    assert "There is no commit 'nowhere'" in lint("--base", "nowhere", ends=2).stderr


def test_github_must_be_told_in_its_own_words(here: Path, lint: Lint) -> None:
    put(here, {**GOOD, "2_b.up.sql": "CREATE TABLE b (id int);\n", "2_b.down.sql": ""})
    wanted = "::error file=migrations/2_b.down.sql,line=1,title=empty-down::the down file is empty; "
    assert wanted in lint(ends=3, GITHUB_ACTIONS="true").stderr
    assert "::error" not in lint(ends=3).stderr


def test_a_path_is_below_the_folder_given_by_repo(here: Path, lint: Lint) -> None:
    put(here, GOOD)
    (here / "elsewhere").mkdir()
    assert json.loads(lint("./migrations/", "--repo", str(here), "--json").stdout)["folder"] == "migrations"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--prove",), "neither --image nor --dsn is given"),
        (("--prove", "--image", "postgres:16", "--dsn", "env:URL"), "both --image and --dsn are given"),
        (("--image", "postgres:16"), "say where to --prove"),
        (("--prove", "--dsn", "postgres://ada:hush@db/shop"), "takes a reference"),
    ],
)
def test_where_to_prove_must_be_said_and_safely(here: Path, lint: Lint, argv: tuple[str, ...], said: str) -> None:
    put(here, GOOD)
    done = lint(*argv, ends=2)
    assert said in done.stderr
    assert "hush" not in done.stderr
    assert "--image" in done.stderr or "env:NAME" in done.stderr


def test_what_is_no_sql_must_not_pass_for_proved(here: Path, lint: Lint) -> None:
    put(here, {"versions/ab_a.py": ALEMBIC})
    found = json.loads(lint("--prove", "--image", "postgres:16", "--json", ends=3).stdout)
    assert found["proof"] is None
    assert ("migrations", 1, "error", "not-provable") in [
        (one["path"], one["line"], one["mark"], one["rule"]) for one in found["findings"]
    ]


def test_without_an_engine_there_must_be_no_proof(here: Path, lint: Lint) -> None:
    put(here, GOOD)
    assert "no throw-away database" in lint("--prove", "--image", "postgres:16", ends=3).stderr
