"""Kept evidence against the record: every file that a run's journal names, and whether it is as it was."""

from collections.abc import Iterator, Sequence

import msgspec

from lastgood.model.chain import Fault, digest
from lastgood.model.event import Entry, Kept, KeptFile
from lastgood.model.verified import EvidenceCheck
from lastgood.record.bundle import read


class Piece(msgspec.Struct, frozen=True):
    """One piece of evidence that the journal's line `line` names; `content` None where it is not here as it was.

    `because` says why not; empty where another machine keeps it.
    """

    line: int
    step: str
    file: KeptFile
    content: bytes | None
    because: str = ""


def pieces(entries: Sequence[Entry], folder: str, machine: str) -> Iterator[Piece]:
    """Each piece of a run's evidence, read from this machine's folder of the run, one at a time.

    `machine` is this machine's own name for itself: what another one kept is looked for here all the same.
    """
    for entry in entries:
        if isinstance(entry.event, Kept):
            for file in entry.event.files:
                yield _piece(entry.seq, entry.event, file, folder, mine=entry.event.machine == machine)


def _piece(line: int, event: Kept, file: KeptFile, folder: str, *, mine: bool) -> Piece:
    if "/" in file.file or file.file in {"", ".", ".."}:
        return Piece(line, event.step, file, None, f"{file.name} is under a name that is none of a kept file")
    content = read(f"{folder}/{file.file}")
    if content is None:
        return Piece(line, event.step, file, None, f"{file.name}, kept for {event.step}, is gone" if mine else "")
    if digest(content) != file.sha256:
        return Piece(line, event.step, file, None, f"{file.name}, kept for {event.step}, was changed since")
    return Piece(line, event.step, file, content)


def checked(found: Sequence[Piece]) -> tuple[EvidenceCheck, tuple[Fault, ...]]:
    """How much of the evidence is here as it was, and what is wrong with the rest."""
    faults = tuple(Fault(one.line, one.because) for one in found if one.because)
    here = sum(1 for one in found if one.content is not None)
    return EvidenceCheck(len(found), here, len(found) - here - len(faults)), faults
