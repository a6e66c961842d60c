"""A journal, an outbox beside it, and destinations that a test holds in its hands."""

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lastgood.effects.clock import SystemClock
from lastgood.effects.http import PlainHttp
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.journal.store import Journal
from lastgood.model.errors import Exit
from lastgood.model.event import Event, RunEnded
from lastgood.model.facts import Fact, Known
from lastgood.model.message import Delivered, Delivery, Kind, Message, Post
from lastgood.outbox.collect import Here, Subscription, collect
from lastgood.outbox.escalation import Contact, escalate
from lastgood.outbox.postman import Destination, World, deliver
from lastgood.outbox.store import Outbox
from lastgood.ports import Outside
from tests.standin.held import LONG

NANO = 1_000_000_000
MACHINE = "laptop"


class Moved(SystemClock):
    """The time at which it was made, a microsecond more at each look, moved by so many seconds.

    On a busy machine a second passes anywhere, and what is due would be it sooner or later than a test means.
    """

    def __init__(self) -> None:
        self.by = 0.0
        self._begun = time.time_ns()
        self._looks = itertools.count(1)

    def now(self) -> int:
        return self._begun + next(self._looks) * 1000 + int(self.by * NANO)


@dataclass
class Told:
    """A destination that does what `does` says, and remembers what it was asked."""

    name: str
    state: bool = False
    envs: tuple[str, ...] = ()
    kinds: frozenset[Kind] = frozenset(Kind)
    does: Callable[[Message], Delivery] = lambda _: Delivered("here", "ref")
    heard: list[tuple[str, str, bool]] = field(default_factory=list)

    def destination(self) -> Destination:
        return Destination(Subscription(self.name, self.kinds, self.envs), self.make, self.state)

    def make(self, _outside: Outside) -> "Told":
        return self

    def deliver(self, message: Message, ref: str, *, again: bool) -> Delivery:
        self.heard.append((message.key, ref, again))
        return self.does(message)

    def check(self) -> Fact[str]:
        return Known("fine")

    @property
    def keys(self) -> list[str]:
        return [key for key, _, _ in self.heard]


class Postal:
    """One machine's journal and outbox."""

    def __init__(self, folder: Path, *told: Told) -> None:
        self.folder = folder
        self.told = told
        self.clock = Moved()
        self.journal = Journal(str(folder / "journal.db"))
        self.path = str(folder / "outbox.db")
        self.alive: set[str] = set()
        self.contacts: tuple[Contact, ...] = ()
        self.here = Here(self.alive.__contains__, lambda repo: repo == "/deploy")

    def writes(self, run: str, *events: Event) -> None:
        for event in events:
            self.journal.append(run, event, self.clock.now())

    def collects(self) -> None:
        wanted = [one.destination().subscription for one in self.told]
        with Journal(self.journal.path) as journal, Outbox(self.path) as outbox:
            collect(journal, outbox, wanted, self.here, self.clock.now())
            escalate(journal, outbox, self.contacts, self.here, self.clock.now())

    def delivers(self, seconds: float = LONG / 2, *, all_of_them: bool = False) -> tuple[str, ...]:
        world = World(PlainHttp(), LocalSecrets(LocalProcess(), {}), self.clock, self.alive.__contains__)
        there = [one.destination() for one in self.told]
        return deliver(self.path, there, world, seconds, all_of_them=all_of_them)

    def works(self) -> None:
        self.collects()
        self.delivers()

    def posts(self) -> tuple[Post, ...]:
        with Outbox(self.path) as outbox:
            return outbox.posts(100)

    def fates(self) -> list[str]:
        return [post.fate.value for post in self.posts()]


def end(code: Exit = Exit.DONE, what: str = "It serves.") -> RunEnded:
    """A run's last line."""
    return RunEnded(code, what)


def side_by_side(count: int, act: Callable[[], object]) -> None:
    """Do something in so many threads at once."""
    ready = threading.Barrier(count)

    def one() -> None:
        ready.wait()
        act()

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
