"""What `lastgood verify` and `bundle` answer: is a run's record what was written down, and what was handed over."""

import enum

import msgspec

from lastgood.model.chain import Fault
from lastgood.model.errors import Exit


class Bundled(msgspec.Struct, frozen=True):
    """What `lastgood bundle` wrote: the file, its SHA-256 and size in bytes, and how many files are in it.

    `redacted` says where secrets were taken out, `missing` which evidence is not in it; `damaged` are those of them
    that should be here.
    """

    run: str
    target: str
    file: str
    sha256: str
    size: int
    files: int
    head: str
    redacted: tuple[str, ...]
    missing: tuple[str, ...]
    damaged: tuple[str, ...]

    @property
    def exit(self) -> Exit:
        """8 where evidence is gone or was changed: what was handed over is not all that was kept."""
        return Exit.NEEDS_HUMAN if self.damaged else Exit.DONE


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


class EvidenceCheck(msgspec.Struct, frozen=True):
    """How many pieces of evidence the record names, how many are here as they were, and on other machines."""

    named: int = 0
    here: int = 0
    elsewhere: int = 0


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
    evidence: EvidenceCheck = EvidenceCheck()

    @property
    def exit(self) -> Exit:
        """8 unless it is whole."""
        return Exit.DONE if self.verdict is Verdict.WHOLE else Exit.NEEDS_HUMAN
