"""The Protocols of the families beyond hosts and deploy repo: who is told of runs, caches in front, telemetry."""

from dataclasses import dataclass
from typing import Protocol

from lastgood.model.facts import Fact
from lastgood.model.message import Delivery, Message
from lastgood.model.telemetry import Reading, Span
from lastgood.ports.effects import Http, Process, Secrets


@dataclass(frozen=True)
class Outside:
    """What a tracker or a notifier reaches the world with; `now` is in Unix nanoseconds.

    `seconds` are left for what does not go by `http`.
    """

    http: Http
    secrets: Secrets
    now: int
    seconds: float = 10.0


class Notifier(Protocol):
    """Somewhere to tell messages: a module has `make(options, outside)` and `STATE`.

    `STATE` says that only the newest message of a run counts there (a silence), so that older ones are left out where
    they come late, and that it is wanted from a run's first moment on. Nothing raises; no text holds a secret.
    """

    def deliver(self, message: Message, ref: str, *, again: bool) -> Delivery:
        """Tell it. `ref` is what `Delivered.ref` said of this run last, empty where nothing was.

        `again` says that it may have arrived already; where the other side can tell, it is told once all the same.
        """
        ...

    def check(self) -> Fact[str]:
        """Whether it would arrive, found out without anybody noticing: what was seen, or why that cannot be told."""
        ...


class Tracker(Notifier, Protocol):
    """A notifier that keeps one thing for each run, found by a mark with the run's id; what people wrote stays."""


@dataclass(frozen=True, kw_only=True)
class Edge(Outside):
    """What a cache is reached with: `folder`, where commands run, is the deploy repo; `page` is a public address."""

    process: Process
    folder: str
    page: str


class Cache(Protocol):
    """What keeps answers in front of a service: a module has `make(options, edge)`. Nothing raises.

    A purge takes effect at once or not at all: nothing is only marked as stale, which would still be given to
    customers while it is fetched anew. Purging twice is fine. No text holds a secret.
    """

    def shown(self) -> str:
        """The purge as a person would type it."""
        ...

    def purge(self) -> Fact[str]:
        """Have it forget the service's answers. Known, with what was said, only where that was accepted."""
        ...

    def check(self) -> Fact[str]:
        """Whether a purge would be accepted, found out without anybody noticing."""
        ...

    def passed(self, headers: dict[str, str]) -> bool:
        """False where an answer with these headers, lower case, surely did not come by this cache."""
        ...


class Telemetry(Protocol):
    """Watches a service from outside: a module has `make(options, outside)`. It only reads. Nothing raises.

    What could not be asked, was answered in part, or is no number is Unknown, never zero and never empty. Nothing in a
    reason holds our secret.
    """

    def look(self, span: Span) -> Reading:
        """What there is of that time; of what knows only the present, that."""
        ...

    def check(self) -> Fact[str]:
        """Whether it would answer about this service: what was seen, or what is wrong."""
        ...
