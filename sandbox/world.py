"""A world: registry, proxy, Git remote and everything shipped into them, apart from all other worlds."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox import images, leftovers, paths, prepare, setting, template
from sandbox.containers import Member, Running
from sandbox.registry import Registry, copy_storage, free_port
from sandbox.releases import API, WEB, release
from sandbox.repo import Repo
from sandbox.run import SandboxError, docker, fetch, run, status, wait_until

MEMBERS = {API: "api", WEB: "web"}
HEALTH = {API: "/api/health", WEB: "/version.json"}
OK = 200
# Somebody took the port between our look and our use of it: another container, or any other program.
TAKEN = ("port is already allocated", "address already in use")


def taken(error: SandboxError) -> bool:
    """Whether something could not be set up because a port of it was taken."""
    return any(words in str(error) for words in TAKEN)


@dataclass(frozen=True)
class Shipped:
    """What one call of `ship` put into production."""

    service: str
    release: str
    tag: str
    digest: str
    commit: str


class World:
    """A world that is up; take it down with `down`, or use it as a context manager.

    Attributes:
        name: The world's name, part of the names of everything in it.
        root: Its folder.
        registry: Its registry, which can be stopped, started and tampered with.
        env: The environment that lastgood, Git and Docker run in.
        url: Where customers reach production.
    """

    def __init__(self, name: str, root: Path, ports: tuple[int, int]) -> None:
        self.name = name
        self.root = root
        self.registry = Registry(f"{self._prefix}-registry", ports[0])
        self.url = f"http://127.0.0.1:{ports[1]}"
        self.env = setting.environment(root)
        self._repo = Repo(root, self.env)

    @classmethod
    def up(cls, name: str | None = None, *, web: bool = False, replicas: int = 1, keep: bool = False) -> Self:
        """Brings a world up, with nothing shipped yet; `keep` lets it outlive this process."""
        prepare.ensure()
        leftovers.sweep()
        name = name or f"w{os.getpid():x}{time.monotonic_ns() // 1000 % 0xFFFFFF:06x}"
        for tries_left in (2, 1, 0):
            try:
                return cls._built(name, web=web, replicas=replicas, keep=keep)
            except SandboxError as error:
                if not taken(error) or not tries_left:
                    raise
        raise AssertionError  # the last try returns or raises

    @classmethod
    def _built(cls, name: str, *, web: bool, replicas: int, keep: bool) -> Self:
        root = paths.WORLDS / name
        leftovers.claim(root, keep=keep)
        world = cls(name, root, (free_port(), free_port()))
        try:
            world._begin(web=web, replicas=replicas)
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
            print(f"sandbox: world {self.name} kept at {self.root}")
        else:
            self.down()

    @property
    def remote(self) -> Path:
        """The bare Git repository that everybody pushes to."""
        return self._repo.remote

    @property
    def laptop(self) -> Path:
        """The operator's clone, where lastgood runs."""
        return self._repo.laptop

    @property
    def checkout(self) -> Path:
        """The server's clone, which deployments run from."""
        return self._repo.checkout

    @property
    def database(self) -> Member:
        """The shop's database, which can be stopped and started."""
        return Member(self.project(API), "db")

    def tag(self, service: str, name: str) -> str:
        """Returns the tag of a release."""
        return release(service, name).tag

    def digest(self, service: str, name: str) -> str:
        """Returns the digest of a release as it was built, whatever happened in the registry since."""
        return template.digest(service, self.tag(service, name))

    def repository(self, service: str) -> str:
        """Returns the repository that a service's images are in."""
        return f"{self.registry.host}/{service}"

    def project(self, service: str) -> str:
        """Returns the name of a service's Compose project."""
        return f"{service}-{self.name}"

    def ship(self, service: str, name: str, *, deploy: bool = True, wait: bool = True) -> Shipped:
        """Releases as the team's CI does: commits the tag, and deploys on the server.

        With `wait`, returns once a good release answers customers, or once a bad one's container exists.
        With `deploy=False`, only commits.
        """
        wanted = release(service, name)
        shipped = Shipped(
            service,
            name,
            wanted.tag,
            self.digest(service, name),
            self._repo.pin(service, self.repository(service), wanted.tag),
        )
        if deploy:
            self.deploy(service)
        if deploy and wait and wanted.answers:
            self.wait_serving(service, wanted.tag)
        elif deploy and wait:
            arrived = lambda: shipped.digest in {one.digest for one in self.running(service)}  # noqa: E731
            wait_until(arrived, f"a container of {service} {name} exists")
        return shipped

    def deploy(self, service: str) -> None:
        """Deploys what the remote's main says, as the server does."""
        self._repo.pull()
        run(["scripts/compose/deploy-service.sh", "prod", service], cwd=self.checkout, env=self.env)

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

    def break_remote(self) -> None:
        """Makes the Git remote unreachable."""
        self._repo.break_remote()

    def mend_remote(self) -> None:
        """Makes the Git remote reachable again."""
        self._repo.mend_remote()

    def forget_image(self, service: str, name: str) -> None:
        """Removes a release's image from the engine, so that it must be pulled to run."""
        repository = self.repository(service)
        for reference in (f":{self.tag(service, name)}", f"@{self.digest(service, name)}"):
            docker("image", "rm", "--force", repository + reference, check=False)

    def answer(self, service: str, timeout: float = 5) -> tuple[int | None, str]:
        """Returns status and body of what customers get from a service now; None when nobody answers."""
        try:
            got = fetch("GET", self.url + HEALTH[service], timeout=timeout)
        except (OSError, http.client.HTTPException):
            return None, ""
        return got.status, got.body.decode(errors="replace")

    def serving(self, service: str, timeout: float = 5) -> str | None:
        """Returns the version that answers customers now, or None when it is none that works."""
        code, body = self.answer(service, timeout)
        return str(json.loads(body)["version"]) if code == OK else None

    def wait_serving(self, service: str, tag: str, within: float = 90) -> None:
        """Waits until customers are answered by a version."""
        wait_until(lambda: self.serving(service) == tag, f"{service} serves {tag}", within)

    def running(self, service: str) -> list[Running]:
        """Inspects the containers of a service's pinned image."""
        return Member(self.project(service), MEMBERS[service]).running(self.repository(service))

    def lastgood(
        self,
        *args: str,
        check: int | None = None,
        input: str | None = None,  # noqa: A002 - named as subprocess does
        timeout: float = 240,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs lastgood on the operator's laptop; raises AssertionError when the exit code is not `check`."""
        done = run(
            [sys.executable, "-m", "lastgood", *args],
            check=False,
            cwd=self.laptop,
            env={**self.env, **(env or {})},
            stdin=input,
            timeout=timeout,
        )
        if check is not None and done.returncode != check:
            said = f"{done.stdout}\n{done.stderr}"
            raise AssertionError(f"lastgood {' '.join(args)} ended with {done.returncode}, not {check}:\n{said}")
        return done

    @property
    def _prefix(self) -> str:
        return f"{leftovers.NETWORK}{self.name}"

    def _begin(self, *, web: bool, replicas: int) -> None:
        (self.root / "registry.host").write_text(self.registry.host)
        labels = ["--label", f"{leftovers.WORLD}={self.name}", "--label", f"{paths.LABEL}=1"]
        options = (*labels, "--network", leftovers.create_network(self.name, self.root))
        with ThreadPoolExecutor() as pool:
            jobs = (
                pool.submit(self._start_registry, options),
                pool.submit(self._start_proxy, options),
                pool.submit(self._create_repo, web=web, replicas=replicas),
            )
        for job in jobs:
            job.result()

    @property
    def _port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def _start_registry(self, options: tuple[str, ...]) -> None:
        copy_storage(template.folder(), self.root / "registry")
        Registry.run(self.registry.name, self.registry.port, self.root / "registry", *options)

    def _start_proxy(self, options: tuple[str, ...]) -> None:
        setting.start_proxy(f"{self._prefix}-proxy", self.name, self._port, images.TRAEFIK_PART.image, options)
        wait_until(lambda: status(self.url) is not None, "the proxy answers")

    def _create_repo(self, *, web: bool, replicas: int) -> None:
        words = {
            "WORLD": self.name,
            "NETWORK": self._prefix,
            "LABEL": paths.LABEL,
            "DATABASE": images.DATABASE.image,
            "REPLICAS": str(replicas),
        }
        config = setting.config(self.name, self.root, self.url, (API, WEB) if web else (API,))
        self._repo.create("shop", words, config, (self.laptop, self.checkout))
