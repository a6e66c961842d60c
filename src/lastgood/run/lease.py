"""The lease: who acts on a target, as a file on the engine's host that every operator's machine can see.

It is created exclusively, so that of two takers one wins. Nothing but its holder's word or `take_over` ends it: a lease
past its time may belong to an operator whose laptop sleeps in the middle of a switch. That is why every effect is
preceded by `check`, and why a holder that was taken over stops at its next step.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, TypeAlias

import msgspec

from lastgood.model.duration import spoken
from lastgood.model.errors import InDoubt, LeaseHeld, Refused
from lastgood.model.restoring import again
from lastgood.model.text import sanitise
from lastgood.ports import Clock, Files

_NANO = 1_000_000_000
_TTL = 900.0
_NAME = re.compile(r"\w[\w.+-]{0,99}")

# Within what a date can hold: the file is other people's, too.
_Moment: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Lease(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who acts on a target. `since` and `until` are Unix nanoseconds on the holder's clock.

    `token` is the holder's secret handshake with itself, `holder` is `user@host pid 123`, `doing` a clause such as
    `rollback to sha-1a2b3c`. `taken_from` names the holder it was taken over from; empty where nobody had it.
    """

    token: str
    run: str
    holder: str
    since: _Moment
    until: _Moment
    doing: str
    taken_from: str = ""
    machine: str = ""

    def shown(self) -> str:
        """Holder, purpose and begin in one harmless line."""
        began = datetime.fromtimestamp(self.since / _NANO, UTC)
        return sanitise(f"{self.holder}: {self.doing} (run {self.run}), since {began:%Y-%m-%d %H:%M:%S} UTC")


def take(  # noqa: PLR0913 - who, what, where and how long; each is one fact of the lease
    files: Files,
    clock: Clock,
    state: str,
    target: str,
    *,
    run: str,
    token: str,
    holder: str,
    doing: str,
    machine: str = "",
    ttl: float = _TTL,
    take_over: bool = False,
) -> Lease:
    """Take the lease of `target` (`service/env`) for `ttl` seconds; `state` is the folder for it on the host.

    The same run may take its lease again on the same machine: on another it is a take-over, for nobody there can know
    whether the first still goes on. Raises LeaseHeld where somebody else has it and `take_over` is not set, or
    what stands there cannot be read; Refused where the file cannot be made or `target` makes no safe file name.
    """
    path = _path(state, target)
    now = clock.now()
    mine = Lease(token, run, holder, now, now + round(ttl * _NANO), doing, machine=machine)
    try:
        if files.create(path, msgspec.json.encode(mine)):
            return mine
        there = _read(files, path)
        if there is None:
            raise _contended(path, "it was let go of at this very moment")
        if (run != there.run or machine != there.machine) and not take_over:
            raise _held(there, target, now)
        return _swap(files, path, there, mine)
    except OSError as error:
        raise _unusable(target, path, error) from error


def check(files: Files, state: str, target: str, token: str) -> Lease:
    """Make sure that the lease is still ours, before an effect.

    Raises LeaseHeld where it is somebody else's, nobody's, or not to be understood; InDoubt where the host does not
    tell: the run that holds it has begun, so that nothing can be said to be untouched any more.
    """
    path = _path(state, target)
    try:
        there = _read(files, path)
    except OSError as error:
        raise _unseen(target, path, error) from error
    if there is None:
        raise LeaseHeld(f"The lease of {target} is gone: somebody removed {path}.", next=_STOPPED)
    if there.token != token:
        raise LeaseHeld(f"The lease of {target} was taken over.", because=(there.shown(),), next=_STOPPED)
    return there


def renew(  # noqa: PLR0913 - as for take
    files: Files, clock: Clock, state: str, target: str, token: str, *, ttl: float = _TTL
) -> Lease:
    """Extend our lease to `ttl` seconds from now, once half is over. Raises LeaseHeld and InDoubt as `check` does.

    A take-over between its look and its write is undone by that write; then the taker's next `check` fails, so that
    there still is one holder only.
    """
    there = check(files, state, target, token)
    path, now = _path(state, target), clock.now()
    if there.until - now > ttl / 2 * _NANO:
        return there
    renewed = msgspec.structs.replace(there, until=now + round(ttl * _NANO))
    try:
        files.replace(path, msgspec.json.encode(renewed))
    except OSError as error:
        raise _unseen(target, path, error) from error
    return renewed


