"""`kind: traefik`: how Traefik leads requests to a service at this moment.

Operations: Traefik's read-only API, `/api/version`, `/api/http/services/NAME`, `/api/http/routers`, seen on 3.7. It
calls servers without a health check `UP` although nothing listens there; that is unknown here. `X-Next-Page: 1` means
that there is no further page.
"""

from collections.abc import Iterator
from typing import Annotated, Final
from urllib.parse import quote

import msgspec

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.telemetry import Reading, Routed, Router, Routing, Server, Span
from lastgood.outside.talk import REFERENCE, URL, Talk, Trouble, check_login
from lastgood.ports import Outside

_MISSING: Final = 404
_PAGES: Final = 10
_MOST: Final = 8


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`service` is Traefik's own name of the service, with its provider. `user` makes the token a password."""

    url: Annotated[str, msgspec.Meta(pattern=URL)]
    token: Annotated[str, msgspec.Meta(pattern=REFERENCE)] = ""
    user: str = ""
    service: Annotated[str, msgspec.Meta(pattern=r"^[^@\s]+@[^@\s]+$")] = "{service}@docker"

    def __post_init__(self) -> None:
        """Refuse half a login. Raises ValueError."""
        check_login(self.user, self.token)


class _Url(msgspec.Struct):
    url: str = ""


class _Balancer(msgspec.Struct):
    servers: list[_Url] = []
    healthCheck: dict[str, object] | None = None  # noqa: N815 - Traefik's own name


class _Part(msgspec.Struct):
    name: str
    weight: int = 1


class _Weighted(msgspec.Struct):
    services: list[_Part] = []


class _Beside(msgspec.Struct):
    service: str = ""
    fallback: str = ""


class _Service(msgspec.Struct):
    status: str = ""
    loadBalancer: _Balancer | None = None  # noqa: N815 - as above
    weighted: _Weighted | None = None
    mirroring: _Beside | None = None
    failover: _Beside | None = None
    serverStatus: dict[str, str] = {}  # noqa: N815 - as above
    usedBy: list[str] = []  # noqa: N815 - as above
    error: list[str] = []


class _Router(msgspec.Struct):
    name: str
    service: str = ""
    rule: str = ""
    status: str = ""
    provider: str = ""
    error: list[str] = []


class _Version(msgspec.Struct):
    Version: str = ""


class Traefik:
    """One service of one Traefik."""

    def __init__(self, options: Options, outside: Outside) -> None:
        self._name = options.service
        self._talk = Talk(outside, options.url, options.token, user=options.user)

    def look(self, span: Span) -> Reading:  # noqa: ARG002 - it knows of no time but this moment
        """The service, those below it, and the routers that lead to it, as they are now."""
        raw: dict[str, bytes] = {}
        try:
            return Reading(routing=Known(self._routing(raw)), raw=raw)
        except Trouble as trouble:
            return Reading(routing=Unknown(str(trouble)), raw=raw)

    def check(self) -> Fact[str]:
        """Whether the API is there and knows the service and a router to it."""
        try:
            version = self._talk.read(self._talk.ask("GET", "/api/version"), _Version).Version
            found = self._routing({})
        except Trouble as trouble:
            return Unknown(str(trouble))
        if not found.services[0].there:
            return Unknown(f"there is no service {self._name}; is that its name and provider?")
        if not found.routers:
            return Unknown(f"no router leads to {self._name}")
        return Known(f"Traefik {self._talk.clean(version)}: {self._name} has {len(found.routers)} routers")

    def _routing(self, raw: dict[str, bytes]) -> Routing:
        first = self._service(self._name, raw)
        names = {self._name, *(first.usedBy if first else ())}
        routers = tuple(one for one in self._routers(raw) if one.name in names or one.service in names)
        below = [self._routed(name, self._service(name, raw)) for name, _ in _parts(first, self._name)[:_MOST]]
        return Routing(routers, (self._routed(self._name, first), *below))

    def _service(self, name: str, raw: dict[str, bytes]) -> _Service | None:
        """None where Traefik says that it knows none of that name; another 404 is not its API. Raises Trouble."""
        try:
            answer = self._talk.ask("GET", f"/api/http/services/{quote(name, safe='@')}")
        except Trouble as trouble:
            if trouble.status == _MISSING and trouble.said.startswith("service not found"):
                return None
            raise
        raw[f"service-{name.replace('@', '-')}.json"] = answer.body
        return self._talk.read(answer, _Service)

    def _routers(self, raw: dict[str, bytes]) -> Iterator[Router]:
        """Every router, page by page. Raises Trouble."""
        page = "1"
        for number in range(1, _PAGES + 1):
            answer = self._talk.ask("GET", f"/api/http/routers?per_page=100&page={page}")
            raw[f"routers-{number}.json"] = answer.body
            for one in self._talk.read(answer, list[_Router]):
                yield self._router(one)
            page = answer.headers.get("x-next-page", "1")
            if not page.isdecimal() or int(page) <= number:
                return
        raise Trouble(f"{self._talk.host} has more than {_PAGES * 100} routers")

    def _router(self, one: _Router) -> Router:
        service = _full(one.service, one.name)
        errors = tuple(self._talk.clean(each) for each in one.error)
        return Router(one.name, service, one.rule, one.status != "disabled", errors)

    def _routed(self, name: str, one: _Service | None) -> Routed:
        if one is None:
            return Routed(name, there=False)
        balancer = one.loadBalancer or _Balancer()
        servers = tuple(Server(server.url, _up(one, balancer, server.url)) for server in balancer.servers)
        errors = tuple(self._talk.clean(each) for each in one.error)
        return Routed(name, there=True, servers=servers, weights=tuple(_parts(one, name)), errors=errors)


def _up(one: _Service, balancer: _Balancer, url: str) -> Fact[bool]:
    """What a health check said of a server; without one Traefik's `UP` means nothing."""
    if balancer.healthCheck is None:
        return Unknown("Traefik has no health check of it")
    status = one.serverStatus.get(url)
    return Known(status == "UP") if status in {"UP", "DOWN"} else Unknown("Traefik does not tell")


def _parts(one: _Service | None, name: str) -> list[tuple[str, int]]:
    """The services below one, with the weights that they have; a mirror and a fallback get none of the requests."""
    if one is None:
        return []
    if one.weighted:
        return [(_full(part.name, name), part.weight) for part in one.weighted.services]
    first = one.mirroring or one.failover or _Beside()
    return [(_full(each, name), int(each == first.service)) for each in (first.service, first.fallback) if each]


def _full(name: str, near: str) -> str:
    """A name with its provider: one without is of the provider of what names it."""
    return name if "@" in name or not name else f"{name}@{near.rpartition('@')[2]}"


def make(options: Options, outside: Outside) -> Traefik:
    """The Traefik at this address."""
    return Traefik(options, outside)
