"""The post office: what the configuration says is told to whom, put together with the outbox and the world.

It is asked at three moments: while a run is under way (in a thread, so that nobody waits for it), once a command has
said everything it has to say, and by `lastgood outbox run`. The run itself knows nothing of it.
"""

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from lastgood import catalog
from lastgood.config.load import Config
from lastgood.config.outside import Addressee, Called
from lastgood.diagnose.outside import checks
from lastgood.journal.live import Live
from lastgood.journal.store import Journal
from lastgood.model.errors import LastgoodError, UsageError
from lastgood.model.event import Entry, Resumed, RunStarted, StepDone
from lastgood.model.facts import Fact
from lastgood.model.message import Acknowledged, Fate, OutboxReport, Post, PostLine
from lastgood.model.report import Check
from lastgood.outbox.collect import Here, Subscription, adopted, collect
from lastgood.outbox.escalation import Contact, acknowledge, escalate, stopped
from lastgood.outbox.postman import Bounded, Destination, World, deliver
from lastgood.outbox.store import Outbox
from lastgood.ports import Outside

AFTERWARDS: Final = 3.0
"""Seconds that a command may spend on deliveries once everything else is done."""
_BEGINNING: Final = 30.0
_CHECKS: Final = 15.0
_TICK: Final = "timer"
_OVER: Final = (Fate.DELIVERED, Fate.SUPERSEDED)
_NANO = 1_000_000_000
_SWITCHES = ("switch", "restart")


@dataclass(frozen=True)
class Repo:
    """The deploy repo at `path`, whichever clone of it. `identity` tells what a folder is a clone of, or the folder."""

    path: str
    identity: Callable[[str], str]

    @property
    def tag(self) -> str:
        """What tells its outbox from those of other deploy repos."""
        return hashlib.sha256(self.identity(self.path).encode()).hexdigest()[:12]

    def same(self, path: str) -> bool:
        """Whether the folder that a run was begun in is of the same deploy repo."""
        return path == self.path or self.identity(path) == self.identity(self.path)


