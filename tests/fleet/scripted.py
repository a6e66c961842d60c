"""A team that deploys with scripts of its own: how scenarios speak of its servers, its scripts and its branch."""

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lastgood.model.errors import Exit
from sandbox.fleet import HOME_GO, HOME_WEB, FleetWorld
from sandbox.hosts import CHECKOUT, STATE, Host
from sandbox.run import run, wait_until
from tests.journal.noted import noted

APP = "axinova-home"
ENV = "prod"
DEPLOY = "scripts/compose/deploy-service.sh"
WAIT = "scripts/compose/wait-healthy.sh"
REAL = "scripts/compose/really-deploy.sh"
QUARANTINE = "quarantine.yaml"
HOLD = "/tmp/hold"
# As the team's own, with less patience for releases that never become healthy.
IMPATIENT = """\
#!/bin/sh
for attempt in 1 2 3 4 5 6; do
  states=$(docker ps --all --filter "label=com.docker.compose.project=$2" --format '{{.Status}}')
  if [ -n "$states" ] && ! echo "$states" | grep -Eqv '^Up [^(]*(\\(healthy\\))?$'; then
    echo "$2 is healthy"
    exit 0
  fi
  sleep 0.5
done
echo "$2 is not healthy: $states" >&2
exit 1
"""


def values(service: str) -> str:
    """The path of a service's pin file."""
    return f"envs/{ENV}/apps/{service}/values.yaml"


@dataclass(frozen=True)
class Scene:
    """What a command that touches nothing must leave as it is."""

    containers: tuple[str, ...]
    branches: Mapping[str, str]
    checkouts: tuple[str, ...]


