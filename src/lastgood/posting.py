"""The post office: what the configuration says is told to whom, put together with the outbox and the world.

It is asked at three moments: while a run is under way (in a thread, so that nobody waits for it), once a command has
said everything it has to say, and by `lastgood outbox run`. The run itself knows nothing of it.
"""

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol

from lastgood import catalog
from lastgood.config.load import Config
from lastgood.config.outside import Addressee, Called
from lastgood.diagnose.outside import checks
from lastgood.journal.live import Live
from lastgood.journal.store import Journal
from lastgood.model.checklist import Check as Answers
from lastgood.model.checklist import State
from lastgood.model.errors import LastgoodError, UsageError
from lastgood.model.event import Entry, Resumed, RunStarted, StepDone
from lastgood.model.facts import Fact
from lastgood.model.message import ASKED, Acknowledged, Ask, AskLine, Fate, Kind, Message, OutboxReport, Post, PostLine
from lastgood.model.report import Check
from lastgood.model.text import sanitise
from lastgood.outbox.asks import ask, settled, standing
from lastgood.outbox.collect import Here, Subscription, adopted, collect, theirs
from lastgood.outbox.escalation import Contact, acknowledge, acknowledged, escalate, stopped
from lastgood.outbox.leaving import BECAUSE, forget, let_go
from lastgood.outbox.postman import Destination, World, deliver
from lastgood.outbox.reached import reached
from lastgood.outbox.retired import retire
from lastgood.outbox.store import Outbox
from lastgood.outside.bounded import Bounded
from lastgood.ports import Outside

AFTERWARDS: Final = 3.0
"""Seconds that a command may spend on deliveries once everything else is done."""
_BEGINNING: Final = 30.0
_ANEW: Final = 20.0
"""Seconds after which it is looked whether a run that goes on has anything to be told anew."""
_CHECKS: Final = 15.0
_HOSTS: Final = 3.0
"""Seconds after which no more hosts are asked who has what: silent ones would hold every command up."""
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


class Elsewhere(Protocol):
    """What other machines say of who was called, by way of the hosts. Nothing here raises, or takes long."""

    def publish(self, ask: Ask) -> None:
        """Let them know of an ask."""
        ...

    def answered(self, stop: Message) -> Acknowledged | None:
        """Who has it, where somebody said so there."""
        ...


