"""What the first second is spent on: what is imported until the first decision, by `-X importtime`."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lastgood.journal.store import Journal
from tests.journal.sample import begun

BANNED = ("pydantic", "httpx", "rich", "docker", "asyncio", "importlib.metadata", "urllib.request", "typer")
# `--help` decides nothing: it needs neither the configuration nor anything that asks the world.
NOT_FOR_HELP = (*BANNED, "ruamel", "sqlite3", "http.client", "email", "ssl", "lastgood.service", "lastgood.run")
CONFIG = """\
environments: {prod: {hosts: [local]}}
services: {shop-api: {probes: [{kind: http, url: "http://127.0.0.1:9/"}]}}
"""
VALUES = "image:\n  repository: ghcr.io/axinova/shop-api\n  tag: sha-1\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A deploy repo with one release, whose remote is the bare repo beside it."""
    repo, remote = tmp_path / "deploy", tmp_path / "remote.git"
    values = repo / "envs/prod/apps/shop-api/values.yaml"
    values.parent.mkdir(parents=True)
    values.write_text(VALUES)
    (repo / "lastgood.yaml").write_text(CONFIG)
    git = ("git", "-C", str(repo), "-c", "user.name=Robin", "-c", "user.email=robin@shop.example")
    subprocess.run(("git", "init", "-q", "--bare", "-b", "main", str(remote)), check=True)
    for words in (
        ("init", "-q", "-b", "main"),
        ("add", "."),
        ("commit", "-qm", "begin"),
        ("remote", "add", "origin", str(remote)),
        ("push", "-q", "origin", "main"),
    ):
        subprocess.run((*git, *words), check=True)
    return repo


def imported(place: Path, *argv: str, more: dict[str, str] | None = None) -> tuple[int, set[str], str]:
    """Exit code, imported modules, and what else was said, of one command line; `more` is its environment."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
    home = {"HOME": str(place.parent), "DOCKER_HOST": "unix:///nowhere/docker.sock", "GIT_CONFIG_GLOBAL": "/dev/null"}
    done = subprocess.run(
        (sys.executable, "-X", "importtime", "-m", "lastgood", *argv),
        cwd=place,
        env=kept | home | (more or {}),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    lines = done.stderr.splitlines()
    modules = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
    rest = "\n".join(line for line in lines if not line.startswith("import time:"))
    assert "lastgood" in modules
    return done.returncode, modules, done.stdout + rest


def banned(modules: set[str], names: tuple[str, ...]) -> set[str]:
    """Which of the modules are, or lie below, one of the names."""
    return {module for module in modules if any(module == name or module.startswith(f"{name}.") for name in names)}


def test_version_must_import_nothing_else_of_ours(place: Path) -> None:
    code, modules, said = imported(place, "--version")
    assert (code, bool(re.fullmatch(r"lastgood \d+\.\d+\.\d+\n", said))) == (0, True)
    assert {m for m in modules if m.split(".")[0] in ("lastgood", "click", "msgspec")} == {"lastgood"}


@pytest.mark.parametrize("verb", ["status", "plan", "rollback"])
def test_help_must_import_nothing_heavy(place: Path, verb: str) -> None:
    code, modules, _ = imported(place, verb, "--help")
    assert code == 0
    assert banned(modules, NOT_FOR_HELP) == set()


def test_the_list_of_verbs_must_import_no_verb(place: Path) -> None:
    code, modules, said = imported(place, "--help")
    assert code == 0
    assert "rollback" in said
    assert banned(modules, ("lastgood.cli.verbs", *NOT_FOR_HELP)) == set()


@pytest.mark.parametrize("verb", [("status",), ("plan", "shop-api", "prod"), ("rollback", "shop-api", "prod")])
def test_nothing_heavy_must_be_imported_before_the_first_decision(place: Path, verb: tuple[str, ...]) -> None:
    _, modules, said = imported(place, *verb)
    assert banned(modules, BANNED) == set()
    assert {"lastgood.observe.world", "lastgood.config.load"} <= modules
    assert "docker" in said  # the look at the engine was begun, and failed: it does not answer here


def test_where_nobody_is_told_nothing_that_tells_must_be_imported(place: Path) -> None:
    _, modules, _ = imported(place, "status")
    assert not {
        name for name in modules if name.startswith(("lastgood.outbox", "lastgood.posting", "lastgood.outside"))
    }


def test_a_shell_that_completes_a_run_must_be_answered_without_the_configuration(place: Path) -> None:
    with Journal(f"{place.parent}/.local/state/lastgood/journal.db") as journal:
        journal.append("20261122-174501-7f3a", begun(), 1)
    asked = {"_LASTGOOD_COMPLETE": "bash_complete", "COMP_WORDS": "lastgood resume 2", "COMP_CWORD": "2"}
    code, modules, said = imported(place, more=asked)
    assert (code, said) == (0, "plain,20261122-174501-7f3a\n")
    assert banned(modules, (*BANNED, "ruamel", "lastgood.service", "lastgood.run", "lastgood.outbox")) == set()
