"""Kinds of error messages on a target's hosts: what one machine has read in logs is not new for every other one.

They are left as signatures: secrets and what varies are out of them before, and no line of a log stands there. What is
found is data that is not trusted: it can keep an error from being called new, and does nothing else.
"""

import re
import time
from collections.abc import Container, Iterable, Sequence
from functools import partial
from itertools import accumulate, takewhile
from typing import Final, TypeAlias

import msgspec

from lastgood.judge.errors import MOST, is_signature
from lastgood.model.errors import LastgoodError
from lastgood.model.event import Entry, LogErrors
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.release import Image
from lastgood.model.target import Target
from lastgood.observe import left
from lastgood.observe.together import Asked, answer_by
from lastgood.ports import Tools

_DAY: Final = 24 * 3600
_NANO: Final = 1_000_000_000
_ROOM: Final = 256 * 1024
"""So many bytes of a file are read, and about as many it may have."""
_RUN: Final = re.compile(r"\w[\w.-]{0,63}", re.ASCII)
Answers: TypeAlias = "dict[str, Fact[tuple[ErrorKinds, ...]]]"
"""By host what it was told, oldest first; or why it does not tell."""


class ErrorKinds(msgspec.Struct, frozen=True):
    """The kinds of error messages that `run` read in the logs of `image`, by their signatures; none is a finding too.

    `at` is when, in Unix seconds.
    """

    target: str
    image: Image
    at: int
    run: str
    kinds: tuple[str, ...]

    @classmethod
    def of(cls, entry: Entry, event: LogErrors) -> "ErrorKinds":
        """What a line of the journal has, from which secrets are out."""
        found = tuple(one.signature for one in event.found if is_signature(one.signature))
        return cls(event.target, event.image, entry.at // _NANO, entry.run, found)


class Heard(msgspec.Struct, frozen=True):
    """What a host tells of one release: the `kinds` that its logs showed, and the `runs` that read them."""

    kinds: tuple[str, ...]
    runs: tuple[str, ...]


class Asking:
    """Every host asked what it was told of the target's releases, each in a thread of its own, from now on."""

    def __init__(self, target: Target, tools: Tools, hosts: Sequence[str]) -> None:
        self._asked = {host: Asked(partial(_tried, tools, target, host)) for host in hosts}

    def answers(self, seconds: float) -> Answers:
        """What they answer; waits for so many seconds at most. Raises nothing."""
        end = time.monotonic() + seconds
        found = {host: answer_by(one, end) for host, one in self._asked.items()}
        return {host: fact if isinstance(fact, Unknown) else fact.value for host, fact in found.items()}


def heard(told: Iterable[ErrorKinds], image: Image, besides: Container[str]) -> Heard | None:
    """What runs `besides` these showed of a release, as one; None where none of them read its logs."""
    mine = [one for one in told if one.run not in besides and one.image.same(image)]
    kinds = dict.fromkeys(kind for one in mine for kind in one.kinds)
    return Heard(tuple(kinds), tuple(dict.fromkeys(one.run for one in mine))) if mine else None


def leave(target: Target, tools: Tools, hosts: Sequence[str], read: Sequence[ErrorKinds]) -> tuple[str, ...]:
    """Leave what was read, oldest first, on hosts; which of them could not be told, and why.

    Of what a host has heard within a day only what is more is told again. Where the file has become large, its older
    half goes; what another machine adds in that moment may go with it, and is told again the next time it is read.
    """
    return left.on_each(hosts, partial(_left, tools, target, read))


def path(target: Target) -> str:
    """Where they are on a host: one line of JSON for each reading."""
    return target.place("errors", "jsonl")


def _left(tools: Tools, target: Target, read: Sequence[ErrorKinds], host: str) -> None:
    if not read:
        return
    files = tools.files(host)
    content = files.read(path(target)) or b""
    there, news = _found(content, target, left.latest(tools.clock)), list[ErrorKinds]()
    for one in read:
        if not _known((*there, *news), one):
            news.append(one)
    if news and len(content) > _ROOM:
        files.replace(path(target), left.encoded((*_newest(there), *news)))
    elif news:
        left.add(files, path(target), content, news)


def _known(there: Iterable[ErrorKinds], one: ErrorKinds) -> bool:
    lately = [old for old in there if old.image == one.image and 0 <= one.at - old.at < _DAY]
    return bool(lately) and set(one.kinds) <= {kind for old in lately for kind in old.kinds}


def _newest(there: Sequence[ErrorKinds]) -> list[ErrorKinds]:
    """As many as half the room takes, oldest first."""
    sizes = accumulate(len(left.encoded([one])) for one in reversed(there))
    return list(there[len(there) - len(list(takewhile(lambda size: size <= _ROOM // 2, sizes))) :])


def _tried(tools: Tools, target: Target, host: str) -> Fact[tuple[ErrorKinds, ...]]:
    try:
        return Known(_found(tools.files(host).read(path(target)) or b"", target, left.latest(tools.clock)))
    except (OSError, LastgoodError) as error:
        return Unknown(left.why(error))


def _found(content: bytes, target: Target, latest: int) -> tuple[ErrorKinds, ...]:
    """Oldest first. Anybody on the host may have written there: what is no reading is passed over."""
    lines = (_line(line) for line in content[-_ROOM:].splitlines())
    return tuple(one for one in lines if one and one.target == target.name and one.at <= latest)


def _line(line: bytes) -> ErrorKinds | None:
    """A reading; None for what a lastgood does not write: a part of a line, another shape, a raw line of a log."""
    try:
        one = msgspec.json.decode(line, type=ErrorKinds)
    except ValueError:  # of UTF-8 as well
        return None
    fits = len(one.kinds) <= MOST and all(map(is_signature, one.kinds)) and _RUN.fullmatch(one.run)
    return one if fits and left.whole(one.image) else None
