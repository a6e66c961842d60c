"""lastgood has no way to reset, force, amend or delete: not in its source, and not in what a whole run calls."""

import ast
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.world import World

SOURCE = Path(__file__).parents[2] / "src/lastgood"
# Words that take something away from git's history, or from somebody's working tree, wherever they stand in an argv.
DESTRUCTIVE = {
    *("--force", "-f", "--force-with-lease", "--force-if-includes", "--mirror", "--delete", "-d", "-D", "--prune"),
    *("reset", "--hard", "--amend", "rebase", "filter-branch", "gc", "clean", "reflog", "stash"),
}
# What stands in the source as such a word and is reviewed.
REVIEWED = {
    ("diagnose/signing.py", "-f"),  # ssh-keygen -f FILE
    ("effects/connection.py", "-f"),  # ssh -f, into the background once it is logged in
    ("rivals/_watchtower.py", "-d"),  # an option of Watchtower's that is read
    ("postgres/asking.py", "-f"),  # psql reads its standard input
    ("postgres/kept.py", "-f"),  # pg_restore writes into /dev/null
    ("postgres/restore.py", "-d"),  # pg_restore is told its database by the environment
    ("postgres/scratch.py", "--force"),  # docker rm, of throw-away servers of ours
    ("database/oneoff.py", "--force"),  # docker rm, of a migration tool's container that we made
    ("database/booting.py", "--force"),  # docker rm, of a release that was tried
}
READING = {
    *("cat-file", "config", "diff-tree", "for-each-ref", "log", "ls-files", "ls-tree", "merge-base", "merge-file"),
    *("rev-list", "rev-parse", "show", "var", "version", "--version", "pack-objects"),
}
# What writes: objects that nothing refers to yet, files of our own export, refs of our own copy, and the push.
WRITING = {
    "commit-tree",
    "checkout-index",
    "read-tree",
    "hash-object",
    "write-tree",
    "mktree",
    "init",
    "fetch",
    "update-ref",
    "push",
    "commit-graph",
}
# One write for each call: several run side by side.
SHIM = """#!/bin/sh
printf '%s\\0' "$@" '
' >>"$GIT_CALLS"
exec {git} "$@"
"""


def words() -> Iterator[tuple[str, str]]:
    """Every text in the source that stands alone, docstrings left out, with its file."""
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield str(file.relative_to(SOURCE)), node.value


def test_no_destructive_word_must_stand_in_the_source() -> None:
    found = {(file, text) for file, text in words() if text in DESTRUCTIVE}
    assert found - REVIEWED == set()


def test_a_push_must_name_one_commit_and_one_branch_without_force() -> None:
    forced = [
        (str(file.relative_to(SOURCE)), ast.unparse(node))
        for file in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.JoinedStr) and ast.unparse(node)[2:3] == "+"
    ]
    # A fetch into refs/lastgood of our own copy; what is fetched is taken over as a fast-forward or not at all.
    assert {file for file, _ in forced} == {"git/mirror.py", "git/shown.py"}  # the latter are lines of a diff
    assert not any("push" in text for _, text in forced)


def called(calls: Path) -> list[list[str]]:
    """Every argv that git was called with, its options before the verb left out."""
    whole = [argv.split("\0")[:-1] for argv in calls.read_bytes().decode(errors="replace").split("\n\0")[:-1]]
    return [_verb_first(argv) for argv in whole]


def _verb_first(argv: list[str]) -> list[str]:
    at = 0
    while argv[at].startswith("-") and argv[at] not in READING:
        at += 2 if argv[at] in {"-C", "-c"} else 1
    return argv[at:]


@pytest.fixture
def recorded(tmp_path: Path) -> dict[str, str]:
    """An environment in which every call of git is written down."""
    shim = tmp_path / "git"
    shim.write_text(SHIM.format(git=shutil.which("git")))
    shim.chmod(0o755)
    (tmp_path / "calls").touch()
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}", "GIT_CALLS": str(tmp_path / "calls")}


def test_a_whole_run_must_call_nothing_of_git_but_what_reads_and_adds(recorded: dict[str, str], tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    with World.up() as world:
        for release in ("good-1", "http-500"):
            world.ship("shop-api", release)
        bad = world.tag("shop-api", "http-500")
        world.lastgood("rollback", "shop-api", "prod", "--yes", check=0, env=recorded)
        world.lastgood("rollback", "shop-api", "prod", "--yes", "--to", bad, check=3, env=recorded)
        reason = ("--because", "it was the database")
        world.lastgood("quarantine", "lift", "shop-api", "prod", bad, *reason, check=0, env=recorded)
        world.lastgood("quarantine", "add", "shop-api", "prod", bad, *reason, check=0, env=recorded)
        world.lastgood("quarantine", "list", check=0, env=recorded)
        world.lastgood("doctor", env=recorded)
        world.lastgood("guard", "install", check=0, env=recorded)
        world.lastgood("guard", "check", check=0, env=recorded)
    argvs = called(calls)
    assert {argv[0] for argv in argvs} <= READING | WRITING
    pushes = [argv for argv in argvs if argv[0] == "push" and "--dry-run" not in argv]
    assert len(pushes) == 3
    assert [word for argv in argvs for word in argv if word in DESTRUCTIVE] == []
    assert [argv for argv in pushes if any(word.startswith(("+", ":")) for word in argv)] == []
    forced = [word for argv in argvs if argv[0] == "fetch" for word in argv if word.startswith("+")]
    assert [word for word in forced if ":refs/lastgood/" not in word] == []
    refs = [argv for argv in argvs if argv[0] == "update-ref"]
    assert refs
    assert [argv for argv in refs if len(argv) != 3 or not argv[1].startswith("refs/")] == []