def release(files: Files, state: str, target: str, token: str) -> None:
    """Let go of the lease; nothing happens where it is not ours, or no more. Raises InDoubt where it cannot be done.

    Raises LeaseHeld where what stands there cannot be understood.
    """
    path = _path(state, target)
    try:
        there = _read(files, path)
        if there is not None and there.token == token:
            files.remove(path)
    except OSError as error:
        raise _unseen(target, path, error) from error


def free(files: Files, clock: Clock, state: str, target: str) -> None:
    """Make sure that nobody acts on the target. Raises LeaseHeld where somebody does, Refused as `read` does."""
    there = read(files, state, target)
    if there is not None:
        raise _held(there, target, clock.now())


def read(files: Files, state: str, target: str) -> Lease | None:
    """Who has the lease, or None. Raises LeaseHeld where it cannot be understood, Refused where it cannot be read."""
    path = _path(state, target)
    try:
        return _read(files, path)
    except OSError as error:
        raise _unusable(target, path, error) from error


_STOPPED = ("let the new holder finish", "lastgood status", "lastgood runs")


def _path(state: str, target: str) -> str:
    service, slash, env = target.partition("/")
    if not slash or ".." in target or not (_NAME.fullmatch(service) and _NAME.fullmatch(env)):
        raise Refused(
            f"{sanitise(target)!r} cannot be the name of a target.",
            because=("service and environment become part of a file's name on the server",),
            next=("use letters, digits, dots and dashes in lastgood.yaml's service and environment names",),
        )
    return f"{state.rstrip('/')}/leases/{service}@{env}.json"


def _read(files: Files, path: str) -> Lease | None:
    content = files.read(path)
    if content is None:
        return None
    try:
        return msgspec.json.decode(content, type=Lease)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LeaseHeld(
            f"There is a lease at {path}, and it cannot be read.",
            because=(sanitise(str(error)), "a newer lastgood, or another program, may have written it"),
            next=(f"look at {path} on the host; if nobody acts on the target, remove that file",),
        ) from error


def _swap(files: Files, path: str, there: Lease, mine: Lease) -> Lease:
    """Put `mine` in place of `there`, unless somebody else does so at the same time.

    A file beside the lease makes sure of that: whoever creates it may replace the lease, after one more look.
    """
    if there.run != mine.run:
        mine = msgspec.structs.replace(mine, taken_from=there.holder)
    claim = f"{path}.takeover"
    if not files.create(claim, msgspec.json.encode(mine)):
        raise _contended(path, f"{claim} exists; if that does not end by itself, its maker died: remove it")
    try:
        if _read(files, path) != there:
            raise _contended(path, "the lease changed hands at this very moment")
        files.replace(path, msgspec.json.encode(mine))
    finally:
        files.remove(claim)
    return mine


def _contended(path: str, why: str) -> LeaseHeld:
    return LeaseHeld(f"Somebody else is changing the lease {path} right now.", because=(why,), next=("try again",))


def _held(there: Lease, target: str, now: int) -> LeaseHeld:
    left = (there.until - now) / _NANO
    if left < 0:
        advice = f"ask them; the lease ran out {spoken(-left)} ago, so --take-over is reasonable if they do not answer"
    else:
        advice = "only if you know that they stopped: --take-over (two hands on one target can leave it broken)"
    term = f"it runs for another {spoken(left)}" if left >= 0 else "it has run out, which by itself hands nothing over"
    held = LeaseHeld(
        f"Somebody else acts on {target}.",
        because=(there.shown(), term),
        next=("wait for it to end", f"{again(there.run, target, '--take-over')}   # if it died", advice),
    )
    held.run, held.machine, held.ran_out = there.run, there.machine, left < 0
    return held


def _unusable(target: str, path: str, error: OSError) -> Refused:
    env, state = target.partition("/")[2], path.rpartition("/leases/")[0]
    return Refused(
        f"The lease of {target} cannot be used.",
        because=(f"{path}: {sanitise(error.strerror or str(error))}",),
        next=(
            f"set environments.{env}.state in lastgood.yaml to a folder that every operator can write to",
            f'or make this one theirs, on the host: sudo install -d -o "$(id -un)" {state}',
        ),
    )


def _unseen(target: str, path: str, error: OSError) -> InDoubt:
    return InDoubt(
        f"The lease of {target} cannot be reached any more.",
        because=(f"{path}: {sanitise(error.strerror or str(error))}",),
        next=("see that the host answers and its disk has room",),
    )
