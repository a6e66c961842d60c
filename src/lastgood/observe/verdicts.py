"""Verdicts on a target's hosts: what one machine has found good or bad, every machine that goes there knows.

Journals are a machine's own, and a deploy is rarely judged where it is taken back. Commits tell of rollbacks only.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

import msgspec

from lastgood.model.errors import LastgoodError
from lastgood.model.release import Grade, Judgement
from lastgood.model.target import Target
from lastgood.model.text import sanitise
from lastgood.observe import left
from lastgood.observe.together import together
from lastgood.ports import Tools

_DAY: Final = 24 * 3600
_NEWEST: Final = 500
_LONGEST: Final = 300
_CONCLUSIVE: Final = frozenset({Grade.VERIFIED, Grade.BAD})


def elsewhere(target: Target, tools: Tools, own: Sequence[Judgement]) -> tuple[Judgement, ...]:
    """The verdicts of other machines than this one, whose `own` are known. A host that does not answer tells none."""
    known = {one.run for one in own}
    latest = left.latest(tools.clock)
    found = together([partial(_tried, tools, host, target) for host in target.hosts])
    return tuple(dict.fromkeys(one for each in found for one in each if one.run not in known and one.at <= latest))


def leave(target: Target, tools: Tools, hosts: Sequence[str], said: Iterable[Judgement]) -> tuple[str, ...]:
    """Leave conclusive verdicts, oldest first, on hosts; which of them could not be told, and why.

    What a host has heard already it is told again once a day, so that a check each minute fills no disk.
    """
    wanted = [one for one in said if one.grade in _CONCLUSIVE]
    return left.on_each(hosts, partial(_left, tools, target, wanted))


def path(target: Target) -> str:
    """Where they are on a host: one line of JSON for each, only ever added to."""
    return target.place("verdicts", "jsonl")


def _left(tools: Tools, target: Target, wanted: Sequence[Judgement], host: str) -> None:
    files = tools.files(host)
    content = files.read(path(target)) or b""
    there, news = _read(content, target), list[Judgement]()
    for one in wanted:
        if not _heard((*there, *news), one):
            news.append(one)
    if news:
        left.add(files, path(target), content, news)


def _heard(there: Sequence[Judgement], one: Judgement) -> bool:
    newest = next((old for old in reversed(there) if old.image == one.image), None)
    return newest is not None and newest.grade is one.grade and 0 <= one.at - newest.at < _DAY


def _tried(tools: Tools, host: str, target: Target) -> tuple[Judgement, ...]:
    try:
        return _read(tools.files(host).read(path(target)) or b"", target)
    except (OSError, LastgoodError):
        return ()


def _read(content: bytes, target: Target) -> tuple[Judgement, ...]:
    """The newest ones, oldest first. Anybody on the host may have written there: what is no verdict is passed over."""
    found = (_line(line) for line in content.splitlines()[-_NEWEST:])
    return tuple(one for one in found if one and one.target == target.name and one.grade in _CONCLUSIVE)


def _line(line: bytes) -> Judgement | None:
    try:
        one = msgspec.json.decode(line, type=Judgement)
    except ValueError:  # of UTF-8 as well
        return None
    if not left.whole(one.image):  # it becomes part of commands
        return None
    because, signature, run = (sanitise(text)[:_LONGEST] for text in (one.because, one.signature, one.run))
    return msgspec.structs.replace(one, because=because, signature=signature, run=run)