class PostOffice:
    """The destinations that a deploy repo's configuration names, for the journal in the folder `state`."""

    def __init__(self, config: Config, state: str, world: World, repo: Repo) -> None:
        self._state = state
        self._here = Here(Live(state).alive, repo.same)
        self._world = world
        self.path = f"{state}/outbox/{repo.tag}.db"
        called = config.contacts()
        self._contacts = tuple(Contact(_name(one), one.who, one.after, one.envs) for one in called)
        addressees = tuple(_destination(one) for one in config.addressees())
        self.destinations = (*addressees, *(_contact(one) for one in called))

    def work(self, seconds: float, *, all_of_them: bool = False, state_only: bool = False) -> tuple[str, ...]:
        """Take in what the journal calls for, and deliver what is due, within `seconds`.

        Raises NeedsHuman or JournalUnwritable where outbox or journal cannot be used; what a destination does never
        raises: the names of those whom something did not reach are handed back. `all_of_them` goes by no waiting time;
        `state_only` leaves out those who are only told.
        """
        if not self.destinations:
            return ()
        self.collect()
        chosen = tuple(one for one in self.destinations if one.state or not state_only)
        return deliver(self.path, chosen, self._world, seconds, all_of_them=all_of_them)

    def collect(self) -> None:
        """Take in what the journal calls for. Raises as `work` does."""
        wanted = tuple(one.subscription for one in self.destinations)
        # A connection of its own: a run that writes its lines must not wait for us.
        with Journal(f"{self._state}/journal.db") as journal, Outbox(self.path) as outbox:
            now = self._world.clock.now()
            collect(journal, outbox, wanted, self._here, now)
            if self._contacts:
                escalate(journal, outbox, self._contacts, self._here, now)

    def adopted(self, run: str, seq: int) -> None:
        """Leave it to another machine to tell what it wrote down of a run, up to line `seq`, that is taken up here.

        Where that cannot be noted it is told here once more, which is better than to stop a run for it.
        """
        with contextlib.suppress(LastgoodError), Outbox(self.path) as outbox:
            adopted(outbox, run, seq)

    def listening(self, entry: Callable[[Entry], None]) -> Callable[[Entry], None]:
        """`entry`, and beside it: silences from a run's first line on, all other messages once something was switched.

        Before the switch nobody is told anything, and nothing here is waited for.
        """
        told: set[str] = set()

        def heard(line: Entry) -> None:
            entry(line)
            now = "begun" if isinstance(line.event, RunStarted | Resumed) else "switched" if _switched(line) else ""
            if now and now not in told and self.destinations:
                told.add(now)
                self._aside(state_only=now == "begun")

        return heard

    def _aside(self, *, state_only: bool) -> None:
        if state_only and not any(one.state for one in self.destinations):
            return

        def work() -> None:
            with contextlib.suppress(LastgoodError, OSError):
                self.work(_BEGINNING, state_only=state_only)

        with contextlib.suppress(RuntimeError):  # no thread to be had: then later
            threading.Thread(target=work, name="outbox", daemon=True).start()

    def take_on(self, run: str, by: str) -> Acknowledged:
        """Note that `by` has a run that needs a person, so that nobody else is called.

        Raises UsageError where there is no such run or it waits for nobody, JournalUnwritable and NeedsHuman where
        journal or outbox cannot be used.
        """
        with Journal(f"{self._state}/journal.db") as journal, Outbox(self.path) as outbox:
            found = journal.find(run)
            stop = next((one for one in stopped(journal, outbox, self._here) if one.run == found), None)
            if stop is None:
                raise UsageError(f"Run {found} waits for nobody.", next=(f"lastgood show {found}", "lastgood runs"))
            return acknowledge(outbox, stop, by, self._world.clock.now())

    def ticked(self) -> None:
        """Note that a timer worked the outbox just now. Raises NeedsHuman where that cannot be noted."""
        with Outbox(self.path) as outbox:
            outbox.note(_TICK, str(self._world.clock.now()))

    def checks(self) -> tuple[Check, ...]:
        """What `doctor` says of all destinations; nobody notices."""
        end = time.monotonic() + _CHECKS
        http = Bounded(self._world.http, end)
        outside = Outside(http, self._world.secrets, self._world.clock.now())
        told = [one for one in self.destinations if not one.name.startswith("contact:")]
        looks = [(f"told: {one.name}", partial(_checked, one, outside)) for one in told]
        return checks(looks, self._waiting, self._since_tick)

    def _waiting(self) -> int:
        return sum(post.fate not in _OVER for post in self.report(1).posts)

    def _since_tick(self) -> float | None:
        with Outbox(self.path) as outbox:
            noted = outbox.noted(_TICK)
        return (self._world.clock.now() - int(noted)) / _NANO if noted else None

    def report(self, limit: int) -> OutboxReport:
        """What waits, and the newest that arrived. Raises NeedsHuman where the outbox cannot be read."""
        with Outbox(self.path) as outbox:
            posts = outbox.posts(limit)
        return OutboxReport(tuple(one.name for one in self.destinations), tuple(self._line(post) for post in posts))

    def _line(self, post: Post) -> PostLine:
        told, because = post.message, post.because
        if post.fate not in _OVER and post.destination not in {one.name for one in self.destinations}:
            because = "lastgood.yaml names no such destination any more"
        return PostLine(
            run=told.run,
            kind=told.kind,
            target=told.target,
            destination=post.destination,
            at=told.at // _NANO,
            fate=post.fate,
            tries=post.tries,
            due=post.due // _NANO,
            because=because,
            where=post.where,
        )


def _checked(one: Destination, outside: Outside) -> Fact[str]:
    return one.make(outside).check()


def _switched(line: Entry) -> bool:
    return isinstance(line.event, StepDone) and any(word in line.event.step for word in _SWITCHES)


def _name(one: Called) -> str:
    """How the outbox calls a contact; no tracker or notifier is called so, since their names hold no colon."""
    return f"contact:{one.who}"


def _contact(one: Called) -> Destination:
    """A contact: told only what `escalate` puts there for them, by the notifier that the file names."""
    subscription = Subscription(_name(one), frozenset(), one.envs)
    return Destination(subscription, partial(catalog.notifier, one.by.family, one.by.adapter))


def _destination(one: Addressee) -> Destination:
    subscription = Subscription(one.name, one.kinds, one.envs)
    make = partial(catalog.notifier, one.family, one.adapter)
    return Destination(subscription, make, catalog.stateful(one.family, one.adapter.kind))
