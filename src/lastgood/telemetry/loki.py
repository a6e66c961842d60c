"""`kind: loki`: what a service wrote, as Loki has it, also where its containers are gone.

Operations: Loki's HTTP API, `/loki/api/v1/query_range`, `/loki/api/v1/status/buildinfo`, `/ready`. Whole numbers in it
are nanoseconds, `start` belongs to the span and `end` does not; errors are plain text; a wrong tenant gives an empty
answer and no error.
"""

from datetime import UTC, datetime
from typing import Annotated, Final
from urllib.parse import urlencode

import msgspec

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.telemetry import Reading, Span, Written
from lastgood.outside.talk import REFERENCE, URL, Talk, Trouble, check_login
from lastgood.ports import Outside

_NANO: Final = 1_000_000_000
_DAY: Final = 24 * 3600
_FEW: Final = 50
_TENANT: Final = r"^[A-Za-z0-9!._*'()|-]*$"  # Loki documentation, "Manage tenant isolation"
_NONE: Final = "there is no line: it was quiet, or the query selects nothing"


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`query` selects the service's lines, the newest `limit` of them are read.

    `user` makes the token a password; `tenant` is sent as X-Scope-OrgID.
    """

    url: Annotated[str, msgspec.Meta(pattern=URL)]
    query: Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
    token: Annotated[str, msgspec.Meta(pattern=REFERENCE)] = ""
    user: str = ""
    tenant: Annotated[str, msgspec.Meta(pattern=_TENANT)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 500

    def __post_init__(self) -> None:
        """Refuse half a login. Raises ValueError."""
        check_login(self.user, self.token)


class _Stream(msgspec.Struct):
    stream: dict[str, str] = {}
    values: list[list[object]] = []  # nanoseconds as text, the line, and perhaps structured metadata


class _Data(msgspec.Struct):
    resultType: str = ""  # noqa: N815 - Loki's own name
    result: msgspec.Raw = msgspec.Raw(b"[]")


class _Answer(msgspec.Struct):
    data: _Data


class _Build(msgspec.Struct):
    version: str = ""


class Loki:
    """The lines of one service."""

    def __init__(self, options: Options, outside: Outside) -> None:
        self._options = options
        self._now = outside.now // _NANO
        self._talk = Talk(outside, options.url, options.token, user=options.user)

    def look(self, span: Span) -> Reading:
        """The newest lines of the span, oldest first. None at all is Unknown: silence and a wrong query look alike."""
        try:
            found, cut = self._lines(span, self._options.limit)
        except Trouble as trouble:
            return Reading(lines=Unknown(str(trouble)))
        if not found:
            return Reading(lines=Unknown(_NONE))
        return Reading(lines=Known(found), cut=cut, raw={"lines.txt": _text(found)})

    def check(self) -> Fact[str]:
        """Whether it is ready, understands the query, and has a line of the last day."""
        try:
            self._ready()
            version = self._version()
            found, _ = self._lines(Span(self._now - _DAY, self._now), 1)
        except Trouble as trouble:
            return Unknown(str(trouble))
        if not found:
            tenant = f" and tenant {self._options.tenant}" if self._options.tenant else ""
            return Unknown(f"there is no line of the last day; are the query{tenant} right?")
        return Known(f"{version} has lines")

    def _ready(self) -> None:
        """Raises Trouble where it says that it is not; a proxy in front may not let the question through."""
        try:
            self._talk.ask("GET", "/ready", headers=self._headers())
        except Trouble as trouble:
            if trouble.status not in {403, 404}:
                raise

    def _version(self) -> str:
        try:
            answer = self._talk.ask("GET", "/loki/api/v1/status/buildinfo", headers=self._headers())
            return f"Loki {self._talk.clean(self._talk.read(answer, _Build).version)}"
        except Trouble as trouble:
            if trouble.status != 404:  # noqa: PLR2004 - RFC 9110: not found
                raise
            return self._talk.host

    def _lines(self, span: Span, limit: int) -> tuple[tuple[Written, ...], bool]:
        """The lines, and whether there may be older ones; where they are too long for us, fewer. Raises Trouble."""
        try:
            found = self._asked(span, limit)
        except Trouble as trouble:
            if "longer than" not in str(trouble) or limit <= _FEW:
                raise
            return self._asked(span, _FEW), True
        return found, len(found) >= limit

    def _asked(self, span: Span, limit: int) -> tuple[Written, ...]:
        given = {
            "query": self._options.query,
            "start": span.begin * _NANO,
            "end": (span.end + 1) * _NANO,
            "limit": limit,
            "direction": "backward",
        }
        answer = self._talk.ask("GET", f"/loki/api/v1/query_range?{urlencode(given)}", headers=self._headers())
        found = self._talk.read(answer, _Answer).data
        if found.resultType != "streams":
            raise Trouble(f"the query gives {self._talk.clean(found.resultType) or 'nothing'} and not lines")
        try:
            streams = msgspec.json.decode(found.result, type=list[_Stream])
        except msgspec.MsgspecError:
            raise Trouble(f"{self._talk.host} answered with something that is not what its API says") from None
        lines = (line for one in streams for line in _written(one))
        # A time that nobody asked for may be none at all.
        asked = (line for line in lines if span.begin <= line.at // _NANO <= span.end)
        return tuple(sorted(asked, key=lambda line: line.at))

    def _headers(self) -> dict[str, str]:
        return {"X-Scope-OrgID": self._options.tenant} if self._options.tenant else {}


def _written(one: _Stream) -> list[Written]:
    labels = ", ".join(f'{name}="{value}"' for name, value in sorted(one.stream.items()))
    found = [each[:2] for each in one.values]
    return [
        Written(int(pair[0]), pair[1], labels)
        for pair in found
        if len(pair) == 2 and isinstance(pair[0], str) and pair[0].isdecimal() and isinstance(pair[1], str)  # noqa: PLR2004 - a pair
    ]


def _text(lines: tuple[Written, ...]) -> bytes:
    """As text: inside JSON a secret in a line would stand escaped, and not be seen for one."""
    return "".join(f"{_moment(one.at)} {{{one.stream}}} {one.text}\n" for one in lines).encode(errors="replace")


def _moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at // _NANO, UTC):%Y-%m-%dT%H:%M:%S}.{at % _NANO:09d}Z"


def make(options: Options, outside: Outside) -> Loki:
    """The server at this address."""
    return Loki(options, outside)
