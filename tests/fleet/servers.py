"""Servers on their worst day: how scenarios over SSH speak of what is done, and of what the world then is."""

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lastgood.model.errors import Exit
from sandbox.fleet import HOME_GO, FleetWorld
from sandbox.hosts import STATE, Host
from sandbox.laptop import Laptop
from sandbox.run import run, wait_until

ENV = "prod"
TARGET = f"{HOME_GO}/{ENV}"
ROLLBACK = ("rollback", HOME_GO, ENV, "--yes")
LEASE = f"{STATE}/leases/{HOME_GO}@{ENV}.json"
AUDIT = f"{STATE}/audit/{HOME_GO}@{ENV}.log"
_CONTAINER = "{{.Name}} {{.Id}} {{.Image}} {{.State.StartedAt}} {{.State.Status}}"
# A program on one server that stands still, after its call has arrived and before it acts, while there is a file.
_SHIM = """\
#!/bin/sh
case " $* " in *" {word} "*) : > /run/stall/reached; while [ -e /run/stall/hold ]; do sleep 0.05; done;; esac
exec /run/stall/real "$@"
"""
_STALL = """\
set -e
real=$(readlink -f "$(command -v "$0")")
mkdir -p -m 1777 /run/stall
: > /run/stall/hold
: > /run/stall/real
mount --bind "$real" /run/stall/real
cat > /run/stall/shim
chmod 755 /run/stall/shim
mount --bind /run/stall/shim "$real"
"""
_UNSTALL = 'rm -f /run/stall/hold; umount --lazy "$(readlink -f "$(command -v "$0")")"'


@dataclass(frozen=True)
class Scene:
    """Everything that a command which touches nothing must leave as it is."""

    containers: tuple[tuple[str, ...], ...]
    states: tuple[str, ...]
    commits: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Servers:
    """A fleet with one service in production, and the person who is on call for it."""

    world: FleetWorld

    @property
    def hosts(self) -> tuple[Host, ...]:
        return self.world.hosts

    def in_trouble(self, *good: str, bad: str = "http-500") -> "Servers":
        """Good releases in history, a bad one in production on every server."""
        for release in good or ("good-1",):
            self.world.ship(HOME_GO, release, deploy=False)
        self.world.ship(HOME_GO, bad)
        return self

    def rollback(self, *options: str, ends: Exit, laptop: Laptop | None = None) -> str:
        """Asks for a rollback without a question; returns all it said."""
        return self.does(*ROLLBACK, *options, ends=ends, laptop=laptop)

    def does(self, *words: str, ends: Exit = Exit.DONE, laptop: Laptop | None = None) -> str:
        """Runs lastgood and holds it to its exit code; returns all it said."""
        done = self.world.lastgood(*words, check=ends, laptop=laptop)
        return done.stdout + done.stderr

    def tells(self, *words: str, ends: Exit = Exit.DONE, laptop: Laptop | None = None) -> dict[str, Any]:
        """The value that lastgood prints for programs."""
        said: dict[str, Any] = json.loads(self.world.lastgood(*words, "--json", check=ends, laptop=laptop).stdout)
        return said

    def configure(self, **settings: str) -> None:
        """Sets keys of the environment for everybody."""
        text = self.world.show("lastgood.yaml")
        added = "".join(f"    {key}: {value}\n" for key, value in settings.items())
        self.rewrite(text.replace("\nservices:\n", f"{added}\nservices:\n", 1))

    def rewrite(self, text: str) -> None:
        """Puts another lastgood.yaml in place, for everybody."""
        assert text != self.world.show("lastgood.yaml")
        self.world.commit({"lastgood.yaml": text}, "lastgood.yaml: something else")
        run(["git", "pull", "-q", "--ff-only"], cwd=self.world.laptop.clone, env=self.world.laptop.env)

    def tag(self, release: str) -> str:
        return self.world.tag(HOME_GO, release)

    def runs(self, host: int) -> list[tuple[str, str]]:
        """Digest and state of the service's containers on a server."""
        return [(one.digest, one.state) for one in self.world.running(HOME_GO, host)]

    def on(self, host: int) -> str:
        """The one release that a server runs, by name."""
        (found,) = self.runs(host)
        names = ("good-1", "good-2", "good-3", "http-500", "http-500-b", "crash-loop")
        return next(name for name in names if (self.world.digest(HOME_GO, name), "running") == found)

    def everywhere(self, release: str) -> bool:
        """Whether each server runs the release alone, answers with it, and git pins it."""
        tag, digest = self.tag(release), self.world.digest(HOME_GO, release)
        for host in range(len(self.hosts)):
            assert self.runs(host) == [(digest, "running")], f"server {host}"
            assert self.world.serving(HOME_GO, host) == tag, f"server {host}"
        return self.world.pinned(HOME_GO) == tag

    def ids(self, host: int) -> list[str]:
        """The service's containers on a server: they stay the same where nothing was switched."""
        return sorted(one.container for one in self.world.running(HOME_GO, host))

    def leases(self) -> list[str]:
        """The lease files that lie on servers."""
        return [path for host in self.hosts for path in files(host, "leases")]

    def untouched(self) -> Scene:
        """What production, the servers' state and the deploy repo are now."""
        looks = [host.docker("inspect", "--format", _CONTAINER, *self._all(host)) for host in self.hosts]
        states = [host.exec("find", STATE, "!", "-type", "d", user="root").stdout for host in self.hosts]
        return Scene(tuple(tuple(sorted(look.splitlines())) for look in looks), tuple(states), tuple(self.world.log()))

    @staticmethod
    def _all(host: Host) -> list[str]:
        return host.docker("ps", "--all", "--quiet", "--no-trunc").split()


