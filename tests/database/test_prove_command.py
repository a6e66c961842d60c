"""`lastgood lint migrations --prove`: nothing of it stays, however it ends."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lastgood.database._proof_bench import Bench
from lastgood.model.facts import Known
from lastgood.postgres.asking import told
from sandbox import engine, images

BIN = Path(sys.executable).parent
LINT = (str(BIN / "lastgood"), "lint", "migrations", "--prove")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with migrations, and a `docker` that notes in `names` which containers it runs."""
    engine.ensure()
    images.ensure()
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations/1_a.up.sql").write_text("CREATE TABLE a (id int PRIMARY KEY);\n")
    (tmp_path / "migrations/1_a.down.sql").write_text("DROP TABLE a;\n")
    script(
        tmp_path / "docker",
        f'[ "$1" = run ] && while [ "$1" != --name ]; do shift; done && echo "$2" >> {tmp_path}/names\n',
        "docker",
    )
    return tmp_path


def script(path: Path, before: str, program: str) -> None:
    """A program that does something before it is `program`."""
    path.write_text(f'#!/bin/sh\n(\n{before})\nexec {shutil.which(program)} "$@"\n')
    path.chmod(0o755)


def environment(here: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{here}:{os.environ['PATH']}", **more}


def run(here: Path, *argv: str, **more: str) -> subprocess.CompletedProcess[str]:
    env = environment(here, **more)
    return subprocess.run((*LINT, *argv), cwd=here, env=env, capture_output=True, text=True, check=False, timeout=200)


def left(here: Path) -> list[str]:
    """Which of the containers that it ran are there still; it did run some."""
    names = (here / "names").read_text().split()
    there = subprocess.run(
        ("docker", "ps", "--all", "--format", "{{.Names}}"), capture_output=True, text=True, check=True
    )
    assert names
    return [name for name in names if name in there.stdout.split()]


def test_a_proof_on_an_image_must_tell_each_migration_and_leave_nothing(here: Path) -> None:
    done = run(here, "--image", images.DATABASE.image)
    assert done.returncode == 0, done.stderr
    assert "    1 a: up, down and up again\n" in done.stderr
    assert "proved     1 of 1: up, down and up again on PostgreSQL 15." in done.stdout
    assert left(here) == []


def test_a_server_that_does_not_start_must_be_said_and_leave_nothing(here: Path) -> None:
    other = images.REGISTRY.image
    done = run(here, "--image", other)
    assert done.returncode == 3
    assert "The throw-away database" in done.stderr or "no throw-away database" in done.stderr
    assert left(here) == []


def test_ctrl_c_must_leave_nothing(here: Path) -> None:
    (here / "migrations/2_b.up.sql").write_text("SELECT pg_sleep(300);\n")
    (here / "migrations/2_b.down.sql").write_text("SELECT 1;\n")
    argv = (*LINT, "--image", images.DATABASE.image)
    with subprocess.Popen(argv, cwd=here, env=environment(here), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        while "1 a:" not in process.stderr.readline():
            assert process.poll() is None
        # Python drops an interrupt that comes while it cleans up an object: a person would press the keys again.
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
                break
        assert process.poll() == 3
    assert left(here) == []


def test_a_proof_beside_a_database_must_leave_only_that(here: Path, bench: Bench) -> None:
    passing = 'o=; for n in $(env | grep -o "^PG[A-Z]*"); do o="$o -e $n"; done\n'
    passing += f'exec docker exec -i $o {bench.client.reach.container} psql "$@"\n'
    (here / "psql").write_text(f"#!/bin/sh\n{passing}")
    (here / "psql").chmod(0o755)
    databases = "SELECT json_agg(datname ORDER BY datname) FROM pg_database"
    before = told(bench.client, databases)
    done = run(here, "--dsn", "env:URL", URL="postgres://postgres@/scratch")
    assert done.returncode == 0, done.stderr
    assert "1 of 1: up, down and up again" in done.stdout
    assert isinstance(before, Known)
    assert told(bench.client, databases) == before
    assert not (here / "names").exists()
    (here / "migrations/1_a.down.sql").write_text("DROP TABLE b;\n")
    assert run(here, "--dsn", "env:URL", URL="postgres://postgres@/scratch").returncode == 3
    assert told(bench.client, databases) == before
