"""The world: a deploy repo with a real remote, a host, a registry, an operator's machine. It can be photographed.

A photograph is what `kill -9` would leave at that moment: every file as it is on disk, and what the host runs. It is
put back at the same place, so that plans and paths in it stay true.
"""

import copy
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import msgspec

from lastgood import catalog
from lastgood.database.desk import DatabaseDesk
from lastgood.effects.files import LocalFiles
from lastgood.git.repo import BareRepo
from lastgood.journal.live import Live
from lastgood.journal.store import Journal
from lastgood.model.duration import Duration
from lastgood.model.errors import UsageError
from lastgood.model.event import Entry, Event, Judged, Run, RunEnded
from lastgood.model.plan import NothingToDo, ReversiblePlan, auto_approve
from lastgood.model.release import Image
from lastgood.model.target import Adapter, GateSpec, Group, Push, Target, WalkBack
from lastgood.plan import report, single
from lastgood.ports import Tools
from lastgood.record.keeper import RedactingKeeper
from lastgood.run import executor
from lastgood.run.desk import Desk
from lastgood.run.planning import Said, Wish, drafted, look, plan
from lastgood.run.steps import sight
from tests.standin.clock import NANO, Clock
from tests.standin.disk import copied, listing
from tests.standin.docker import Docker, Faults
from tests.standin.engine import DATABASE, Built, Engine
from tests.standin.fate import GOOD, Fate
from tests.standin.web import HEALTH, HOST, Http, NoLogins, Registry

REPOSITORY = f"{HOST}/shop"
FOLDER = "envs/prod/apps/shop"
PIN = f"{FOLDER}/values.yaml"
COMPOSE = f"{FOLDER}/compose.yaml"
_COMPOSE = """\
services:
  api:
    image: ${IMAGE_REPOSITORY}:${IMAGE_TAG}
    environment: {LEVEL: "${LEVEL}"}
  db:
    image: postgres:16
"""
_BEGIN = 1_790_000_000


def values(tag: str, *, level: str = "info", digest: str = "") -> bytes:
    """A pin file with a setting of its own."""
    lines = [f"level: {level}", "image:", f"  repository: {REPOSITORY}", f'  tag: "{tag}"']
    return "\n".join([*lines, *([f"  digest: {digest}"] if digest else []), ""]).encode()


def _no_database(service: str) -> DatabaseDesk:
    raise UsageError(f"lastgood.yaml names no database of {service}.")


class Journalled(Journal):
    """The real journal; `point` is told before and after every line."""

    def __init__(self, path: str, point: Callable[[str], None]) -> None:
        super().__init__(path)
        self._point = point

    def append(self, run: str, event: Event, at: int) -> Entry:
        name = f"{type(event).__name__} {getattr(event, 'step', '')}".strip()
        self._point(f"before {name}")
        entry = super().append(run, event, at)
        self._point(f"after {name}")
        return entry


@dataclass
class Outside:
    """Everything that is no file: time, what the host runs, what the registry has, what will go wrong."""

    clock: Clock = field(default_factory=lambda: Clock(_BEGIN * NANO))
    engine: Engine = field(init=False)
    registry: Registry = field(default_factory=Registry)
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        self.engine = Engine(self.clock)


@dataclass(frozen=True)
class Photo:
    """A moment of the world: `name` says which."""

    name: str
    folder: Path
    outside: Outside

    def without_orphans(self) -> "Photo":
        """The same moment, with the clients that were at work dead as well."""
        outside = copy.deepcopy(self.outside)
        outside.engine.pending.clear()
        return Photo(f"{self.name}, its client dead too", self.folder, outside)


