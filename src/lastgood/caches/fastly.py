"""`kind: fastly`: a service's cache, purged by Fastly's API.

Facts from the API reference at fastly.com/documentation, "Purging": `POST /service/{id}/purge_all` answers
`{"status": "ok"}`; `POST /service/{id}/purge` takes up to 256 `surrogate_keys` and answers with an id for each. With
`Fastly-Soft-Purge` an object only becomes stale and may still be given to customers, so that header is never sent;
purge-all knows no such mode. "API tokens": the token goes into `Fastly-Key`; `GET /tokens/self` tells of what it may:
scope `purge_all` for the one, `purge_select` for the other, `global` for both, and `services`, where it is limited to
some. Errors are `{"msg", "detail"}`.
"""

from typing import Annotated, Final
from urllib.parse import quote

import msgspec

from lastgood.model.command import Command
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.outside.talk import REFERENCE, URL, Talk, Trouble
from lastgood.ports import Edge

_TIMEOUT: Final = 5.0
_MOST: Final = 256


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is purged of the service: everything, or what has one of the surrogate `keys`. `token` is a reference."""

    service: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9]{1,64}$")]
    token: Annotated[str, msgspec.Meta(pattern=REFERENCE, min_length=1)]
    keys: tuple[str, ...] = ()
    url: Annotated[str, msgspec.Meta(pattern=URL)] = "https://api.fastly.com"

    def __post_init__(self) -> None:
        """Refuse what Fastly would refuse in the middle of a rollback. Raises ValueError."""
        if len(self.keys) > _MOST:
            raise ValueError(f"a purge takes at most {_MOST} keys")
        if any(not key.isascii() or not key.isprintable() or " " in key or not key for key in self.keys):
            raise ValueError("a surrogate key is a word without blanks")


class _Token(msgspec.Struct):
    scope: str = ""
    services: list[str] | None = None


class Fastly:
    """One service."""

    def __init__(self, options: Options, edge: Edge) -> None:
        self._options = options
        self._talk = Talk(edge, options.url, options.token, header="Fastly-Key", timeout=_TIMEOUT)

    def shown(self) -> str:
        """The request by curl, without the token."""
        path, content = self._request()
        body = ("--json", msgspec.json.encode(content).decode()) if content else ("-X", "POST")
        return Command(("curl", "-H", "Fastly-Key: ***", *body, f"{self._options.url}{path}")).shown()

    def purge(self) -> Fact[str]:
        """Purge what the options name, at once and not softly."""
        path, content = self._request()
        try:
            answer = self._talk.read(self._talk.ask("POST", path, content, raw=b""), dict[str, object])
        except Trouble as trouble:
            return Unknown(str(trouble))
        left = [key for key in self._options.keys if key not in answer]
        if left or (not self._options.keys and answer.get("status") != "ok"):
            return Unknown(f"{self._talk.host} does not say that it purged {', '.join(left) or 'the service'}")
        return Known(f"{self._talk.host} purged {', '.join(self._options.keys) or 'everything of the service'}")

    def check(self) -> Fact[str]:
        """What the token itself may, as Fastly tells it."""
        needed = "purge_select" if self._options.keys else "purge_all"
        try:
            token = self._talk.read(self._talk.ask("GET", "/tokens/self"), _Token)
        except Trouble as trouble:
            return Unknown(str(trouble))
        if not {"global", needed} & set(token.scope.split()):
            return Unknown(f"the token has no scope {needed}, but: {self._talk.clean(token.scope) or 'none'}")
        if token.services and self._options.service not in token.services:
            return Unknown(f"the token is for other services than {self._options.service}")
        if not {"global", "global:read"} & set(token.scope.split()):
            return Known(f"the token may {needed}")
        try:  # whether there is such a service is seen only with a token that may read
            self._talk.ask("GET", f"/service/{quote(self._options.service)}")
        except Trouble as trouble:
            return Unknown(f"service {self._options.service}: {trouble}")
        return Known(f"the token may {needed} of service {self._options.service}")

    def passed(self, headers: dict[str, str]) -> bool:  # noqa: ARG002 - the port's signature
        """Not to be told: a service may take out all that says it."""
        return True

    def _request(self) -> tuple[str, dict[str, object] | None]:
        base = f"/service/{quote(self._options.service)}"
        if self._options.keys:
            return f"{base}/purge", {"surrogate_keys": list(self._options.keys)}
        return f"{base}/purge_all", None


def make(options: Options, edge: Edge) -> Fastly:
    """The service that these options name."""
    return Fastly(options, edge)
