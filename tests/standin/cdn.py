"""CDNs: a caching reverse proxy with the purge API that each has, and their documented traps.

What was fetched once is given for ever, until it is purged, whatever runs behind. A query makes another entry unless
the CDN ignores queries, and nobody heeds `Cache-Control: no-cache` of a client.
"""

import fnmatch
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Final
from urllib.parse import urlsplit

from tests.standin.services import Answer, Asked, Service

Origin = Callable[[str], Answer]
"""Gives what runs behind the CDN answers to a path with its query."""
ZONE: Final = "023e105f4ecef8ad9ca31a8372d0c353"
SERVICE: Final = "SU1Z0isxPaozGVKXdv0eY"
_API: Final = "/client/v4"


@dataclass
class Shelf:
    """What a cache keeps, by path and query. `soft` are entries that it gives once more before it fetches anew."""

    ignores_query: bool = False
    silent: bool = False
    entries: dict[str, Answer] = field(default_factory=dict)
    soft: set[str] = field(default_factory=set)
    purged: int = 0

    def through(self, path: str, origin: Origin) -> Answer:
        """An answer out of the cache; with `silent` it does not say so."""
        key = path.partition("?")[0] if self.ignores_query else path
        found, hit = self.entries.get(key), key in self.entries
        if found is None or key in self.soft:
            self.soft.discard(key)
            self.entries[key] = fresh = origin(path)
            found = found or fresh
        marks = {} if self.silent else {"X-Cache": "HIT" if hit else "MISS", "Age": "7" if hit else "0"}
        return Answer(found.status, found.body, found.headers | marks)

    def purge(self, matches: Callable[[str, Answer], bool] = lambda *_: True, *, soft: bool = False) -> None:
        """Forget what matches, by path and answer."""
        self.purged += 1
        gone = {key for key, kept in self.entries.items() if matches(key, kept)}
        if soft:
            self.soft |= gone
            return
        self.entries = {key: kept for key, kept in self.entries.items() if key not in gone}


class Cdn(Service):
    """A CDN in front of `origin`. `trouble` is the API's alone: customers are always answered.

    `refuses` makes it turn every purge down; `deaf` makes it accept each and forget nothing.
    """

    def __init__(self, origin: Origin) -> None:
        super().__init__()
        self.origin = origin
        self.shelf = Shelf()
        self.refuses = False
        self.deaf = False
        self.token = self.TOKEN
        self.troubled = self.is_api

    marks: ClassVar[dict[str, str]] = {}
    """Headers that it puts into all it gives."""

    @property
    def options(self) -> dict[str, object]:
        """What `cdn` of lastgood.yaml says of it, but its kind."""
        raise NotImplementedError

    def is_api(self, asked: Asked) -> bool:
        """Whether that is asked of the API, and not by a customer."""
        raise NotImplementedError

    def purges(self, asked: Asked) -> Answer:
        """The API's answer."""
        raise NotImplementedError

    def gives(self, path: str) -> bytes:
        """What customers get at a path."""
        return self.shelf.through(path, self.origin).body

    def answer(self, asked: Asked) -> Answer:
        """Customers get what is kept; the API is for those who know its address."""
        if self.is_api(asked):
            return self.purges(asked)
        found = self.shelf.through(asked.url, self.origin)
        return Answer(found.status, found.body, found.headers | self.marks)

    def forgets(self, matches: Callable[[str, Answer], bool] = lambda *_: True, *, soft: bool = False) -> None:
        """Carries a purge out."""
        if not self.deaf:
            self.shelf.purge(matches, soft=soft)


