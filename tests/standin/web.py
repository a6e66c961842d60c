"""What answers over HTTP: the registry, and the service by way of whatever container runs."""

import json
from dataclasses import dataclass, field

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.ports import Response
from tests.standin.engine import Built, Engine

HOST = "localhost:5000"
HEALTH = "http://shop.example/health"


@dataclass
class Registry:
    """What the registry has: images by name and digest, and where its tags point."""

    images: dict[tuple[str, str], Built] = field(default_factory=dict)
    tags: dict[tuple[str, str], str] = field(default_factory=dict)
    up: bool = True

    def push(self, built: Built, tag: str) -> None:
        self.images[built.repository, built.digest] = built
        self.tags[built.repository, tag] = built.digest

    def lose(self, built: Built) -> None:
        """The image is gone for good, with every tag."""
        del self.images[built.repository, built.digest]
        self.tags = {name: digest for name, digest in self.tags.items() if digest != built.digest}

    def serves(self, repository: str, reference: str) -> Built | None:
        found = self.tags.get((repository, reference), reference)
        return self.images.get((repository, found)) if self.up else None


class Http:
    """Implements `ports.Http`."""

    def __init__(self, engine: Engine, registry: Registry, project: str) -> None:
        self._engine = engine
        self._registry = registry
        self._project = project

    def ask(
        self,
        url: str,
        *,
        method: str = "GET",  # noqa: ARG002 - the port's signature; both answers have a body here
        headers: dict[str, str] | None = None,  # noqa: ARG002 - as above
        timeout: float = 5.0,  # noqa: ARG002 - as above
        body: bytes | None = None,  # noqa: ARG002 - as above
    ) -> Fact[Response]:
        if url == HEALTH:
            return self._service()
        if not self._registry.up:
            return Unknown("connection refused")
        name, _, reference = url.removeprefix(f"http://{HOST}/v2/").partition("/manifests/")
        built = self._registry.serves(f"{HOST}/{name}", reference)
        if built is None:
            return Known(Response(404, {}, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', 0.01))
        return Known(Response(200, {"docker-content-digest": built.digest}, b"", 0.01))

    def _service(self) -> Fact[Response]:
        """The last container that answers, as behind a proxy."""
        for box in self._engine.of(self._project, "api"):
            status = self._engine.life(box).answer
            if status is not None:
                body = json.dumps({"status": "ok" if status == 200 else "broken", "version": box.built.version})
                return Known(Response(status, {}, body.encode(), 0.01))
        return Unknown("connection refused")


class NoLogins:
    """Implements `ports.Credentials` where nobody has a login."""

    @staticmethod
    def basic(host: str) -> str | None:  # noqa: ARG004 - the port's signature
        return None
