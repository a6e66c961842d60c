"""The world with a CDN in front of the service, in memory: pages, their assets and health all come through it."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

import msgspec

from lastgood.effects.secrets import LocalSecrets
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.flow import FlowRun, failed, passed
from lastgood.model.target import Adapter, Cdn, FlowSpec, Target
from lastgood.ports import Browser, Declared, Http, Response, Stage, Tools
from tests.standin.cdn import Shelf
from tests.standin.services import Answer
from tests.standin.web import HEALTH
from tests.standin.world import Outside, World

SITE = HEALTH.removesuffix("/health")
PAGE = f"{SITE}/"


class NoOptions(msgspec.Struct, frozen=True):
    """A cache that needs none."""


@dataclass
class Behind(Outside):
    """What is outside, and the CDN. `refuses` is why it takes no purge, `deaf` that it accepts and forgets nothing.

    `nonce` makes the page another one at every look.
    """

    shelf: Shelf = field(default_factory=Shelf)
    refuses: str = ""
    deaf: bool = False
    nonce: bool = False
    looks: int = 0

    def release(self) -> str:
        """What the page comes from: the container that runs."""
        boxes = self.engine.of("shop", "api")
        return next((box.built.version for box in boxes if self.engine.life(box).state == "running"), "nothing")

    def page(self, path: str) -> Answer:
        """What runs answers to a path: a page that names a file of its own release, and one that all of them have."""
        version, self.looks = self.release(), self.looks + 1
        scripts = {"Content-Type": "text/javascript"}
        nonce = f"<!-- {self.looks} -->" if self.nonce else ""
        match path.partition("?")[0]:
            case "/":
                page = f'<script src="/app-{version}.js"></script><link rel=stylesheet href="/style.css">{nonce}'
                return Answer(200, page.encode(), {"Content-Type": "text/html"})
            case "/style.css":
                return Answer(200, f"/* {version} */".encode(), {"Content-Type": "text/css"})
            case name if name == f"/app-{version}.js":
                return Answer(200, b"go()", scripts)
            case _:
                return Answer(404, b"not found", {"Content-Type": "text/plain"})


class Front:
    """`ports.Http` by way of the CDN."""

    def __init__(self, inner: Http, outside: Behind) -> None:
        self._inner = inner
        self._outside = outside

    def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        timeout: float = 5.0,
        body: bytes | None = None,
    ) -> Fact[Response]:
        if not url.startswith(f"{SITE}/"):
            return self._inner.ask(url, method=method, headers=headers, timeout=timeout, body=body)
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        answer = self._outside.shelf.through(path, self._origin)
        return Known(Response(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.body, 0.01))

    def _origin(self, path: str) -> Answer:
        if not path.startswith("/health"):
            return self._outside.page(path)
        found = self._inner.ask(HEALTH)
        return Answer(found.value.status, found.value.body) if isinstance(found, Known) else Answer(502, b"")


class Purger:
    """`ports.Cache` of that CDN."""

    def __init__(self, world: "Fronted") -> None:
        self._world = world

    def shown(self) -> str:
        return "purge the shop"

    def check(self) -> Fact[str]:
        return Unknown(self._world.behind.refuses) if self._world.behind.refuses else Known("it would")

    def passed(self, headers: dict[str, str]) -> bool:  # noqa: ARG002 - the port's signature
        return True

    def purge(self) -> Fact[str]:
        outside = self._world.behind
        self._world.point("before the CDN forgets")
        if outside.refuses:
            return Unknown(outside.refuses)
        if not outside.deaf:
            outside.shelf.purge()
        self._world.point("after the CDN forgot")
        return Known("it forgot")


class Buys:
    """A user flow: the page has to be that of the release. `by_itself`: as a browser asks, past our HTTP."""

    def __init__(self, world: "Fronted", *, by_itself: bool, wanted: str) -> None:
        self._world = world
        self._by_itself = by_itself
        self._wanted = wanted

    def missing(self, browser: Browser | None) -> str:  # noqa: ARG002 - the port's signature
        return ""

    def run(self, stage: Stage) -> FlowRun:
        if self._by_itself:
            page = self._world.customers()
        else:
            found = stage.http.ask(PAGE)
            page = found.value.body.decode() if isinstance(found, Known) else ""
        good = f"/app-{self._wanted or stage.image.tag}.js" in page
        return passed(("look",)) if good else failed(("look",), f"it shows {page}", "another page")


class Fronted(World):
    """One target, `shop/prod`, behind a CDN."""

    flows: tuple[Declared, ...] = ()

    def _outside(self) -> Outside:
        return Behind()

    @property
    def behind(self) -> Behind:
        """What is outside by now."""
        assert isinstance(self.outside, Behind)
        return self.outside

    def _target(self, *, probed: bool) -> Target:
        cdn = Cdn(Adapter("command", NoOptions()), (PAGE,))
        return msgspec.structs.replace(super()._target(probed=probed), cdn=cdn)

    @contextmanager
    def tools(self) -> Iterator[Tools]:
        """A fresh process's tools."""
        with super().tools() as tools:
            cache = (lambda: Purger(self)) if self.target.cdn else None
            http = Front(tools.http, self.behind)
            stage = partial(Stage, http, tools.process, LocalSecrets(tools.process, {}), tools.clock)
            yield dataclasses.replace(
                tools, http=http, cache=cache, flows=self.flows, stage=lambda image: stage(image, self.target.repo, {})
            )

    def flow(self, *, by_itself: bool, wanted: str = "") -> None:
        """Declare a user flow, for the release that ought to answer unless another is wanted."""
        self.flows = (Declared("buy", Buys(self, by_itself=by_itself, wanted=wanted), 1),)
        spec = FlowSpec("buy", Adapter("http", NoOptions()), 1)
        self.target = msgspec.structs.replace(self.target, flows=(spec,))

    def customers(self, path: str = "/") -> str:
        """What customers get."""
        return self.behind.shelf.through(path, self.behind.page).body.decode()

    def visited(self) -> None:
        """Customers have been there: the CDN keeps all of what runs by now."""
        for path in ("/", "/style.css", f"/app-{self.behind.release()}.js"):
            self.customers(path)
