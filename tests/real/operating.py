"""What happens to lastgood while it works: a second operator, a killed process, a stalled program, a dead engine."""

import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop import API, ENV, Shop

from lastgood.model.errors import Exit
from sandbox.run import run, wait_until
from tests.journal.noted import noted

ROLLBACK = ("rollback", API, ENV, "--yes")


@dataclass(frozen=True)
class Line:
    """One line of the journal, as any program that knows SQLite and JSON reads it."""

    run: str
    kind: str
    event: dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """How a lastgood process ended, and all it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        return self.stdout + self.stderr


class Session:
    """A lastgood process that runs beside the test."""

    def __init__(self, shop: Shop, process: subprocess.Popen[str], env: Mapping[str, str]) -> None:
        self._shop = shop
        self._process = process
        self._state = env["XDG_STATE_HOME"]

    def begun(self, step: str, within: float = 180) -> str:
        """Waits until the journal has the intent of the step; returns the run's id."""
        wait_until(lambda: self._over() or self._is_at(step), f"the run is at {step}", within=within, every=0.01)
        assert self._is_at(step), f"it ended without {step}: {self.end()}"
        return self.run

    @property
    def run(self) -> str:
        return next(line.run for line in reversed(journal(self._state)) if line.kind == "run-started")

    def dies(self) -> None:
        """Is killed without a chance to say anything."""
        self._process.kill()
        self._process.communicate()

    def gets(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    @contextmanager
    def sleeping(self) -> Iterator[None]:
        """It stands still, with all that it holds, inside the block."""
        self.gets(signal.SIGSTOP)
        try:
            yield
        finally:
            self.gets(signal.SIGCONT)

    def end(self) -> Ended:
        """Waits for its own end."""
        out, err = self._process.communicate(timeout=240)
        return Ended(self._process.returncode, out, err)

    def _over(self) -> bool:
        return self._process.poll() is not None

    def _is_at(self, step: str) -> bool:
        return noted(self._state, "step-started", step)


@contextmanager
def begin(shop: Shop, *words: str, on: Mapping[str, str] | None = None) -> Iterator[Session]:
    """Starts lastgood as an operator would; whatever of it is left at the end of the block is killed."""
    env = {**shop.world.env, **(on or {})}
    process = subprocess.Popen(
        [sys.executable, "-m", "lastgood", *words],
        cwd=shop.world.laptop,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield Session(shop, process, env)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def journal(state: str) -> list[Line]:
    """Every line below a state folder, oldest first, without changing anything there."""
    path = Path(state) / "lastgood/journal.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
        rows = db.execute("SELECT run, kind, event FROM events ORDER BY at, run, seq").fetchall()
    return [Line(name, kind, json.loads(event)) for name, kind, event in rows]


def lines(shop: Shop) -> list[Line]:
    """The operator's journal."""
    return journal(shop.world.env["XDG_STATE_HOME"])


class Stall:
    """A program that stops in the middle of one kind of call, the first time, until it is let go."""

    def __init__(self, folder: Path, program: str) -> None:
        self._folder = folder
        self._hold = folder / "hold"
        self._reached = folder / "reached"
        self._program = program

    def make(self, condition: str, *, after: bool) -> None:
        real = shlex.quote(shutil.which(self._program) or self._program)
        wait = f"while [ -e {self._hold} ]; do sleep 0.05; done"
        stop = f"if {condition} && mkdir {self._reached} 2>/dev/null; then {wait}; fi"
        act = f'{real} "$@"; status=$?' if after else ":"
        finish = "exit $status" if after else f'exec {real} "$@"'
        self._folder.mkdir()
        self._hold.touch()
        script = self._folder / self._program
        script.write_text(f"#!/bin/sh\n{act}\n{stop}\n{finish}\n")
        script.chmod(0o755)

    def reached(self, within: float = 180) -> None:
        """Waits until it stands still."""
        wait_until(self._reached.is_dir, f"{self._program} stands still", within, every=0.01)

    def go(self) -> None:
        """Lets it go on."""
        self._hold.unlink(missing_ok=True)

    def path(self, env: Mapping[str, str]) -> dict[str, str]:
        """The environment in which it is found before the real one."""
        return {"PATH": os.pathsep.join((str(self._folder), env["PATH"]))}


@contextmanager
def stalled(shop: Shop, program: str, condition: str, *, after: bool = False) -> Iterator[Stall]:
    """`condition` is a shell test of the call; with `after`, the call is carried out before it stands still."""
    stall = Stall(shop.world.root / f"stall-{program}", program)
    stall.make(condition, after=after)
    try:
        yield stall
    finally:
        stall.go()


def says(word: str) -> str:
    """The condition that a call has this word among its arguments."""
    return f'{{ case " $* " in *" {word} "*) true;; *) false;; esac; }}'


def lease_file(shop: Shop) -> Path:
    """Where the target's lease stands while somebody acts on it."""
    return shop.world.root / f"host-state/leases/{API}@{ENV}.json"


def edit(shop: Shop, old: str, new: str) -> None:
    """Changes lastgood.yaml on the operator's laptop only."""
    path = shop.world.laptop / "lastgood.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def says_no(shop: Shop, *words: str, ends: Exit, on: Mapping[str, str] | None = None) -> str:
    """Runs lastgood, which must end like that and change nothing; returns all it said."""
    before = shop.scene()
    leases = lease_file(shop).exists() and lease_file(shop).read_bytes()
    done = shop.world.lastgood(*words, check=ends, env=on)
    assert shop.scene() == before
    assert (lease_file(shop).exists() and lease_file(shop).read_bytes()) == leases
    return done.stdout + done.stderr


def bad_release_in_production(shop: Shop, bad: str = "http-500") -> None:
    """One good release in history, a bad one in production."""
    shop.commits("good-1")
    shop.ships(bad)


def git(shop: Shop, *words: str, at: Path | None = None) -> str:
    """Git at the remote, or in another folder."""
    return run(["git", "-C", at or shop.world.remote, *words], env=shop.world.env).stdout.strip()


def descends(shop: Shop, *commits: str) -> bool:
    """Whether all of these commits are still in the history of the remote's main."""
    known = {commit for commit, _ in shop.world.log()}
    return set(commits) <= known
