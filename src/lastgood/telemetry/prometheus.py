"""`kind: prometheus`: figures of a service from Prometheus, or from what speaks its HTTP API (Thanos, Mimir).

Operations: Prometheus' HTTP API, `/api/v1/query`, `/api/v1/query_range`, `/api/v1/status/buildinfo`, seen on 2.42. A
metric that does not exist is answered with success and an empty result, a number that is none with the text "NaN", and
an answer that lacks some of the servers behind it with `warnings`: none of these is a zero.
"""

import math
from collections.abc import Iterator
from typing import Annotated, Final
from urllib.parse import urlencode

import msgspec

from lastgood.model.duration import Duration
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.telemetry import Figure, Reading, Series, Span
from lastgood.outside.talk import REFERENCE, URL, Talk, Trouble, check_login
from lastgood.ports import Outside

_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_LONG: Final = 1500  # characters of a query that may stand in an address; proxies in between take some thousand
_POINTS: Final = 2000  # Prometheus refuses more than 11,000 for each series
_UNITS: Final = {Figure.REQUESTS: "per second", Figure.ERRORS: "per second", Figure.LATENCY: "seconds"}
_TENANT: Final = r"^[A-Za-z0-9!._*'()|-]*$"  # Mimir and Loki documentation, "tenant IDs"
Query = Annotated[str, msgspec.Meta(max_length=8000)]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The queries: `requests` and `errors`, both per second, and `latency` in seconds; at least one of them.

    `user` makes the token a password; `tenant` is sent as X-Scope-OrgID. `step` is how far apart points are at least.
    """

    url: Annotated[str, msgspec.Meta(pattern=URL)]
    token: Annotated[str, msgspec.Meta(pattern=REFERENCE)] = ""
    user: str = ""
    tenant: Annotated[str, msgspec.Meta(pattern=_TENANT)] = ""
    requests: Query = ""
    errors: Query = ""
    latency: Query = ""
    step: Duration = Duration(15)

    def __post_init__(self) -> None:
        """Refuse what would ask nothing, or too often. Raises ValueError."""
        check_login(self.user, self.token)
        if not (self.requests or self.errors or self.latency):
            raise ValueError("give at least one query: requests, errors or latency")
        if self.step < 1:
            raise ValueError("step must be 1s or more")


class _Line(msgspec.Struct):
    metric: dict[str, str] = {}
    values: list[tuple[float, str]] = []
    value: tuple[float, str] | None = None


class _Data(msgspec.Struct):
    resultType: str = ""  # noqa: N815 - Prometheus' own name
    result: msgspec.Raw = msgspec.Raw(b"[]")


class _Answer(msgspec.Struct):
    status: str
    data: _Data = msgspec.field(default_factory=_Data)
    warnings: list[str] = []


class _Build(msgspec.Struct):
    version: str = ""


class _About(msgspec.Struct):
    data: _Build = msgspec.field(default_factory=_Build)


class Prometheus:
    """The queries about one service."""

    def __init__(self, options: Options, outside: Outside) -> None:
        self._options = options
        self._talk = Talk(outside, options.url, options.token, user=options.user)
        given = {Figure.REQUESTS: options.requests, Figure.ERRORS: options.errors, Figure.LATENCY: options.latency}
        self._queries = {figure: query for figure, query in given.items() if query}

    def look(self, span: Span) -> Reading:
        """Each query over the span; several series are added up, of latencies the longest counts."""
        step = max(int(self._options.step), math.ceil((span.end - span.begin) / _POINTS))
        # On multiples of the step, so that answers to different queries, and later ones, have the same moments.
        times: dict[str, object] = {"start": span.begin - span.begin % step, "end": span.end, "step": step}
        figures: dict[Figure, Fact[Series]] = {}
        raw: dict[str, bytes] = {}
        for figure, query in self._queries.items():
            try:
                body, answer = self._ask("query_range", {"query": query} | times)
                raw[f"{figure}.json"] = body
                figures[figure] = self._series(figure, answer, span, step)
            except Trouble as trouble:
                figures[figure] = Unknown(str(trouble))
        return Reading(figures=figures, raw=raw)

    def check(self) -> Fact[str]:
        """Whether each query is understood and gives a number now."""
        try:
            version = self._version()
            wrong = [said for figure, query in self._queries.items() if (said := self._checked(figure, query))]
        except Trouble as trouble:
            return Unknown(str(trouble))
        if wrong:
            return Unknown("; ".join(wrong))
        return Known(f"{version} answers {', '.join(self._queries)}")

    def _checked(self, figure: Figure, query: str) -> str:
        """What is wrong with a query; empty where it gives a number."""
        _, answer = self._ask("query", {"query": query})
        kind = answer.data.resultType
        if kind not in {"vector", "scalar"}:
            return f"{figure}: the query gives a {kind or 'result'} that is no number; is a rate() missing?"
        if answer.warnings:
            return f"{figure}: {self._partly(answer)}"
        if kind == "scalar" or any(_number(line.value) for line in self._lines(answer)):
            return ""
        hint = "; where none has failed yet, add: or 0 * (the query of requests)" if figure is Figure.ERRORS else ""
        return f"{figure}: there is no data now; is the query right?{hint}"

    def _version(self) -> str:
        """By name and version where they are told: what only speaks the API may not tell them."""
        try:
            about = self._talk.read(self._talk.ask("GET", "/api/v1/status/buildinfo", headers=self._headers()), _About)
        except Trouble as trouble:
            if trouble.status != 404:  # noqa: PLR2004 - RFC 9110: not found
                raise
            return self._talk.host
        return f"Prometheus {self._talk.clean(about.data.version)}"

    def _ask(self, path: str, given: dict[str, object]) -> tuple[bytes, _Answer]:
        form = urlencode(given)
        if len(form) > _LONG:
            raw, headers = form.encode(), self._headers() | _FORM
            answer = self._talk.ask("POST", f"/api/v1/{path}", raw=raw, headers=headers)
        else:
            answer = self._talk.ask("GET", f"/api/v1/{path}?{form}", headers=self._headers())
        found = self._talk.read(answer, _Answer)
        if found.status != "success":
            raise Trouble(f"{self._talk.host} answered with status {self._talk.clean(found.status)}")
        return answer.body, found

    def _headers(self) -> dict[str, str]:
        return {"X-Scope-OrgID": self._options.tenant} if self._options.tenant else {}

    def _lines(self, answer: _Answer) -> list[_Line]:
        try:
            return msgspec.json.decode(answer.data.result, type=list[_Line])
        except msgspec.MsgspecError:
            raise Trouble(f"{self._talk.host} answered with something that is not what its API says") from None

    def _partly(self, answer: _Answer) -> str:
        return f"answered only in part: {self._talk.clean(answer.warnings[0])}"

    def _series(self, figure: Figure, answer: _Answer, span: Span, step: int) -> Fact[Series]:
        if answer.warnings:
            return Unknown(self._partly(answer))
        lines = self._lines(answer)
        if not any(line.values for line in lines):
            return Unknown("there is no data: the query gives no series")
        merged = _merged(lines, longest=figure is Figure.LATENCY)
        # A time that nobody asked for may be none at all.
        points = tuple((at, value) for at, value in merged if span.begin - step < at <= span.end)
        if not points:
            return Unknown("there is no number in the answer, as where nothing was requested")
        return Known(Series(_UNITS[figure], step, points))


def _merged(lines: list[_Line], *, longest: bool) -> Iterator[tuple[int, float]]:
    """One number for each moment. A sum of which a part is no number is none; of the longest, those that are one."""
    found: dict[int, list[float]] = {}
    for line in lines:
        for at, text in line.values:
            found.setdefault(round(at), []).append(_float(text))
    for at, numbers in sorted(found.items()):
        finite = [one for one in numbers if math.isfinite(one)]
        if finite and (longest or len(finite) == len(numbers)):
            yield at, max(finite) if longest else sum(finite)


def _number(value: tuple[float, str] | None) -> bool:
    return value is not None and math.isfinite(_float(value[1]))


def _float(text: str) -> float:
    """A sample's value, which Prometheus writes as text: "1", "NaN", "+Inf"."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def make(options: Options, outside: Outside) -> Prometheus:
    """The server at this address."""
    return Prometheus(options, outside)
