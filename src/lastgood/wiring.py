"""Puts the parts together: which effects, which members, which folders."""

import getpass
import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from lastgood import catalog
from lastgood.config.load import Config, load
from lastgood.effects.browser import LocalBrowser
from lastgood.effects.clock import SystemClock
from lastgood.effects.files import LocalFiles
from lastgood.effects.hostfiles import HostFiles
from lastgood.effects.hosts import Processes
from lastgood.effects.http import PlainHttp
from lastgood.effects.memo import FolderMemo
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.effects.vantage import Vantage
from lastgood.git.origin import read_origin
from lastgood.git.repo import open_repo
from lastgood.model.command import Command
from lastgood.model.errors import JournalUnwritable, LastgoodError, UsageError
from lastgood.model.release import Image
from lastgood.model.remote import Remote
from lastgood.model.target import Adapter, Target
from lastgood.model.text import sanitise
from lastgood.ports import (
    Cache,
    Declared,
    Edge,
    Files,
    Forge,
    Http,
    Line,
    Outside,
    Process,
    Secrets,
    Stage,
    Telemetry,
    Tools,
)

if TYPE_CHECKING:
    from lastgood.git.revert import CodeRepo


@dataclass(frozen=True)
class Places:
    """Where lastgood keeps its own things on this machine (XDG Base Directory Specification)."""

    state: str
    cache: str

    @classmethod
    def of(cls, env: Mapping[str, str]) -> "Places":
        """From `XDG_STATE_HOME` and `XDG_CACHE_HOME`, or below the home folder."""
        home = _home(env)
        state = env.get("XDG_STATE_HOME") or f"{home}/.local/state"
        cache = env.get("XDG_CACHE_HOME") or f"{home}/.cache"
        return cls(f"{state}/lastgood", f"{cache}/lastgood")


def _home(env: Mapping[str, str]) -> str:
    """The home folder. A timer's environment may have none, and must come to the same journal as its user does."""
    import pwd

    try:
        home = env.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:  # a user without an entry, as in some containers
        home = "/"
    return home.rstrip("/")


class Workshop:
    """Makes what targets are worked on with. All of them share one way to each host, and one browser.

    `chromium` is the browser's program where one is configured.
    """

    def __init__(self, places: Places, env: Mapping[str, str], chromium: str = "") -> None:
        self._places = places
        self._env = env
        self._browser = LocalBrowser(env, chromium)
        self._processes = Processes()
        self._identities: dict[str, str] = {}

    @property
    def secrets(self) -> Secrets:
        """Resolves references to secrets, on this machine."""
        return LocalSecrets(self.process, self._env)

    @property
    def process(self) -> Process:
        """Runs commands, on every host."""
        return self._processes

    def tools(self, target: Target) -> Tools:
        """The target's members and the effects. Raises GitUnavailable where the deploy repo is none."""
        repo = open_repo(self.process, target.repo, target.branch, self._places.cache)
        http, references = PlainHttp(), self.secrets
        servers = Vantage(self._processes, target.hosts, self._docker_config())
        return Tools(
            process=self.process,
            http=http,
            registry_http=servers,
            files=self.files,
            clock=SystemClock(),
            credentials=servers,
            repo=repo,
            engine=catalog.engine(target.engine),
            pin=catalog.pin(target.pin),
            registry=catalog.registry(target.registry),
            probes=tuple(catalog.probe(probe) for probe in target.probes),
            flows=tuple(Declared(one.name, catalog.flow(one.adapter), one.tries) for one in target.flows),
            stage=partial(self._stage, target),
            forge=lambda: catalog.forge(target.forge, Line(http, references, repo.origin.url)),
            cache=self._cache(target, http),
            browser=self._browser,
            telemetry=partial(self._telemetry, target) if target.telemetry else None,
        )

    def _cache(self, target: Target, http: Http) -> Callable[[], Cache] | None:
        cdn = target.cdn
        if cdn is None:
            return None
        now = SystemClock().now()
        edge = Edge(http, self.secrets, now, process=self.process, folder=target.repo, page=cdn.pages[0])
        return lambda: catalog.cache(cdn.cache, edge)

    def _stage(self, target: Target, image: Image) -> Stage:
        """What the target's flows are tried with."""
        told = {"SERVICE": target.service, "ENV": target.env, "TAG": image.tag, "DIGEST": image.digest}
        names = {f"LASTGOOD_{name}": value for name, value in told.items()}
        return Stage(PlainHttp(), self.process, self.secrets, SystemClock(), image, target.repo, names, self._browser)

    def _telemetry(self, target: Target, seconds: float) -> dict[str, Telemetry]:
        from lastgood.outside.bounded import Bounded

        http = Bounded(PlainHttp(), time.monotonic() + seconds)
        outside = Outside(http, self.secrets, SystemClock().now())
        return {name: catalog.telemetry(adapter, outside) for name, adapter in target.telemetry}

    def identity(self, repo: str) -> str:
        """The address that a deploy repo in the folder `repo` is a clone of; the folder where that cannot be told."""
        if repo not in self._identities:
            try:
                self._identities[repo] = read_origin(self.process, repo).url or repo
            except LastgoodError:
                self._identities[repo] = repo
        return self._identities[repo]

    def machine(self) -> str:
        """What tells this machine's user from all others: made up once, and kept with the journal.

        Raises JournalUnwritable where it cannot be kept.
        """
        path, files = f"{self._places.state}/machine", LocalFiles()
        try:
            if not (kept := files.read(path)):
                files.create(path, secrets.token_hex(8).encode())
                kept = files.read(path)
        except OSError as error:
            said = f"The folder of the journal, {self._places.state}, cannot be used."
            because = sanitise(error.strerror or str(error))
            raise JournalUnwritable(
                said, because=(because,), next=(f"df -h {self._places.state}   # is there room?",)
            ) from error
        return (kept or b"").decode(errors="replace")

    def files(self, host: str) -> Files:
        """The files of a host."""
        return LocalFiles() if host == "local" else HostFiles(self._processes, host)

    def _docker_config(self) -> str:
        return self._env.get("DOCKER_CONFIG") or f"{self._env.get('HOME', '/')}/.docker"


