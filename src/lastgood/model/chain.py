"""The chain of a run's journal lines: each line's hash covers the line and the hash before it. Pure.

What is hashed is written down here for whoever wants to check it by other means: the SHA-256 of the UTF-8 bytes of the
JSON array `["lastgood-journal-1", PREVIOUS, RUN, SEQ, AT, KIND, EVENT]` without white space and with non-ASCII text as
it is, where EVENT is the SHA-256 of the event's bytes as stored, PREVIOUS the hash of the line before (empty at the
first line), and hashes are lower-case hexadecimal.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

_FORM: Final = "lastgood-journal-1"


class Line(msgspec.Struct, frozen=True):
    """A journal line as it is stored. `hash` is empty where the lastgood that wrote it did not chain.

    `covers` is the SHA-256 of the event as it was, where secrets were taken out of `event` since; empty where it is as
    it was.
    """

    run: str
    seq: int
    at: int
    kind: str
    event: bytes
    hash: str = ""
    covers: str = ""


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with a record, and at which line of the journal; 0 where it is about no line."""

    line: int
    what: str


def digest(content: bytes) -> str:
    """SHA-256 in lower-case hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def seal(previous: str, line: Line) -> str:
    """The hash of a line after the one with the hash `previous`."""
    parts = (_FORM, previous, line.run, line.seq, line.at, line.kind, line.covers or digest(line.event))
    return digest(msgspec.json.encode(parts))


def seals(lines: Sequence[Line]) -> tuple[str, ...]:
    """The hash of each line of one run, from its first on, whatever is stored with them."""
    found: list[str] = []
    for line in lines:
        found.append(seal(found[-1] if found else "", line))
    return tuple(found)


def misfit(lines: Sequence[Line]) -> Fault | None:
    """The first place where the stored lines of one run are not those that were chained; None where they are.

    Nothing after it can fit. A line without a hash is fine: the next one that has a hash covers it as well.
    """
    for at, (line, wanted) in enumerate(zip(lines, seals(lines), strict=True), start=1):
        if line.seq != at:
            return Fault(at, f"line {at} is missing" if line.seq > at else f"line {line.seq} stands in another place")
        if line.hash and line.hash != wanted:
            what = "it was changed" if line.seq == 1 else "it, or a line before it that has none, was changed"
            return Fault(line.seq, f"line {line.seq} does not fit its hash: {what}")
    return None


def unchained(lines: Sequence[Line]) -> int:
    """How many lines stand before the first that was chained."""
    return next((at for at, line in enumerate(lines) if line.hash), len(lines))