def files(host: Host, folder: str) -> list[str]:
    """The files in a folder of lastgood's on a server."""
    return host.exec("sh", "-c", 'find "$0" -type f 2>/dev/null; :', f"{STATE}/{folder}").stdout.split()


def run_lines(host: Host) -> list[dict[str, Any]]:
    """The lines of every run that lie on a server, as any program reads them."""
    found = sorted(host.outside(f"{STATE}/runs").glob("*.jsonl"))
    lines = [line for path in found for line in path.read_text().split("\n")[:-1]]  # the last may just be written
    return [json.loads(line) for line in lines if line]  # a blank line ends what may have been cut off


def begun(host: Host, step: str) -> bool:
    """Whether a server knows that the step was begun."""
    return any(line["kind"] == "step-started" and line["event"]["step"] == step for line in run_lines(host))


def ended(host: Host) -> list[int]:
    """The exit codes with which runs ended, as a server knows them."""
    return [line["event"]["exit"] for line in run_lines(host) if line["kind"] == "run-ended"]


def step(name: str, host: Host | None = None) -> str:
    """The id of a step of the first attempt."""
    return f"1.{name}.{host.address}:2222" if host else f"1.{name}"


@contextmanager
def stalled(host: Host, word: str, program: str = "docker") -> Iterator[None]:
    """Calls of the program on the server that have this word among their arguments stand still inside the block."""
    host.exec("sh", "-c", _STALL, program, user="root", stdin=_SHIM.format(word=shlex.quote(word).strip("'")))
    try:
        yield
    finally:
        host.exec("sh", "-c", _UNSTALL, program, user="root")


@contextmanager
def answers_changed(host: Host, change: str) -> Iterator[None]:
    """What the docker client prints on the server goes through sed inside the block."""
    shim = f'#!/bin/sh\n/run/stall/real "$@" | sed {shlex.quote(change)}\n'
    host.exec("sh", "-c", _STALL, "docker", user="root", stdin=shim)
    try:
        yield
    finally:
        host.exec("sh", "-c", _UNSTALL, "docker", user="root")


def stands_still(host: Host) -> bool:
    """Whether a call that is to stand still has arrived."""
    return host.outside("/run/stall/reached").exists()


def release_stall(host: Host) -> None:
    """Lets what stands still go on."""
    host.exec("rm", "-f", "/run/stall/hold", user="root")


class Session:
    """A lastgood process that runs beside the test."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def reaches(self, host: Host, name: str) -> None:
        """Waits until a server knows that the step was begun."""
        self.until(lambda: begun(host, name), f"{name} is begun")

    def stands_still_on(self, host: Host) -> None:
        self.until(lambda: stands_still(host), f"a call stands still on {host.name}")

    def until(self, holds: Any, what: str) -> None:
        wait_until(lambda: holds() or self._process.poll() is not None, what, within=180, every=0.02)
        assert holds(), f"it ended before: {what}: {self.ends()}"

    def dies(self) -> None:
        """Is killed without a chance to say anything."""
        self._process.kill()
        self._process.communicate()

    def sleeps(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def wakes(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def sleeping(self) -> Iterator[None]:
        """It stands still while the block begins what it would else outrun."""
        self.sleeps()
        try:
            yield
        finally:
            self.wakes()

    def ends(self) -> tuple[int, str]:
        """Waits for its own end: its exit code, and all it said."""
        out, err = self._process.communicate(timeout=240)
        return self._process.returncode, out + err

    @property
    def over(self) -> bool:
        return self._process.poll() is not None


@contextmanager
def begin(laptop: Laptop, *words: str) -> Iterator[Session]:
    """Starts lastgood as an operator would; whatever of it is left at the end of the block is killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lastgood", *words],
        cwd=laptop.clone,
        env=laptop.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield Session(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def run_id(servers: Servers) -> str:
    """The id of the newest run that a server knows."""
    return str(run_lines(servers.hosts[0])[-1]["run"])


def named(said: str, hosts: Sequence[Host]) -> bool:
    """Whether all these servers are named."""
    return all(host.address in said for host in hosts)
