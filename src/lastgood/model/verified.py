"""What `lastgood verify` answers: whether the record of a run is what was written down, and how that is known."""

import enum

import msgspec

from lastgood.model.chain import Fault
from lastgood.model.errors import Exit


class Verdict(enum.StrEnum):
    """How a record stands. What nobody else knows of is unproven, never whole."""

    WHOLE = "whole"
    BROKEN = "broken"
    UNPROVEN = "unproven"


class Mark(msgspec.Struct, frozen=True):
    """The hash that a run's record had at a line, as it is known elsewhere; `line` 0 where that says only the hash."""

    line: int
    hash: str


class Statement(msgspec.Struct, frozen=True):
    """What somebody else knows of a run's record, or `because` nothing can be learned there."""

    where: str
    marks: tuple[Mark, ...] = ()
    because: str = ""


class Witness(msgspec.Struct, frozen=True):
    """Who else knows the record, up to which line (0: nothing of it), and why not further."""

    where: str
    lines: int
    because: str = ""


class Verified(msgspec.Struct, frozen=True):
    """The record of one run as it was found. `head` is the hash of its newest line.

    `unchained` is how many lines were written before there were hashes. `limits` say what is not proven.
    """

    run: str
    target: str
    verdict: Verdict
    lines: int
    head: str
    unchained: int
    witnesses: tuple[Witness, ...]
    faults: tuple[Fault, ...]
    limits: tuple[str, ...]

    @property
    def exit(self) -> Exit:
        """8 unless it is whole."""
        return Exit.DONE if self.verdict is Verdict.WHOLE else Exit.NEEDS_HUMAN
