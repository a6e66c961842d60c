"""Delivers what waits in the outbox, within a time that is given, one process at a time for each destination."""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from lastgood.model.errors import LastgoodError
from lastgood.model.message import Delivered, Delivery, Failed, Fate, Post
from lastgood.model.text import sanitise
from lastgood.outbox.collect import Subscription
from lastgood.outbox.store import Outbox
from lastgood.outside.bounded import Bounded
from lastgood.ports import Clock, Http, Notifier, Outside, Secrets

_NANO: Final = 1_000_000_000
_FIRST_WAIT: Final = 15.0
_LONGEST_WAIT: Final = 3600.0
_GRACE: Final = 0.25
_LOOK: Final = 0.05
_REASON: Final = 400


@dataclass(frozen=True)
class Destination:
    """Somewhere to deliver to. `make` gives the member; `state` says that only the newest message of a run counts."""

    subscription: Subscription
    make: Callable[[Outside], Notifier]
    state: bool = False

    @property
    def name(self) -> str:
        """What it is called in the configuration."""
        return self.subscription.name


@dataclass(frozen=True)
class World:
    """The effects that deliveries need. `alive` says whether a run is carried out at this moment; it may raise."""

    http: Http
    secrets: Secrets
    clock: Clock
    alive: Callable[[str], bool] = lambda _: False


def deliver(
    path: str, destinations: Sequence[Destination], world: World, seconds: float, *, all_of_them: bool = False
) -> tuple[str, ...]:
    """Try what is due in the outbox at `path`, each destination by itself, and be back within `seconds` (and a blink).

    A destination that takes longer is left behind in its thread; its requests end by then, and so does what they
    wait for. `all_of_them` goes by no waiting time. The names of those whom something
    did not reach this time. Never raises for what a destination or the outbox does.
    """
    end = time.monotonic() + seconds
    missed: dict[str, None] = {}
    working = [
        threading.Thread(
            target=_work, args=(path, one, world, end, all_of_them, missed), name=f"outbox {one.name}", daemon=True
        )
        for one in destinations
    ]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join(max(0.0, end + _GRACE - time.monotonic()))
    late = (one.name for one, thread in zip(destinations, working, strict=True) if thread.is_alive())
    return tuple(dict.fromkeys((*missed, *late)))


def _work(  # noqa: PLR0913, PLR0917 - a thread's arguments
    path: str,
    destination: Destination,
    world: World,
    end: float,
    all_of_them: bool,  # noqa: FBT001 - as above
    missed: dict[str, None],
) -> None:
    """Everything due for one destination. What the outbox itself does wrong is told by whoever reads it next."""
    with contextlib.suppress(LastgoodError, OSError), _alone(f"{path}.{destination.name}.lock", end) as ours:
        if not ours:
            return
        last = 0
        with Outbox(path) as outbox:
            # Asked anew each time: what was behind the last one may be due now, or be taken back.
            while post := outbox.due(destination.name, world.clock.now(), last, all_of_them=all_of_them):
                if time.monotonic() >= end:
                    return
                last = post.id
                failed = _one(outbox, destination, world, post, end)
                if failed:
                    missed[destination.name] = None
                if failed and failed.again:  # it asked for time: not with the next one either
                    return
            for post in outbox.renewed(destination.name, world.clock.now()):
                _renew(outbox, destination, world, post, end)


def _one(outbox: Outbox, to: Destination, world: World, post: Post, end: float) -> Failed | None:
    """Deliver one post; why not, where it is not done with.

    That it is sent is on disk before it is: a killed process leaves it doubtful, not lost.
    """
    if to.state and outbox.later(post):
        outbox.settle(post, Fate.SUPERSEDED, because="a newer message of the run takes its place")
        return None
    ref, doubtful = outbox.ref(post), post.fate in (Fate.SENDING, Fate.DOUBTFUL)
    outbox.settle(post, Fate.SENDING, tries=post.tries + 1)
    done = _tried(to, world, post, ref, end, again=doubtful)
    if isinstance(done, Delivered):
        _arrived(outbox, world, post, done)
        return None
    # Once it may have arrived, that is not taken back by a later try that certainly did not.
    fate = Fate.DOUBTFUL if done.doubtful or doubtful else Fate.FAILED
    wait = max(done.again, min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(post.tries, 12)))
    due = world.clock.now() + int(min(wait, _LONGEST_WAIT) * _NANO)
    kept = {"ref": done.ref} if done.ref else {}
    outbox.settle(post, fate, because=_said(done), due=due, **kept)
    return done


def _renew(outbox: Outbox, to: Destination, world: World, post: Post, end: float) -> None:
    """Tell what arrived anew, as of now, while its run goes on and nothing newer of it stands."""
    if outbox.later(post) or not world.alive(post.message.run):
        outbox.settle(post, Fate.DELIVERED, due=0)
        return
    now = world.clock.now()
    anew = msgspec.structs.replace(post, message=msgspec.structs.replace(post.message, at=now))
    done = _tried(to, world, anew, post.ref, end, again=True)
    if isinstance(done, Delivered):
        _arrived(outbox, world, post, done)
    else:
        outbox.settle(post, Fate.DELIVERED, because=_said(done), due=now + int(_FIRST_WAIT * _NANO))


def _arrived(outbox: Outbox, world: World, post: Post, done: Delivered) -> None:
    due = world.clock.now() + int(done.again * _NANO) if done.again else 0
    outbox.settle(post, Fate.DELIVERED, because="", place=done.where, ref=done.ref, due=due)


def _said(done: Failed) -> str:
    return sanitise(done.because)[:_REASON]


def _tried(  # noqa: PLR0913 - what is told to whom, and within which time
    to: Destination, world: World, post: Post, ref: str, end: float, *, again: bool
) -> Delivery:
    outside = Outside(Bounded(world.http, end), world.secrets, world.clock.now(), end - time.monotonic())
    try:
        return to.make(outside).deliver(post.message, ref, again=again)
    except LastgoodError as error:
        return Failed(error.what)
    except Exception as error:  # noqa: BLE001 - a defect in one member must not take the others' messages along
        return Failed(f"a defect of lastgood: {type(error).__name__}", doubtful=True)


@contextlib.contextmanager
def _alone(path: str, end: float) -> Iterator[bool]:
    """Be the only one who delivers to a destination, waiting for another until `end`; the dead let go."""
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        yield _locked(handle, end)
    finally:
        os.close(handle)


def _locked(handle: int, end: float) -> bool:
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() + _LOOK >= end:
            return False
        time.sleep(_LOOK)