def forge_of(remote: str, env: Mapping[str, str], configured: Adapter | None = None, deploy: str = "") -> Forge:
    """The forge of the repo at the address `remote`, which decides where nothing is configured.

    What is `configured`, for the deploy repo at the address `deploy`, goes for every repo on the same host.
    """
    here, there = Remote.parse(deploy), Remote.parse(remote)
    adapter = configured if remote == deploy or (here and there and here.host == there.host) else None
    if adapter and remote != deploy and "repo" in adapter.options.__struct_fields__:
        adapter = Adapter(adapter.kind, msgspec.structs.replace(adapter.options, repo=""))  # that names the deploy repo
    return catalog.forge(adapter, Line(PlainHttp(), LocalSecrets(LocalProcess(), env), remote))


def configured(text: bytes, name: str, places: Places, *, scripted: bool = False) -> Config:
    """A checked `lastgood.yaml`. `scripted` says that the repo holds SCRIPT. Raises ConfigError."""
    return load(text, name, FolderMemo(f"{places.cache}/config"), scripted=scripted)


def committed(repo: str, path: str) -> bytes | None:
    """A file of the deploy branch as last fetched, for a checkout of another branch; None where there is none."""
    for branch in ("refs/remotes/origin/HEAD", "refs/remotes/origin/main"):
        found = LocalProcess().run(Command(("git", "-C", repo, "show", f"{branch}:{path}")))
        if found.ok:
            return found.stdout
    return None


def code_repo(where: str, base: str, branch: str, places: Places) -> "CodeRepo":
    """A code repo: a folder (relative ones from `base`) or an address; `branch` "" is the remote's own.

    Raises UsageError, GitUnavailable, Refused.
    """
    from lastgood.git.sources import open_code

    return open_code(LocalProcess(), where, base, branch, places.cache)


def tracked(repo: str) -> tuple[str, ...]:
    """The paths that git holds in a deploy repo. Raises UsageError where it is no git repository."""
    found = LocalProcess().run(Command(("git", "-C", repo, "ls-files", "-z")))
    if not found.ok:
        raise UsageError(f"{repo} is no deploy repo.", because=(found.why(),), next=("lastgood init --repo PATH",))
    return tuple(path for path in found.stdout.decode(errors="surrogateescape").split("\0") if path)


def who() -> str:
    """The person or program that acts, as `user@host`."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
