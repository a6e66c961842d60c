"""What is told to the world outside about a run, and what became of telling it. Values only."""

import enum
from typing import Final, TypeAlias

import msgspec


class Kind(enum.StrEnum):
    """What happened to a run."""

    BEGAN = "began"
    ENDED = "ended"
    STOPPED = "stopped"
    CALLED = "called"


class Message(msgspec.Struct, frozen=True):
    """One thing to tell, as it was when it happened. `at` is in Unix nanoseconds, `seq` the journal's line of the run.

    `what`, `because` and `next` may quote others (logs, commit messages): whoever shows them escapes them. `services`
    are those that the run acts on; `exit` is None unless it ended; `running` is what ran before, `to` what it was to go
    back to; `evidence` is a folder; `commit` of the deploy repo is what it goes back
    to; `risk` is what may come of it; `who` is called, where it is one person.
    """

    run: str
    seq: int
    kind: Kind
    at: int
    target: str
    action: str
    what: str
    services: tuple[str, ...] = ()
    exit: int | None = None
    because: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    running: str = ""
    to: str = ""
    by: str = ""
    evidence: str = ""
    commit: str = ""
    risk: tuple[str, ...] = ()
    who: str = ""

    @property
    def key(self) -> str:
        """What tells this message from all others; the same whenever and by whomever it is made again."""
        return f"{self.run}/{self.kind}/{self.seq}" + (f"/{self.who}" if self.who else "")

    @property
    def env(self) -> str:
        """The environment that the run is in."""
        return self.target.rpartition("/")[2]

    @property
    def service(self) -> str:
        """The service, or the app, that the run is about."""
        return self.target.rpartition("/")[0]


class Delivered(msgspec.Struct, frozen=True):
    """It arrived. `where` is for people (an address, a number), `ref` for the member itself at the next message.

    `again` are seconds after which it has to be told anew while the run goes on, 0 for never.
    """

    where: str
    ref: str = ""
    again: float = 0.0


class Failed(msgspec.Struct, frozen=True):
    """It did not arrive, or that is not known: then `doubtful`. `again` are seconds to wait, where that was said.

    `ref` is for the member itself at the next try, where it did arrive in part.
    """

    because: str
    doubtful: bool = False
    again: float = 0.0
    ref: str = ""


Delivery: TypeAlias = Delivered | Failed


class Fate(enum.StrEnum):
    """What became of a message for one destination."""

    WAITING = "waiting"
    SENDING = "sending"
    FAILED = "failed"
    DOUBTFUL = "doubtful"
    DELIVERED = "delivered"
    SUPERSEDED = "superseded"


class Post(msgspec.Struct, frozen=True):
    """A message for one destination. Times are Unix nanoseconds; `due` is when it is tried next, 0 for at once."""

    id: int
    destination: str
    message: Message
    fate: Fate
    tries: int
    due: int
    because: str = ""
    where: str = ""
    ref: str = ""


class PostLine(msgspec.Struct, frozen=True):
    """A message for one destination as `lastgood outbox --json` prints it. Times are Unix seconds; `due` 0 is now."""

    run: str
    kind: Kind
    target: str
    destination: str
    at: int
    fate: Fate
    tries: int
    due: int
    because: str
    where: str


class Acknowledged(msgspec.Struct, frozen=True):
    """That somebody has a run that needs a person. `at` is in Unix seconds."""

    run: str
    target: str
    by: str
    at: int


ASKED: Final = "ask-"
"""How the id of an `Ask` begins, which no run's does."""


class Ask(msgspec.Struct, frozen=True):
    """That a person is needed where no run says so, since none was begun; `message.run` is the id of this itself.

    `cause` tells it from other asks about the same target, `seen` is when it was met last, in Unix nanoseconds. Nobody
    is called before `wait` seconds are over. `over` says why nobody is any more.
    """

    message: Message
    cause: str
    seen: int
    wait: float = 0.0
    over: str = ""


class AskLine(msgspec.Struct, frozen=True):
    """An ask that stands, or a run that needs a person, as it is printed. `at` is in Unix seconds.

    `by` is who has it, empty where nobody does; `services` are those that it is about, `called` who was called so far.
    """

    id: str
    target: str
    action: str
    at: int
    what: str
    because: tuple[str, ...]
    next: tuple[str, ...]
    by: str = ""
    services: tuple[str, ...] = ()
    called: tuple[str, ...] = ()

    def about(self, target: str) -> bool:
        """Whether it is about a target, be it as one service of an app."""
        service, _, env = target.rpartition("/")
        return self.target == target or (self.target.rpartition("/")[2] == env and service in self.services)


class OutboxReport(msgspec.Struct, frozen=True):
    """The outbox: `destinations` that are configured, posts, oldest first, and the `asks` that stand."""

    destinations: tuple[str, ...]
    posts: tuple[PostLine, ...]
    asks: tuple[AskLine, ...] = ()
