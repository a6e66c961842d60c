"""`kind: cloudflare`: a zone's cache, purged by Cloudflare's API.

Facts from developers.cloudflare.com: "Purge Cached Content" of the API reference (`POST /zones/{zone_id}/purge_cache`
with one of `purge_everything`, `hosts`, `prefixes`, `tags`, `files`), "Purge cache" (every plan has all of them, up to
100 in one request; the Free plan has 5 requests a minute, by a bucket of 25, and 429 beyond), "Purge cache by prefix"
(without a scheme) and "Verify Token". An answer says by `success` whether it was done, and by `errors` why not; the
status alone does not: a refusal may be a 200.
"""

import re
from typing import Annotated, Final
from urllib.parse import urljoin, urlsplit

import msgspec

from lastgood.model.command import Command
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.text import sanitise
from lastgood.outside.talk import REFERENCE, URL, Talk, Trouble
from lastgood.ports import Edge

_TIMEOUT: Final = 5.0
_MOST: Final = 100
_REFUSED: Final = (400, 401, 403)
_HOST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_PREFIX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*/[^\s?#]*")
_NOBODY: Final = "/.well-known/lastgood-purges-nothing"
"""A path that nobody is given anything at: purging it shows that a purge is allowed, and changes nothing."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is purged of the zone: everything, or one of `hosts`, `prefixes` and `tags`. `token` is a reference."""

    zone: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")]
    token: Annotated[str, msgspec.Meta(pattern=REFERENCE, min_length=1)]
    hosts: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    url: Annotated[str, msgspec.Meta(pattern=URL)] = "https://api.cloudflare.com/client/v4"

    def __post_init__(self) -> None:
        """Refuse what Cloudflare would refuse in the middle of a rollback. Raises ValueError."""
        given = [one for one in (self.hosts, self.prefixes, self.tags) if one]
        if len(given) > 1:
            raise ValueError("hosts, prefixes and tags do not go together: a purge is by one of them")
        if any(len(one) > _MOST for one in given):
            raise ValueError(f"a purge takes at most {_MOST} of them")
        if not all(_HOST.fullmatch(one) for one in self.hosts):
            raise ValueError("a host is a name alone: www.example.com")
        if not all(_PREFIX.fullmatch(one) for one in self.prefixes):
            raise ValueError("a prefix is host and path, without https:// and query: www.example.com/assets/")


class _Fault(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Answer(msgspec.Struct):
    success: bool
    errors: list[_Fault] | None = None


class Cloudflare:
    """One zone."""

    def __init__(self, options: Options, edge: Edge) -> None:
        self._options = options
        self._edge = edge
        self._talk = Talk(edge, options.url, options.token, timeout=_TIMEOUT)

    def shown(self) -> str:
        """The request by curl, without the token."""
        login, content = "Authorization: Bearer ***", msgspec.json.encode(self._wanted()).decode()
        return Command(("curl", "-H", login, "--json", content, f"{self._options.url}{self._path}")).shown()

    def purge(self) -> Fact[str]:
        """Purge what the options name; Cloudflare's "Instant Purge" takes effect everywhere within moments."""
        refused = self._asked(self._wanted())
        return Unknown(refused) if refused else Known(f"{self._talk.host} purged {self._what()}")

    def check(self) -> Fact[str]:
        """Purge an address of the page's host that nobody has: token, permission and zone have to fit for that."""
        nobody = urljoin(self._edge.page, _NOBODY)
        refused = self._asked({"files": [nobody]})
        if refused:
            return Unknown(refused)
        return Known(f"the token may purge {urlsplit(nobody).hostname} in zone {self._options.zone[:8]}…")

    def passed(self, headers: dict[str, str]) -> bool:
        """Every answer of Cloudflare has a `CF-Ray` ("Cloudflare HTTP headers"), which nothing can take out."""
        return "cf-ray" in headers

    @property
    def _path(self) -> str:
        return f"/zones/{self._options.zone}/purge_cache"

    def _wanted(self) -> dict[str, object]:
        given = {"hosts": self._options.hosts, "prefixes": self._options.prefixes, "tags": self._options.tags}
        return {name: what for name, what in given.items() if what} or {"purge_everything": True}

    def _what(self) -> str:
        names = (*self._options.hosts, *self._options.prefixes, *self._options.tags)
        return ", ".join(names) or f"everything in zone {self._options.zone[:8]}…"

    def _asked(self, content: dict[str, object]) -> str:
        """Why a purge was not accepted; empty where it was."""
        try:
            answer = self._talk.ask("POST", self._path, content)
            said = self._talk.read(answer, _Answer)
        except Trouble as trouble:
            return f"{trouble}{self._token() if trouble.status in _REFUSED else ''}"
        if said.success:
            return ""
        because = "; ".join(f"{fault.message} ({fault.code})" for fault in said.errors or [])
        return f"{self._talk.host} refused: {self._talk.clean(because) or 'it gives no reason'}"

    def _token(self) -> str:
        """What Cloudflare says of a token that was refused: it may be expired, disabled, or one of an account."""
        try:
            answer = self._talk.ask("GET", "/user/tokens/verify")
            state = self._talk.read(answer, _Verified).result.status
        except Trouble as trouble:
            return f"; asked about the token: {trouble}"
        return f"; the token is {sanitise(state[:20])}"


class _State(msgspec.Struct):
    status: str = "of a state that is not said"


class _Verified(msgspec.Struct):
    result: _State


def make(options: Options, edge: Edge) -> Cloudflare:
    """The zone that these options name."""
    return Cloudflare(options, edge)
