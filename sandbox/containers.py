"""What the engine says about the containers of a service."""

import json
from dataclasses import dataclass
from typing import Any

from sandbox.run import docker


@dataclass(frozen=True)
class Running:
    """One container of a service, running or not."""

    container: str
    image_id: str
    digest: str
    """The digest its image has in the world's registry; empty when the engine does not know one."""
    state: str
    health: str
    """Docker's health, or an empty string where the image has no check."""
    restarts: int


@dataclass(frozen=True)
class Member:
    """One Compose service of a project."""

    project: str
    service: str
    engine: str = ""
    """The engine as DOCKER_HOST names it; empty for this machine's own."""

    def ids(self) -> list[str]:
        """Returns the ids of its containers, also of stopped ones."""
        wanted = (
            f"label=com.docker.compose.project={self.project}",
            f"label=com.docker.compose.service={self.service}",
        )
        found = self._docker("ps", "--all", "--quiet", "--no-trunc", "--filter", wanted[0], "--filter", wanted[1])
        return found.split()

    def running(self, repository: str) -> list[Running]:
        """Inspects its containers; `repository` says which of an image's digests is meant."""
        ids = self.ids()
        if not ids:
            return []
        found: list[dict[str, Any]] = json.loads(self._docker("inspect", *ids, check=False) or "[]")
        return [self._running(one, repository) for one in found]

    def stop(self) -> None:
        """Stops its containers."""
        self._docker("stop", "--time", "2", *self.ids())

    def start(self) -> None:
        """Starts its containers again."""
        self._docker("start", *self.ids())

    def _docker(self, *args: str, check: bool = True) -> str:
        return docker(*(("--host", self.engine) if self.engine else ()), *args, check=check)

    def _running(self, inspected: dict[str, Any], repository: str) -> Running:
        state = inspected["State"]
        return Running(
            container=inspected["Id"],
            image_id=inspected["Image"],
            digest=self._digest(inspected["Image"], repository),
            state=state["Status"],
            health=state.get("Health", {}).get("Status", ""),
            restarts=inspected["RestartCount"],
        )

    def _digest(self, image: str, repository: str) -> str:
        known = self._docker("image", "inspect", "--format", "{{json .RepoDigests}}", image, check=False)
        names: list[str] = json.loads(known or "[]") or []
        return next((name.split("@")[1] for name in names if name.startswith(f"{repository}@")), "")
