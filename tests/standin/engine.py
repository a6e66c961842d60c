"""A container engine in memory: images, containers, and what became of them by now."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tests.standin.clock import NANO, Clock
from tests.standin.fate import RETRIES, START_PERIOD, Fate, Life, life

SECOND = NANO


def digest(text: str) -> str:
    """A digest that only this text has."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Built:
    """An image as it was built: `version` is what it answers about itself."""

    repository: str
    version: str
    fate: Fate

    @property
    def id(self) -> str:
        return digest(f"id {self.repository} {self.version}")

    def failing(self) -> "Built":
        """The same image, in a world in which it answers 500."""
        return replace(self, fate=Fate(status=500))

    @property
    def digest(self) -> str:
        return digest(f"manifest {self.repository} {self.version}")


@dataclass
class Held:
    """An image on the host, with the names it has there."""

    built: Built
    tags: set[str] = field(default_factory=set)
    digests: set[str] = field(default_factory=set)


@dataclass
class Box:
    """A container. `begun` is in Unix nanoseconds, None where it was created and never started."""

    name: str
    project: str
    service: str
    ref: str
    built: Built
    labels: dict[str, str]
    wanted: str
    begun: int | None


@dataclass
class Engine:
    """The host's engine. `boxes` by name, `held` by image id; `pending` are effects whose client died."""

    clock: Clock
    held: dict[str, Held] = field(default_factory=dict)
    boxes: dict[str, Box] = field(default_factory=dict)
    pending: list[tuple[str, ...]] = field(default_factory=list)

    def hold(self, built: Built, *tags: str, by_digest: bool = True) -> None:
        """Have the image here; a tag it takes leaves every other image."""
        for other in self.held.values():
            if other.built.repository == built.repository:
                other.tags -= set(tags)
        here = self.held.setdefault(built.id, Held(built))
        here.tags |= set(tags)
        here.digests |= {built.digest} if by_digest else set()

    def find(self, ref: str) -> Built | None:
        """The image a reference means here."""
        if ref in self.held:
            return self.held[ref].built
        name, _, by_digest = ref.partition("@")
        for here in self.held.values():
            if by_digest and here.built.repository == name and by_digest in here.digests:
                return here.built
            if not by_digest and any(f"{here.built.repository}:{tag}" == ref for tag in here.tags):
                return here.built
        return None

    def create(self, where: tuple[str, str, str], ref: str, labels: dict[str, str], wanted: str) -> Box:
        """A new container, not started; `where` is its project, its service and its name."""
        project, service, name = where
        built = self.find(ref)
        assert built is not None
        box = Box(name, project, service, ref, built, labels, wanted, None)
        self.boxes[box.name] = box
        return box

    def life(self, box: Box) -> Life:
        """How the container fares now."""
        if box.begun is None:
            return Life("created", "", 0, None)
        return life(box.built.fate, (self.clock.at - box.begun) / NANO)

    def of(self, project: str, service: str = "") -> list[Box]:
        """A project's containers by name."""
        found = (box for box in self.boxes.values() if box.project == project and service in ("", box.service))
        return sorted(found, key=lambda box: box.name)

    @staticmethod
    def id(box: Box) -> str:
        """The id that the engine gives a container."""
        return hashlib.sha256(f"{box.name} {box.begun}".encode()).hexdigest()

    def inspected(self, box: Box) -> dict[str, Any]:
        """What the questions of lastgood are answered with."""
        now = self.life(box)
        log = [{"Output": "the check fails" if now.health == "unhealthy" else "ok"}]
        health = {"Health": {"Status": now.health, "Log": log}} if box.built.fate.checked else {}
        code = box.built.fate.exit_code if now.state == "exited" else 0
        check = {"Test": ["CMD", "check"], "Interval": SECOND, "Timeout": SECOND, "Retries": RETRIES}
        return {
            "name": f"/{box.name}",
            "ref": box.ref,
            "image_id": box.built.id,
            "restarts": now.restarts,
            "restart_policy": "always" if box.built.fate.loops else "no",
            "state": {"Status": now.state, "ExitCode": code, "StartedAt": _moment(box.begun), **health},
            "healthcheck": {**check, "StartPeriod": START_PERIOD * SECOND} if box.built.fate.checked else None,
            "service": box.service,
            "run": box.labels.get("dev.lastgood.run", ""),
            "image": box.labels.get("dev.lastgood.image", ""),
        }

    def listed(self, repository: str) -> list[str]:
        """The rows of `docker image ls --digests`: one for each pair of a tag and a digest."""
        rows = [
            {"Repository": repository, "Tag": tag, "Digest": one, "ID": image_id}
            for image_id, here in self.held.items()
            if here.built.repository == repository
            for tag in sorted(here.tags) or ["<none>"]
            for one in sorted(here.digests) or ["<none>"]
        ]
        return [json.dumps(row) for row in rows]


def _moment(at: int | None) -> str:
    """As the engine writes it, to the nanosecond."""
    if at is None:
        return "0001-01-01T00:00:00Z"
    return f"{datetime.fromtimestamp(at // NANO, UTC):%Y-%m-%dT%H:%M:%S}.{at % NANO:09}Z"


DATABASE = Built("postgres", "16", Fate(checked=False))
