"""Which error messages a log holds, each kind once, so that those of two releases can be compared. Pure."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from lastgood.judge.patterns import ACCESS, QUIET
from lastgood.model.event import ErrorLine
from lastgood.model.situation import Line, Log

MOST: Final = 40
"""Kinds of one log that are told apart; a release with more has more trouble than a list can show."""

_LONGEST: Final = 200
_NEAR: Final = 80
_SERVER_ERROR: Final = 500
_ANSWERED: Final = re.compile(r"a request was answered with 5\d\d", re.ASCII)
# What loggers and runtimes write where something failed; a level that is said decides (QUIET).
_ERROR: Final = re.compile(
    r"\b(?:errors?|fatal|panic(?:ked)?|traceback|critical|segfault|segmentation fault|uncaught|unhandled|emerg)\b"
    r"|\b\w{1,60}(?:Error|Exception)\b|\"level\": ?(?:50|60)\b|^E\d{4} ",
    re.IGNORECASE,
)
_NONE: Final = re.compile(
    r"\b(?:no|0|without|zero) errors?\b|\berrors?\"?[=:] ?(?:0\b|nil\b|null\b|none\b|\[\])", re.IGNORECASE
)
# What varies between two messages of one kind, the longer forms first: times, ids, addresses, numbers.
_VARIES: Final = (
    re.compile(r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z| ?[+-]\d\d:?\d\d)?"),
    re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"),
    re.compile(r"\b0x[0-9a-fA-F]+\b|\b(?=[a-f]*\d)[0-9a-f]{8,}\b"),
    re.compile(r"\d+(?:[.:]\d+)*"),
)


def errors(logs: Sequence[Log], since: int = 0, until: int = 0) -> tuple[ErrorLine, ...]:
    """The kinds of error messages that a service's own containers wrote, those written most often first.

    Lines from before `since`, or from `until` on (Unix seconds, 0: no such limit), do not count; lines that carry no
    time do.
    """
    found: dict[str, ErrorLine] = {}
    for log in logs:
        for line in log.lines if log.mine else ():
            if line.at and (line.at < since or (until and line.at >= until)):
                continue
            one = _read(line)
            if one:
                found[one.signature] = _added(found.get(one.signature), one)
    return tuple(sorted(found.values(), key=lambda one: -one.count))[:MOST]


def merged(several: Iterable[tuple[ErrorLine, ...]]) -> tuple[ErrorLine, ...]:
    """What several readings of logs showed, as one."""
    found: dict[str, ErrorLine] = {}
    for one in (one for reading in several for one in reading):
        found[one.signature] = _added(found.get(one.signature), one)
    return tuple(found.values())


def new(after: Sequence[ErrorLine], *known: Sequence[ErrorLine]) -> tuple[ErrorLine, ...]:
    """Those of `after` that none of the others showed."""
    seen = {one.signature for each in known for one in each}
    return tuple(one for one in after if one.signature not in seen)


def signature(text: str) -> str:
    """A message without what varies from one of its kind to the next."""
    for pattern in _VARIES:
        text = pattern.sub("#", text)
    return " ".join(text.split()).lstrip("# ")[:_LONGEST].rstrip()


def is_signature(text: str) -> bool:
    """Whether text from elsewhere can be what `errors` calls a kind by; nothing a terminal would act upon is."""
    if not text.isprintable() or not 0 < len(text) <= _LONGEST:
        return False
    return text == signature(text) or _ANSWERED.fullmatch(text) is not None


def _read(line: Line) -> ErrorLine | None:
    text = line.text.strip()
    access = ACCESS.search(text)
    if access:  # what was asked for is a customer's, and no kind of error
        status = int(access["status"])
        said = f"a request was answered with {status}"
        return ErrorLine(said, 1, said, line.at) if status >= _SERVER_ERROR else None
    if QUIET.search(text[:_NEAR]) or not _ERROR.search(_NONE.sub("", text)):
        return None
    return ErrorLine(signature(text), 1, text[:_LONGEST], line.at)


def _added(first: ErrorLine | None, again: ErrorLine) -> ErrorLine:
    if first is None:
        return again
    times = [at for at in (first.at, again.at) if at]
    return msgspec.structs.replace(first, count=first.count + again.count, at=min(times, default=0))