class PostOffice:
    """The destinations that a deploy repo's configuration names, for the journal in the folder `state`."""

    def __init__(self, config: Config, state: str, world: World, repo: Repo, calls: Elsewhere | None = None) -> None:
        self._state = state
        self._calls = calls
        self._here = Here(Live(state).alive, repo.same)
        self._world = replace(world, alive=self._here.alive)
        self.path = f"{state}/outbox/{repo.tag}.db"
        called = config.contacts()
        self._called = {one.who: f"told: {one.by.name}" for one in called}
        self._contacts = tuple(Contact(_name(one), one.who, one.after, one.envs) for one in called)
        named = [(one.name, catalog.ticks(one.family, one.adapter.kind)) for one in config.addressees()]
        self._ticks = {name: check for name, check in named if check}
        addressees = tuple(_destination(one) for one in config.addressees())
        self.destinations = (*addressees, *(_contact(one) for one in called))

    def work(self, seconds: float, *, all_of_them: bool = False, state_only: bool = False) -> tuple[str, ...]:
        """Take in what the journal calls for, and deliver what is due, within `seconds`.

        Raises NeedsHuman or JournalUnwritable where outbox or journal cannot be used; what a destination does never
        raises: the names of those whom something did not reach are handed back. `all_of_them` goes by no waiting time;
        `state_only` leaves out those who are only told.
        """
        self.collect()
        chosen = tuple(one for one in self.destinations if one.state or not state_only)
        return deliver(self.path, chosen, self._world, seconds, all_of_them=all_of_them)

    def collect(self) -> None:
        """Take in what the journal calls for, and let go of what nobody is to hear any more. Raises as `work` does."""
        with Outbox(self.path) as outbox:
            if outbox.there:
                let_go(outbox, [one.name for one in self.destinations], self._world.clock.now())
                retire(outbox, self._world.clock.now())
        if not self.destinations:
            return
        wanted = tuple(one.subscription for one in self.destinations)
        # A connection of its own: a run that writes its lines must not wait for us.
        with Journal(f"{self._state}/journal.db") as journal, Outbox(self.path) as outbox:
            now = self._world.clock.now()
            collect(journal, outbox, wanted, self._here, now)
            if self._contacts:
                escalate(journal, outbox, self._contacts, self._here, now, self._heard())

    def _heard(self) -> Callable[[Message], Acknowledged | None]:
        """Asks the hosts who has a stop; of many stops only as many as there is time for, and the others are called."""
        calls, end = self._calls, time.monotonic() + _HOSTS
        return lambda stop: calls.answered(stop) if calls and time.monotonic() < end else None

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
            if isinstance(line.event, RunStarted | Resumed) and "begun" not in told:
                told.add("begun")
                if any(one.state for one in self.destinations):
                    self._aside(partial(self._silenced, line.run))
            elif _switched(line) and "switched" not in told:
                told.add("switched")
                if self.destinations:
                    self._aside(self._worked)

        return heard

    def _silenced(self, run: str) -> None:
        """Ask for a run's silences, and anew before they end by themselves, as long as it goes on."""
        self._worked(state_only=True)
        while self._here.alive(run):
            time.sleep(_ANEW)
            self._worked(state_only=True)

    def _worked(self, *, state_only: bool = False) -> None:
        with contextlib.suppress(LastgoodError, OSError):
            self.work(_BEGINNING, state_only=state_only)

    @staticmethod
    def _aside(act: Callable[[], None]) -> None:
        def work() -> None:
            with contextlib.suppress(LastgoodError, OSError):
                act()

        with contextlib.suppress(RuntimeError):  # no thread to be had: then later
            threading.Thread(target=work, name="outbox", daemon=True).start()

    def ask(self, message: Message, wait: float = 0.0) -> None:
        """Keep that a person is needed though no run says so, and let the hosts know; nobody is called before `wait`.

        Without contacts nobody could be. Raises NeedsHuman where the outbox cannot be used.
        """
        if self._contacts:
            with Outbox(self.path) as outbox:
                made = ask(outbox, message, wait, self._world.clock.now())
            if made and self._calls:
                self._calls.publish(made)

    def settled(self, target: str, action: str) -> None:
        """That a command succeeded, which may have asked for a person before. Raises NeedsHuman as `ask` does."""
        with Outbox(self.path) as outbox:
            settled(outbox, target, action)

    def asks(self, *, stops: bool = False) -> tuple[AskLine, ...]:
        """The asks that stand, with `stops` the runs that people are called for as well.

        Raises NeedsHuman or JournalUnwritable where outbox or journal cannot be used.
        """
        with Journal(f"{self._state}/journal.db") as journal, Outbox(self.path) as outbox:
            found = [one.message for one in standing(journal, outbox, self._here)]
            if stops and self._contacts:
                found = [*stopped(journal, outbox, self._here), *found]
            return tuple(_asked(one, acknowledged(journal, outbox, one), outbox.about(one.run)) for one in found)

    def stop(self, name: str) -> tuple[Message, Acknowledged | None, bool]:
        """What is known here of a stop or an ask by its id or the beginning of that: what, who has it, whether ours.

        Raises UsageError where there is none or it waits for nobody, and as `asks` does.
        """
        with Journal(f"{self._state}/journal.db") as journal, Outbox(self.path) as outbox:
            if name.startswith(ASKED):
                found = name
                messages = [one.message for one in standing(journal, outbox, self._here)]
                messages = [one for one in messages if one.run.startswith(name)]
            else:
                found = journal.find(name)
                messages = [one for one in stopped(journal, outbox, self._here, anywhere=True) if one.run == found]
            if len(messages) != 1:
                what = (
                    f"{sanitise(found)} waits for nobody, or is not known."
                    if not messages
                    else f"Several begin with {found}."
                )
                raise UsageError(what, next=("lastgood outbox", "lastgood runs"))
            (one,) = messages
            return one, acknowledged(journal, outbox, one), one.seq > theirs(outbox, one.run)

    def has(self, stop: Message, made: Acknowledged) -> None:
        """Note who has what the journal cannot tell of. Raises NeedsHuman where the outbox cannot be used."""
        with Outbox(self.path) as outbox:
            acknowledge(outbox, stop, made)

    def forget(self, name: str) -> int:
        """Let go of what waits for a destination that the file names no more; how much that was.

        Raises UsageError where the file does name it, or nothing waits for it, NeedsHuman as `report` does.
        """
        if name in {one.name for one in self.destinations}:
            raise UsageError(
                f"lastgood.yaml names {name}: what waits for it is still to be told.", next=("lastgood outbox",)
            )
        with Outbox(self.path) as outbox:
            count = forget(outbox, name)
            left = outbox.awaited()
        if not count:
            raise UsageError(f"Nothing waits for {sanitise(name)!r}.", because=left, next=("lastgood outbox",))
        return count

    def reached(self, run: str) -> dict[Answers, tuple[State, str]]:
        """What of the run's checklist is done by having been told. Raises NeedsHuman as `report` does."""
        with Outbox(self.path) as outbox:
            return reached(outbox, run, self._ticks)

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
        return checks(looks, self._waiting, self._since_tick, self._called)

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
        names = tuple(one.name for one in self.destinations)
        return OutboxReport(names, tuple(self._line(post) for post in posts), self.asks())

    def _line(self, post: Post) -> PostLine:
        told, because, over = post.message, post.because, post.fate in _OVER
        if not over and post.destination not in {one.name for one in self.destinations}:
            because = BECAUSE
        return PostLine(
            run=told.run,
            kind=told.kind,
            target=told.target,
            destination=post.destination,
            at=told.at // _NANO,
            fate=post.fate,
            tries=post.tries,
            due=0 if over else post.due // _NANO,
            because=because,
            where=post.where,
        )


def _asked(one: Message, who: Acknowledged | None, calls: tuple[Post, ...]) -> AskLine:
    by = who.by if who else ""
    arrived = (post.message for post in calls if post.fate is Fate.DELIVERED and post.message.seq == one.seq)
    called = tuple(each.who for each in arrived if each.kind is Kind.CALLED)
    return AskLine(
        one.run, one.target, one.action, one.at // _NANO, one.what, one.because, one.next, by, one.services, called
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