class Home:
    """A fleet with the reference deployment on it, and the person who is on call for it."""

    def __init__(self, world: FleetWorld) -> None:
        self.world = world

    @property
    def host(self) -> Host:
        """The first server."""
        return self.world.hosts[0]

    def ships(self, *releases: str, service: str = HOME_GO) -> None:
        """CI releases and deploys, one after the other."""
        for release in releases:
            self.world.ship(service, release)

    def commits(self, *releases: str, service: str = HOME_GO) -> None:
        """CI commits releases that are never deployed: they are history without a container."""
        for release in releases:
            self.world.ship(service, release, deploy=False)

    def ships_both(self, go: str, web: str, *, deploy: bool = True) -> str:
        """CI releases both services by one commit, which is returned, and deploys them."""
        wanted = {HOME_GO: go, HOME_WEB: web}
        if not all(self.released(service) for service in wanted):
            for service, release in wanted.items():
                self.world.ship(service, release, deploy=deploy)
            return self.tip()
        files = {values(one): self.pinning(one, release) for one, release in wanted.items()}
        commit = self.world.commit(files, f"{APP}: release {go} and {web}")
        for service, release in wanted.items() if deploy else ():
            self.world.deploy(service)
            wait_until(lambda s=service, r=release: self.runs(r, s), f"{service} {release} runs")
        return commit

    def released(self, service: str) -> bool:
        """Whether the service was ever released."""
        return f" {service}: release" in "".join(f" {subject}" for _, subject in self.world.log())

    def pinning(self, service: str, release: str) -> str:
        """The pin file with another release in it."""
        text = self.world.show(values(service))
        return text.replace(self.world.pinned(service), self.tag(release, service))

    def impatient(self) -> None:
        """The team waits for health for three seconds only."""
        self.commit({WAIT: IMPATIENT}, "Wait less for health")

    def deploys_by(self, before: str, after: str = "") -> None:
        """The team's deploy script does something beside deploying: shell code with $1 env, $2 service, $tag.

        What ran on servers already is deployed as ever.
        """
        pinned = """tag=$(sed -n 's/^  tag: //p' "envs/$1/apps/$2/values.yaml")"""
        text = f'#!/bin/sh\n{pinned}\n{before}\nsh {REAL} "$@" || exit 1\n{after}\n'
        self.commit({REAL: self.world.show(DEPLOY), DEPLOY: text}, "Deploy in our own way")

    def commit(self, files: Mapping[str, str | None], message: str) -> str:
        """A colleague changes files, and the servers and the operator have that at once."""
        commit = self.world.commit(files, message)
        for host in self.world.hosts:
            host.exec("git", "pull", "-q", "--ff-only", cwd=CHECKOUT)
        run(["git", "-C", self.world.laptop.clone, "pull", "-q", "--ff-only"], env=self.world.laptop.env)
        return commit

    def configure(self, *changes: tuple[str, str]) -> None:
        """Changes lastgood.yaml for everybody."""
        text = self.world.show("lastgood.yaml")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        self.commit({"lastgood.yaml": text}, "Configure lastgood")

    def rollback(self, *options: str, of: str = HOME_GO, ends: Exit = Exit.DONE) -> dict[str, Any]:
        """Asks for a rollback without a question; returns the JSON that it printed."""
        return self.does("rollback", of, ENV, "--yes", *options, ends=ends)

    def does(self, *words: str, ends: Exit = Exit.DONE, on: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Runs lastgood, holds it to its exit code and returns its JSON."""
        done = self.world.lastgood(*words, "--json", check=ends, env=on)
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    def refuses(self, *words: str) -> dict[str, Any]:
        """Runs lastgood, which must refuse and change nothing anywhere; returns its JSON."""
        before = self.scene()
        said = self.does(*words, ends=Exit.REFUSED)
        assert self.scene() == before
        return said

    def scene(self) -> Scene:
        containers = [str(self.ids(service, host)) for service in (HOME_GO, HOME_WEB) for host in self._numbers()]
        return Scene(tuple(containers), self.world.branches(), tuple(self.checkout(host) for host in self._numbers()))

    def checkout(self, host: int = 0) -> str:
        """The server's checkout byte for byte: every file but git's own, and what git has checked out."""
        look = """find . -path ./.git -prune -o -type f -exec sha256sum {} + | sort -k 2
        cat .git/HEAD .git/refs/heads/*; git -c safe.directory=* status --porcelain
        git -c safe.directory=* stash list"""
        return self.world.hosts[host].exec("sh", "-c", look, cwd=CHECKOUT, user="root").stdout

    def at(self, host: int = 0) -> str:
        """The commit that a server's checkout is at; it must be clean and on main."""
        said = self.world.hosts[host].exec("git", "status", "--porcelain", "--branch", cwd=CHECKOUT).stdout
        assert said.startswith("## main")
        assert said.count("\n") == 1, said
        return self.head(host)

    def head(self, host: int = 0) -> str:
        return self.world.hosts[host].exec("git", "rev-parse", "HEAD", cwd=CHECKOUT).stdout.strip()

    def tip(self) -> str:
        """The commit that the remote's main is at."""
        return self.world.branches()["main"]

    def there(self, service: str = HOME_GO, host: int = 0) -> bytes:
        """The pin file's bytes in a server's checkout."""
        return self.world.hosts[host].read(f"{CHECKOUT}/{values(service)}").encode()

    def tag(self, release: str, service: str = HOME_GO) -> str:
        return self.world.tag(service, release)

    def ids(self, service: str = HOME_GO, host: int = 0) -> list[str]:
        return sorted(f"{one.container} {one.state}" for one in self.world.running(service, host))

    def runs(self, release: str, service: str = HOME_GO) -> bool:
        """Whether exactly one container runs on every server, of the release's digest."""
        wanted = [(self.world.digest(service, release), "running")]
        seen = [[(one.digest, one.state) for one in self.world.running(service, host)] for host in self._numbers()]
        return seen == [wanted] * len(self.world.hosts)

    def serves(self, release: str, service: str = HOME_GO) -> bool:
        """Whether customers are answered by the release on every server, and its digest runs there."""
        answers = {self.world.serving(service, host) for host in self._numbers()}
        return answers == {self.tag(release, service)} and self.runs(release, service)

    def settled(self, release: str, service: str = HOME_GO) -> bool:
        """Whether the release serves, the branch pins it, and every checkout is clean and at the branch."""
        pinned = self.world.pinned(service) == self.tag(release, service)
        at = {self.at(host) for host in self._numbers()}
        return self.serves(release, service) and pinned and at == {self.tip()}

    def contains(self, older: str, newer: str = "main") -> bool:
        """Whether a commit is in the history of another at the remote."""
        words = ["git", "-C", self.world.remote, "merge-base", "--is-ancestor", older, newer]
        return run(words, env=self.world.env, check=False).returncode == 0

    def since(self, commit: str) -> list[str]:
        """The subjects of what came to main since, newest first; what the run put into quarantine is not told."""
        subjects = self.world.log()
        found = [subject for _, subject in subjects[: [one for one, _ in subjects].index(commit)]]
        return [subject for subject in found if not subject.startswith("Quarantine ")]

    def changed(self, older: str, newer: str = "main") -> list[str]:
        """The paths that differ between two commits at the remote, the quarantine aside."""
        words = ["git", "-C", self.world.remote, "diff", "--name-only", older, newer]
        return [path for path in run(words, env=self.world.env).stdout.split() if path != QUARANTINE]

    def evidence(self, report: Mapping[str, Any]) -> dict[str, str]:
        """What a run kept: texts by the names of files."""
        return {path.name: path.read_text(errors="replace") for path in Path(report["evidence"]).iterdir()}

    def leases(self, host: int = 0) -> list[str]:
        """The leases that stand on a server."""
        found = self.world.hosts[host].exec("sh", "-c", f"ls {STATE}/leases 2>/dev/null || true").stdout
        return [name for name in found.split() if name.endswith(".json")]

    def holds(self, what: str = HOLD) -> None:
        """Lets the team's scripts that look for it stand still."""
        self.host.write(what, "")

    def lets_go(self, what: str = HOLD) -> None:
        self.host.exec("rm", "-f", what)

    def process(self, words: str) -> list[str]:
        """The command lines on the first server that hold these words."""
        return [line for line in self.host.processes() if words in line]

    def _numbers(self) -> range:
        return range(len(self.world.hosts))


@contextmanager
def home(hosts: int = 1, *, app: bool = False, compose: bool = False) -> Iterator[Home]:
    """A fleet of its own, nothing shipped yet."""
    with FleetWorld.up(hosts, engine="compose" if compose else "script", app=app) as world:
        yield Home(world)


class Session:
    """A lastgood process that runs beside the test."""

    def __init__(self, process: subprocess.Popen[str], state: str) -> None:
        self._process = process
        self._state = state
        self._said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr
        self._said.extend(iter(self._process.stderr.readline, ""))

    @property
    def said(self) -> str:
        """What it told of its progress so far."""
        return "".join(self._said)

    @property
    def run(self) -> str:
        """The id of its run."""
        return next(name for name, kind, _ in reversed(journal(self._state)) if kind == "run-started")

    def begun(self, step: str) -> str:
        """Waits until the journal has the intent of a step; returns the run's id."""
        return self._until("step-started", step)

    def did(self, step: str) -> str:
        """Waits until the journal has that a step was done; returns the run's id."""
        return self._until("step-done", step)

    def dies(self) -> None:
        """Is killed without a chance to say anything."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def end(self) -> dict[str, Any]:
        """Waits for its own end; returns its JSON, with the exit code as `exit`."""
        assert self._process.stdout
        said: dict[str, Any] = json.loads(self._process.stdout.read())
        assert self._process.wait(240) == said["exit"]
        return said

    def _until(self, kind: str, step: str) -> str:
        wait_until(lambda: self._over() or self._has(kind, step), f"{kind} {step}", within=180, every=0.01)
        assert self._has(kind, step), f"it ended without {kind} {step}: {self.said}"
        return self.run

    def _over(self) -> bool:
        return self._process.poll() is not None

    def _has(self, kind: str, step: str) -> bool:
        return noted(self._state, kind, step)


def journal(state: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Run, kind and event of every line below a laptop's state folder, oldest first."""
    path = Path(state) / "lastgood/journal.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
        rows = db.execute("SELECT run, kind, event FROM events ORDER BY at, run, seq").fetchall()
    return [(name, kind, json.loads(event)) for name, kind, event in rows]


@contextmanager
def begin(home: Home, *words: str) -> Iterator[Session]:
    """Starts lastgood on the laptop; whatever of it is left at the end of the block is killed."""
    laptop = home.world.laptop
    process = subprocess.Popen(
        [sys.executable, "-m", "lastgood", *words, "--json"],
        cwd=laptop.clone,
        env=laptop.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    session = Session(process, laptop.env["XDG_STATE_HOME"])
    try:
        yield session
    finally:
        if process.poll() is None:
            session.dies()


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