class World:
    """One target, `shop/prod`."""

    def __init__(  # noqa: PLR0913 - what a team may configure
        self,
        folder: Path,
        *,
        push: Push = Push.BEST_EFFORT,
        gate: GateSpec | None = None,
        walk: float = 600,
        untracked: tuple[str, ...] = (),
        probed: bool = True,
    ) -> None:
        self.root = folder / "world"
        self._photos = folder / "photos"
        self.outside = self._outside()
        self.at_point: Callable[[str], None] = lambda _: None
        self._lock = threading.RLock()
        self._taken = 0
        self._journals: list[Journal] = []
        self._dockers: list[Docker] = []
        self.target = msgspec.structs.replace(
            self._target(probed=probed),
            push=push,
            gate=gate or GateSpec(window=Duration(2)),
            walk_back=WalkBack(time=Duration(walk)),
            untracked=untracked,
        )
        self._make()

    def _outside(self) -> Outside:
        return Outside()

    def _target(self, *, probed: bool) -> Target:
        def adapter(family: catalog.Family, kind: str, **options: object) -> Adapter:
            return Adapter(kind, catalog.options(family, kind)(**options))

        return Target(
            service="shop", env="prod", repo=str(self.root / "laptop"), branch="main", hosts=("local",),
            state=str(self.root / "host"), push=Push.BEST_EFFORT, engine=adapter("engines", "compose"),
            pin=adapter("pins", "values"), pin_file=PIN, registry=adapter("registries", "oci"),
            probes=(adapter("probes", "http", url=HEALTH, json={"version": "{tag}"}),) if probed else (),
            gate=GateSpec(), walk_back=WalkBack(), checkout=str(self.root / "laptop"),
        )  # fmt: skip

    def _make(self) -> None:
        (self.root / "home").mkdir(parents=True)
        (self.root / "home/.gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.org\n")
        self.git("init", "-q", "--bare", "--template=", "--initial-branch=main", "remote.git", at="")
        self.git("init", "-q", "--template=", "--initial-branch=main", "laptop", at="")
        self.git("remote", "add", "origin", str(self.root / "remote.git"))
        self.commit({COMPOSE: _COMPOSE.encode(), "README": b"the shop\n"}, "begin")
        engine = self.outside.engine
        engine.hold(DATABASE, "16")
        engine.create(("shop", "db", "shop-db-1"), "postgres:16", {}, "").begun = engine.clock.at

    def git(self, *words: str, at: str = "laptop") -> str:
        """Git as people use it."""
        env = {
            "PATH": os.environ["PATH"], "HOME": str(self.root / "home"), "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_COMMITTER_DATE": f"{self.outside.clock.at // NANO} +0000",
        }  # fmt: skip
        done = subprocess.run(["git", *words], cwd=self.root / at, env=env, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def commit(self, files: dict[str, bytes | None], message: str) -> str:
        """A colleague changes files and pushes; the commit."""
        for path, content in files.items():
            place = self.root / "laptop" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True) if content is None else place.write_bytes(content)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        self.git("push", "-q", "origin", "HEAD:main")
        self.outside.clock.sleep(3600)
        return self.git("rev-parse", "HEAD")

    def build(self, version: str, fate: Fate = GOOD, *, host: bool = True, registry: bool = True) -> Built:
        """An image that has its version as its tag, and where it can be had."""
        built = Built(REPOSITORY, version, fate)
        if host:
            self.outside.engine.hold(built, version, by_digest=registry)
        if registry:
            self.outside.registry.push(built, version)
        return built

    def ship(self, version: str, fate: Fate = GOOD, *, host: bool = True, registry: bool = True) -> Built:
        """Build an image, pin it, and have the team's deploy script run it where the host has it."""
        built = self.build(version, fate, host=host, registry=registry)
        self.commit({PIN: values(version)}, f"release {version}")
        if host:
            self.deploy(version)
        return built

    def deploy(self, version: str, number: int = 1) -> None:
        """What a plain `docker compose up` leaves: a container without any mark."""
        engine = self.outside.engine
        name = f"shop-api-{number}"
        engine.boxes.pop(name, None)
        engine.create(("shop", "api", name), f"{REPOSITORY}:{version}", {}, "").begun = engine.clock.at
        self.outside.clock.sleep(60)

    @contextmanager
    def tools(self) -> Iterator[Tools]:
        """A fresh process's tools."""
        outside, target = self.outside, self.target
        docker = Docker(outside.engine, outside.registry, outside.faults, self.root / "home", self.point)
        try:
            http = Http(outside.engine, outside.registry, target.service)
            yield Tools(
                process=docker,
                http=http,
                registry_http=http,
                files=lambda _: LocalFiles(),
                clock=outside.clock,
                credentials=NoLogins(),
                repo=BareRepo(docker, target.repo, target.branch, str(self.root / "cache")),
                engine=catalog.engine(target.engine),
                pin=catalog.pin(target.pin),
                registry=catalog.registry(target.registry),
                probes=tuple(catalog.probe(one) for one in target.probes),
            )
        finally:
            docker.close()

    @contextmanager
    def desk(self) -> Iterator[Desk]:
        """A new process that acts on the target."""
        own = str(self.root / "own")
        with self.tools() as tools, Journalled(f"{own}/journal.db", self.point) as journal:
            yield Desk(
                group=self.group,
                tools={self.target.service: tools},
                journal=journal,
                live=Live(own),
                keeper=lambda run: RedactingKeeper(f"{own}/evidence/{run}"),
                holder="ada@laptop pid 7",
                machine="laptop",
                tell=lambda _: None,
                progress=lambda _: None,
                database=_no_database,
            )

    @property
    def group(self) -> Group:
        """The target by itself."""
        return Group.of(self.target)

    def _said(self, desk: Desk) -> Said:
        return {self.target.service: desk.journal.judgements(self.target.name)}

    def plan(self, wish: Wish | None = None) -> ReversiblePlan | NothingToDo:
        """What would be done."""
        with self.desk() as desk:
            return plan(self.group, desk.tools, self._said(desk), wish or Wish())[0]

    def rollback(
        self,
        wish: Wish | None = None,
        *,
        take_over: bool = False,
        meanwhile: Callable[[], object] = lambda: None,
        noted: str = "",
    ) -> RunEnded:
        """Plan, approve and carry out; `meanwhile` happens after the plan was made, `noted` is for the record."""
        with self.desk() as desk:
            made, observed = plan(self.group, desk.tools, self._said(desk), wish or Wish())
            assert isinstance(made, ReversiblePlan), made
            meanwhile()
            return self._start(desk, made, report.failing(observed[0]), take_over=take_over, noted=noted)

    def check(self) -> RunEnded:
        """Judge what runs now."""
        return self._single(single.check)

    def restart(self) -> RunEnded:
        """The same release again."""
        return self._single(single.restart)

    def _single(self, make: single.Make) -> RunEnded:
        with self.desk() as desk:
            seen = look(self.group, desk.tools, {self.target.service: ()}, 12)
            made = make(self.group, [drafted(one, desk.tools, Wish()) for one in seen])
            return self._start(desk, made, report.failing(seen[0].observed), take_over=False)

    def _start(self, desk: Desk, made: ReversiblePlan, signature: str, *, take_over: bool, noted: str = "") -> RunEnded:
        approved = auto_approve(made, "ada", "test")
        looked = partial(sight, desk, made)
        return executor.start(approved, desk, facts=looked, signature=signature, take_over=take_over, noted=noted)

    def resume(self, *, aborting: bool = False) -> RunEnded:
        """A new process takes up the newest run."""
        with self.desk() as desk:
            run = desk.journal.last_run_for(self.target.name)
            assert run
            return executor.resume(run, desk, "ada", aborting=aborting, take_over=False)

    def run(self) -> Run | None:
        """The newest run, as the journal has it."""
        with Journal(str(self.root / "own/journal.db")) as journal:
            return journal.last_run_for(self.target.name)

    def entries(self) -> tuple[Entry, ...]:
        """The lines of the newest run."""
        with Journal(str(self.root / "own/journal.db")) as journal:
            found = journal.latest(self.target.name)
            return journal.entries(found) if found else ()

    def judged(self) -> dict[str, str]:
        """By tag, what the newest run's verdicts say."""
        return {e.event.image.tag: str(e.event.grade) for e in self.entries() if isinstance(e.event, Judged)}

    def point(self, name: str) -> None:
        """A moment at which this process could be killed."""
        with self._lock:
            self.at_point(name)

    def photograph(self, name: str) -> Photo:
        """Keep this moment."""
        self._taken += 1
        folder = self._photos / str(self._taken)
        copied(self.root, folder)
        return Photo(name, folder, copy.deepcopy(self.outside))

    def restore(self, photo: Photo) -> None:
        """Go back to that moment."""
        shutil.rmtree(self.root)
        copied(photo.folder, self.root)
        self.outside = copy.deepcopy(photo.outside)
        self.at_point = lambda _: None

    def photographed(self, act: Callable[[], object]) -> list[Photo]:
        """Do something; one photo of each moment at which it could have been killed.

        Moments that look alike to the last byte are one: `after A` and `before B` where nothing happened in between.
        """
        photos: list[Photo] = []
        seen: list[tuple[object, ...]] = []

        def take(name: str) -> None:
            looks = (listing(self.root), copy.deepcopy(self.outside))
            if seen[-1:] == [looks]:
                photos[-1] = replace(photos[-1], name=f"{photos[-1].name}, {name}")
            else:
                photos.append(self.photograph(name))
                seen.append(looks)

        self.at_point = take
        try:
            act()
        finally:
            self.at_point = lambda _: None
        return photos

    def remote_goes_away(self) -> None:
        (self.root / "remote.git").rename(self.root / "remote.away")

    def remote_comes_back(self) -> None:
        (self.root / "remote.away").rename(self.root / "remote.git")

    def versions(self) -> list[str]:
        """What the service's containers run, in words; those that do not run say so."""
        engine = self.outside.engine
        seen = ((box.built.version, engine.life(box).state) for box in engine.of("shop", "api"))
        return [version if state == "running" else f"{version} {state}" for version, state in seen]

    def commits(self, run: str) -> int:
        """How many commits of the run the remote's branch has."""
        bodies = self.git("log", "--format=%(trailers:key=Lastgood-Run,valueonly)", "main", at="remote.git")
        return bodies.split().count(run)

    def pinned(self) -> str:
        """The tag that the remote's branch pins."""
        content = self.git("show", f"main:{PIN}", at="remote.git").encode()
        return catalog.pin(self.target.pin).read(content).tag

    def lease(self) -> bool:
        """Whether somebody holds the target's lease."""
        return (self.root / "host/leases/shop@prod.json").exists()

    def image(self, version: str) -> Image:
        """The release as a run names it."""
        built = Built(REPOSITORY, version, GOOD)
        return Image(REPOSITORY, version, built.digest)
