"""A fleet: servers reached over SSH, their deploy repository, a registry, and laptops to operate them from."""

import http.client
import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sandbox import compose, front, images, leftovers, paths, prepare, setting, stock, template
from sandbox.containers import Member, Running
from sandbox.fleet_setting import HEALTH, HOME_GO, HOME_WEB, PORTS, ROUTES, Engine, Layout
from sandbox.hosts import CHECKOUT, Host, Site
from sandbox.laptop import Laptop
from sandbox.network import Subnet
from sandbox.registry import Registry, copy_storage, free_port
from sandbox.releases import API, WEB, release
from sandbox.repo import Repo
from sandbox.run import SandboxError, fetch, run, wait_until
from sandbox.world import OK, Shipped, taken

SAME_AS = {HOME_GO: API, HOME_WEB: WEB}  # their releases are the shop's by another name
MEMBERS = {HOME_GO: "api", HOME_WEB: "web"}


class FleetWorld:
    """A fleet that is up; take it down with `down`, or use it as a context manager.

    Attributes:
        name: The world's name.
        root: Its folder.
        registry: Its registry, at the same address on this machine and on every server.
        hosts: Its servers.
        laptop: The first operator's laptop.
        front: The URL of the proxy in front of the servers; empty where there is none.
    """

    hosts: tuple[Host, ...]
    laptop: Laptop

    def __init__(self, name: str, root: Path, port: int, front: str) -> None:
        self.name = name
        self.root = root
        self.registry = Registry(f"{leftovers.NETWORK}{name}-registry", port)
        self.front = front
        # Colleagues and CI may push to main even where it is protected.
        self.env = setting.environment(root / "ci") | {"MAY_PUSH_TO_MAIN": "1"}
        self._repo = Repo(root / "git", self.env)
        self._laptops = 0

    @classmethod
    def up(  # noqa: PLR0913 - each is a choice of its own
        cls,
        hosts: int = 1,
        *,
        engine: Engine = "script",
        app: bool = False,
        front: bool = False,
        name: str | None = None,
        keep: bool = False,
    ) -> Self:
        """Brings a fleet up, with nothing shipped yet.

        Args:
            hosts: How many servers.
            engine: How lastgood.yaml says that services are switched.
            app: Whether lastgood.yaml declares the app `axinova-home` of both services.
            front: Whether a proxy stands in front of the servers, where lastgood.yaml then has its probes look;
                without it, every server is probed.
            name: The world's name; one is made up where none is given.
            keep: Lets the fleet outlive this process.
        """
        prepare.ensure()
        prepare.ensure_servers()
        leftovers.sweep()
        name = name or f"f{os.getpid():x}{time.monotonic_ns() // 1000 % 0xFFFFFF:06x}"
        for tries_left in (2, 1, 0):
            layout = Layout(hosts, engine, app, f"http://127.0.0.1:{free_port()}" if front else "")
            try:
                return cls._built(name, layout, keep=keep)
            except SandboxError as error:
                if not taken(error) or not tries_left:
                    raise
        raise AssertionError  # the last try returns or raises

    @classmethod
    def _built(cls, name: str, layout: Layout, *, keep: bool) -> Self:
        root = paths.WORLDS / name
        leftovers.claim(root, keep=keep)
        world = cls(name, root, free_port(), layout.front)
        try:
            world._begin(layout)
        except BaseException:
            world.down()
            raise
        return world

    def down(self) -> None:
        """Removes all of it; doing so twice is fine."""
        leftovers.remove(self.name, self.root, self.registry.host)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error and os.environ.get("SANDBOX_KEEP") == "1":
            leftovers.keep(self.root)
            print(f"sandbox: fleet {self.name} kept at {self.root}")
        else:
            self.down()

    @property
    def remote(self) -> Path:
        """The bare Git repository that everybody pushes to."""
        return self._repo.remote

    def another_laptop(self) -> Laptop:
        """Sets up one more laptop: another home and another clone, the same key."""
        self._laptops += 1
        folder = self.root / f"laptop-{self._laptops}"
        return Laptop.create(folder, self.remote, self.root / "id_ed25519", self.hosts)

    def tag(self, service: str, name: str) -> str:
        """Returns the tag of a release."""
        return release(SAME_AS[service], name).tag

    def digest(self, service: str, name: str) -> str:
        """Returns the digest of a release as it was built, whatever happened in the registry since."""
        return template.digest(SAME_AS[service], self.tag(service, name))

    def repository(self, service: str) -> str:
        """Returns the repository that a service's images are in."""
        return f"{self.registry.host}/{service}"

    def url(self, service: str, host: int = 0) -> str:
        """Returns the URL at which a server answers for a service's health."""
        return f"http://{self.hosts[host].address}:{PORTS[service]}{HEALTH[service]}"

    def database(self, host: int = 0) -> Member:
        """Returns the database of axinova-home-go on a server, which can be stopped and started."""
        return Member(HOME_GO, "db", self.hosts[host].engine)

    def ship(
        self, service: str, name: str, *, deploy: bool = True, wait: bool = True, hosts: Sequence[int] | None = None
    ) -> Shipped:
        """Releases as the team's CI does: commits the tag, and deploys on every server (or on those of `hosts`).

        With `wait`, returns once a good release answers on each, or once a bad one's container exists on each.
        """
        wanted = release(SAME_AS[service], name)
        commit = self._repo.pin(service, self.repository(service), wanted.tag)
        shipped = Shipped(service, name, wanted.tag, self.digest(service, name), commit)
        if deploy:
            self.deploy(service, hosts)
        if deploy and wait:
            for host in self._numbers(hosts):
                self._arrive(shipped, host, answers=wanted.answers)
        return shipped

    def deploy(self, service: str, hosts: Sequence[int] | None = None) -> None:
        """Deploys what the remote's main says, as CI does on every server (or on those of `hosts`); no login counts."""
        order = 'git pull -q --ff-only && exec scripts/compose/deploy-service.sh prod "$0"'
        with ThreadPoolExecutor() as pool:
            jobs = [
                pool.submit(self.hosts[host].exec, "sh", "-c", order, service, cwd=CHECKOUT)
                for host in self._numbers(hosts)
            ]
        for job in jobs:
            job.result()

    def commit(self, files: Mapping[str, str | None], message: str, branch: str = "main") -> str:
        """Writes (or with None removes) files as a colleague would, pushes, and returns the commit."""
        return self._repo.commit(files, message, branch)

    def pinned(self, service: str) -> str:
        """Returns the tag that is pinned at the remote's main."""
        return self._repo.pinned(service)

    def log(self) -> list[tuple[str, str]]:
        """Returns commit and subject of everything on the remote's main, newest first."""
        return self._repo.log()

    def show(self, path: str, rev: str = "main") -> str:
        """Returns a file's text at the remote."""
        return self._repo.show(path, rev)

    def branches(self) -> dict[str, str]:
        """Returns the remote's branches and the commits they are at."""
        return self._repo.branches()

    def break_remote(self) -> None:
        """Makes the Git remote unreachable, from laptops and servers."""
        self._repo.break_remote()

    def mend_remote(self) -> None:
        """Makes the Git remote reachable again."""
        self._repo.mend_remote()

    def protect_main(self) -> None:
        """Lets the remote refuse operators' pushes to main, in the words of GitHub; other branches are accepted."""
        self._repo.protect_main()

    def merge(self, branch: str, *, squash: bool = False) -> str:
        """Merges a branch into the remote's main as a reviewer would, and returns the new commit."""
        return self._repo.merge(branch, squash=squash)

    def dirty_checkout(self, host: int = 0) -> None:
        """Leaves an uncommitted change in a server's checkout, as somebody did by hand at night."""
        self.hosts[host].exec("sh", "-c", 'echo "# tried by hand" >> README.md', cwd=CHECKOUT)

    def forget_image(self, service: str, name: str, host: int = 0) -> None:
        """Removes a release's image from a server's engine, so that it must be pulled to run."""
        for reference in (f":{self.tag(service, name)}", f"@{self.digest(service, name)}"):
            self.hosts[host].docker("image", "rm", "--force", self.repository(service) + reference, check=False)

    def answer(self, service: str, host: int = 0, timeout: float = 5) -> tuple[int | None, str]:
        """Returns status and body of what a server answers for a service; None when nobody answers."""
        try:
            got = fetch("GET", self.url(service, host), timeout=timeout)
        except (OSError, http.client.HTTPException):
            return None, ""
        return got.status, got.body.decode(errors="replace")

    def serving(self, service: str, host: int = 0, timeout: float = 5) -> str | None:
        """Returns the version that a server answers with, or None when it is none that works."""
        code, body = self.answer(service, host, timeout)
        return str(json.loads(body)["version"]) if code == OK else None

    def running(self, service: str, host: int = 0) -> list[Running]:
        """Inspects the containers of a service's image on a server; this needs no login."""
        return Member(service, MEMBERS[service], self.hosts[host].engine).running(self.repository(service))

    def lastgood(self, *args: str, laptop: Laptop | None = None, **more: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401 - as Laptop.lastgood has them
        """Runs lastgood on a laptop, the first where none is named; see `Laptop.lastgood`."""
        return (laptop or self.laptop).lastgood(*args, **more)

    def _numbers(self, hosts: Sequence[int] | None) -> Sequence[int]:
        return range(len(self.hosts)) if hosts is None else hosts

    def _arrive(self, shipped: Shipped, host: int, *, answers: bool) -> None:
        service, what = shipped.service, f"{shipped.service} {shipped.release} on {self.hosts[host].name}"
        if answers:
            wait_until(lambda: self.serving(service, host) == shipped.tag, f"{what} answers")
        else:
            wait_until(lambda: shipped.digest in {one.digest for one in self.running(service, host)}, f"{what} exists")

    def _begin(self, layout: Layout) -> None:
        (self.root / "registry.host").write_text(self.registry.host)
        for name in ("git", "hosts"):
            (self.root / name).mkdir()
        subnet = Subnet.claim(self.root / "hosts")
        addresses = [subnet.address(number) for number in range(layout.hosts)]
        site = self._site()
        with ThreadPoolExecutor() as pool:
            parts = pool.submit(self._start_parts, addresses)
            servers = [pool.submit(Host.up, site, subnet, number) for number in range(layout.hosts)]
            words, config = {"DATABASE": images.DATABASE.image}, layout.config(addresses)
            repo = pool.submit(self._repo.create, "axinova", words, config, ())
        repo.result()
        self.hosts = tuple(one.result() for one in servers)
        with ThreadPoolExecutor() as pool:
            list(pool.map(_check_out, self.hosts))
        self.laptop = self.another_laptop()
        parts.result()

    def _site(self) -> Site:
        key = self.root / "id_ed25519"
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "operator", "-f", key])
        return Site(
            folder=self.root / "hosts",
            git=self.remote.parent,
            registry=self.registry.port,
            compose=compose.ensure() / "docker-compose",
            key=key.with_suffix(".pub").read_text(),
            stock=stock.ensure(),
        )

    def _start_parts(self, addresses: Sequence[str]) -> None:
        labels = ("--label", f"{leftovers.WORLD}={self.name}", "--label", f"{paths.LABEL}=1")
        options = (*labels, "--network", leftovers.create_network(self.name, self.root))
        self._start_registry(options)
        if self.front:
            routes = {path: [f"http://{one}:{PORTS[service]}" for one in addresses] for path, service in ROUTES.items()}
            name, port = f"{leftovers.NETWORK}{self.name}-front", int(self.front.rpartition(":")[2])
            front.start(name, port, self.root / "front", routes, options)

    def _start_registry(self, options: Sequence[str]) -> None:
        storage = self.root / "registry"
        copy_storage(template.folder(), storage)
        repositories = storage / "docker/registry/v2/repositories"
        for service, same in SAME_AS.items():
            (repositories / same).rename(repositories / service)
        Registry.run(self.registry.name, self.registry.port, storage, *options)


def _check_out(host: Host) -> None:
    host.exec("git", "clone", "-q", "/srv/git/remote.git", CHECKOUT)
