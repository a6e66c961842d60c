"""What watches a service from outside tells of a stretch of time: figures, log lines, and how requests are led."""

import enum

import msgspec

from lastgood.model.facts import Fact


class Figure(enum.StrEnum):
    """What is measured: requests and failed ones, each per second, and how long an answer takes, in seconds."""

    REQUESTS = "requests"
    ERRORS = "errors"
    LATENCY = "latency"


class Span(msgspec.Struct, frozen=True):
    """A stretch of time, in Unix seconds; both ends belong to it."""

    begin: int
    end: int


class Series(msgspec.Struct, frozen=True):
    """A figure over time, `points` of (Unix seconds, value), oldest first, `step` seconds apart.

    Where there was no data, or no number, there is no point: what is not there is not zero.
    """

    unit: str
    step: int
    points: tuple[tuple[int, float], ...]


class Written(msgspec.Struct, frozen=True):
    """A log line as a store has it; `at` in Unix nanoseconds, `stream` its labels. It may hold secrets."""

    at: int
    text: str
    stream: str = ""


class Server(msgspec.Struct, frozen=True):
    """A server that requests go to. `up` is what a health check said, Unknown where there is none."""

    url: str
    up: Fact[bool]


class Router(msgspec.Struct, frozen=True):
    """A rule by which requests come to a service, whether it is in force, and what the router says is wrong."""

    name: str
    service: str
    rule: str
    enabled: bool
    errors: tuple[str, ...] = ()


class Routed(msgspec.Struct, frozen=True):
    """A service as a router knows it: not `there` where it knows none of that name.

    `weights` are of the services below it, where requests are split between some, or mirrored.
    """

    name: str
    there: bool
    servers: tuple[Server, ...] = ()
    weights: tuple[tuple[str, int], ...] = ()
    errors: tuple[str, ...] = ()


class Routing(msgspec.Struct, frozen=True):
    """How requests reach a service, as it is at this moment."""

    routers: tuple[Router, ...] = ()
    services: tuple[Routed, ...] = ()


class Reading(msgspec.Struct, frozen=True):
    """What one source answered; None, and no figure, for what it has nothing to say of.

    `cut` says that there are older lines in the span than those in `lines`. `raw` are its answers as they came, by file
    name, to be kept: they may hold secrets.
    """

    figures: dict[Figure, Fact[Series]] = {}
    lines: Fact[tuple[Written, ...]] | None = None
    cut: bool = False
    routing: Fact[Routing] | None = None
    raw: dict[str, bytes] = {}


class Recorded(msgspec.Struct, frozen=True):
    """What is kept of a reading in a file of its own, beside the answers themselves; `lines` are counted only.

    `because` says why there is no reading at all.
    """

    source: str
    span: Span
    figures: dict[Figure, Fact[Series]] = {}
    lines: Fact[int] | None = None
    cut: bool = False
    routing: Fact[Routing] | None = None
    because: str = ""