class Cloudflare(Cdn):
    """Says by `success` what became of a purge; `polite` refuses with 200. The bucket of the Free plan holds 25."""

    kind: Final = "cloudflare"
    marks: ClassVar[dict[str, str]] = {"CF-Ray": "7fd1c2b3a4e5-FRA"}

    def __init__(self, origin: Origin) -> None:
        super().__init__(origin)
        self.polite = False
        self.bucket = 25
        self.state = "active"

    @property
    def options(self) -> dict[str, object]:
        return {"zone": ZONE, "token": "env:CDN_TOKEN", "url": f"{self.url}{_API}"}

    def is_api(self, asked: Asked) -> bool:
        return asked.path.startswith(_API)

    def purges(self, asked: Asked) -> Answer:
        path = asked.path.removeprefix(_API)
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            return self._no(401 if path == "/user/tokens/verify" else 403, 10000, "Authentication error")
        if path == "/user/tokens/verify":
            return Answer(200, {"success": True, "errors": [], "result": {"id": "ed17", "status": self.state}})
        if self.refuses:
            return self._no(403, 10000, f"Authentication error for {self.token}")
        if (path, asked.method) != (f"/zones/{ZONE}/purge_cache", "POST"):
            return self._no(404, 7003, f"Could not route to {path}")
        if not self.bucket:
            return self._no(429, 10429, "Unable to purge, rate limit reached")
        self.bucket -= 1
        return self._purged(asked.json)

    def _purged(self, given: dict[str, object]) -> Answer:
        match given:
            case {"purge_everything": True}:
                self.forgets()
            case {"hosts": list(hosts)}:
                self.forgets(lambda *_: "127.0.0.1" in hosts)
            case {"prefixes": list(prefixes)} if not any("://" in str(one) for one in prefixes):
                self.forgets(lambda key, _: any(f"127.0.0.1{key}".startswith(str(one)) for one in prefixes))
            case {"tags": list(tags)}:
                self.forgets(lambda _, kept: bool(set(tags) & set(kept.headers.get("Cache-Tag", "").split(","))))
            case {"files": list(files)} if all(urlsplit(str(one)).hostname == "127.0.0.1" for one in files):
                self.forgets(lambda key, _: any(urlsplit(str(one)).path == key for one in files))
            case _:
                return self._no(400, 1012, "Request must contain one of purge_everything, files, tags, hosts, prefixes")
        return Answer(200, {"success": True, "errors": [], "messages": [], "result": {"id": ZONE}})

    def _no(self, status: int, code: int, message: str) -> Answer:
        body = {"success": False, "errors": [{"code": code, "message": message}], "messages": [], "result": None}
        return Answer(200 if self.polite else status, body)


class Fastly(Cdn):
    """Knows tokens with scopes. A soft purge only marks what is kept; purge-all is never soft."""

    kind: Final = "fastly"

    def __init__(self, origin: Origin) -> None:
        super().__init__(origin)
        self.scope = "purge_all purge_select global:read"
        self.services: list[str] = []

    @property
    def options(self) -> dict[str, object]:
        return {"service": SERVICE, "token": "env:CDN_TOKEN", "url": self.url}

    def is_api(self, asked: Asked) -> bool:
        return "fastly-key" in asked.headers or fnmatch.fnmatch(asked.path, "/service/*/purge*")

    def purges(self, asked: Asked) -> Answer:
        if asked.headers.get("fastly-key") != self.token:
            return Answer(401, {"msg": "Provided credentials are missing or invalid"})
        if asked.path == "/tokens/self":
            return Answer(200, {"id": "tok", "scope": self.scope, "services": self.services, "expires_at": None})
        if self.refuses:
            return Answer(403, {"msg": f"You are not authorized, {self.token}"})
        if not asked.path.startswith(f"/service/{SERVICE}"):
            return Answer(404, {"msg": "Record not found", "detail": "Couldn't find Service"})
        return self._purged(asked) if asked.method == "POST" else Answer(200, {"id": SERVICE, "name": "shop"})

    def _purged(self, asked: Asked) -> Answer:
        if asked.path.endswith("/purge_all"):
            self.forgets()
            return Answer(200, {"status": "ok"})
        keys = asked.json["surrogate_keys"]
        soft = "fastly-soft-purge" in asked.headers
        self.forgets(lambda _, kept: bool(set(keys) & set(kept.headers.get("Surrogate-Key", "").split())), soft=soft)
        return Answer(200, {key: secrets.token_hex(8) for key in keys})


class Varnish(Cdn):
    """What a team purges by a program of its own: `PURGE /`, with a key."""

    kind: Final = "command"
    PROGRAM: Final = (
        "import os, sys, urllib.request as u\n"
        "k = os.environ['CDN_KEY']\n"
        "try: u.urlopen(u.Request(sys.argv[1], method='PURGE', headers={'X-Key': k}), timeout=60)\n"
        "except OSError as e: sys.exit(str(e) + ' with ' + k)\n"
    )

    @property
    def options(self) -> dict[str, object]:
        run = ["python3", "-c", self.PROGRAM, f"{self.url}/"]
        return {"run": run, "secrets": {"CDN_KEY": "env:CDN_TOKEN"}, "timeout": "60s"}

    def is_api(self, asked: Asked) -> bool:
        return asked.method == "PURGE"

    def purges(self, asked: Asked) -> Answer:
        if self.refuses or asked.headers.get("x-key") != self.token:
            return Answer(403, b"")
        self.forgets()
        return Answer(200)
