"""The facade behind `verify` and `bundle`: what is kept of a run, and whether it is what was written down."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from lastgood.journal import codec
from lastgood.journal.store import Journal
from lastgood.model import chain
from lastgood.model.chain import Line
from lastgood.model.errors import LastgoodError, Refused, UsageError
from lastgood.model.event import Entry, Kept, Run, RunStarted
from lastgood.model.verified import Bundled, EvidenceCheck, Mark, Statement, Verified
from lastgood.record import bundle, handover, kept
from lastgood.record.handover import Manifest
from lastgood.record.verify import verify
from lastgood.run import notes, witnesses
from lastgood.service import Service
from lastgood.wiring import Places

_NANO = 1_000_000_000


def verified(
    journal: Journal, places: Places, run: str, service: Callable[[Run], Service] | None, head: str = ""
) -> Verified:
    """Whether the record of a run, and the evidence that it names, is what was written down.

    The run's hosts and the deploy repo of `service` are asked for what they know of it, nobody where it is None. `head`
    is a hash of it that somebody has from elsewhere. Raises Refused where only another version can read the record.
    """
    lines = journal.lines(run)
    statements = _by_hand(head)
    since = _moment(journal.chained_since())
    try:
        told = witnesses.told(lines)
    except Refused:
        if chain.misfit(lines) is None:
            raise
        return verify(run, "", lines, statements, chained_since=since)
    evidence, damaged = kept.checked(tuple(_pieces(places, run, list(map(codec.read, lines)))))
    faults = (*witnesses.labelled(journal, lines), *damaged)
    alone = service is None or told.plan.action == "check"  # which only looks, and so leaves nothing on the hosts
    if service is not None and not alone:
        lines = _caught_up(journal, told, service)
        statements += _asked(told, service)
    return verify(
        run, told.plan.target, lines, statements, faults=faults, evidence=evidence, chained_since=since, alone=alone
    )


def verified_bundle(
    archive: bytes, journal: Journal, service: Callable[[Run], Service] | None, head: str = "", *, alone: bool = False
) -> Verified:
    """The same of a bundle; the journal of this machine is asked too, where it has the run.

    `alone` says that nobody else is to be asked. Raises UsageError where it is no bundle.
    """
    try:
        found = handover.unpack(archive)
    except ValueError as error:
        raise UsageError("That is no bundle of a run.", because=(str(error),), next=("lastgood bundle RUN",)) from error
    entries = _readable(found.lines)
    pieces = [file for entry in entries if isinstance(entry.event, Kept) for file in entry.event.files]
    here = sum(f"evidence/{file.file}" in found.files for file in pieces)
    own = chain.seals(journal.lines(found.run))
    statements = _by_hand(head) + ((_marks("in the journal here", own),) if own else ())
    first = entries[0].event if entries else None
    target = first.plan.target if isinstance(first, RunStarted) else ""
    if service is not None and len(entries) == len(found.lines) and isinstance(first, RunStarted):
        statements += _asked(witnesses.told(found.lines), service)
    return verify(
        found.run,
        target,
        found.lines,
        statements,
        faults=(*found.faults, *handover.unnamed(found, entries)),
        evidence=EvidenceCheck(len(pieces), here, len(pieces) - here),
        limits=handover.retold(found, target, entries),
        handed_over=True,
        alone=alone,
    )


def packed(journal: Journal, places: Places, run: str) -> tuple[bytes, Manifest, tuple[str, ...]]:
    """A run's bundle, what is in it, and which evidence is gone or was changed. Raises Refused as `verified` does."""
    lines = journal.lines(run)
    told = witnesses.told(lines)
    entries = list(map(codec.read, lines))
    pieces = tuple(_pieces(places, run, entries))
    archive, manifest = handover.pack(told.plan.target, lines, entries, pieces)
    return archive, manifest, tuple(one.because for one in pieces if one.because)


def bundled(file: str, archive: bytes, manifest: Manifest, damaged: tuple[str, ...]) -> Bundled:
    """What is told of a bundle that was written to `file`."""
    redacted = [f"{one.path}: {kind}" for one in manifest.files for kind in one.redacted]
    redacted += [f"journal.jsonl: line {line}" for line in manifest.masked]
    return Bundled(
        run=manifest.run,
        target=manifest.target,
        file=file,
        sha256=chain.digest(archive),
        size=len(archive),
        files=len(manifest.files) + 1,
        head=manifest.head,
        redacted=tuple(redacted),
        missing=manifest.missing,
        damaged=damaged,
    )


def _pieces(places: Places, run: str, entries: Sequence[Entry]) -> Sequence[kept.Piece]:
    machine = (bundle.read(f"{places.state}/machine") or b"").decode(errors="replace")
    return tuple(kept.pieces(entries, f"{places.state}/evidence/{run}", machine))


def _readable(lines: Sequence[Line]) -> list[Entry]:
    """The lines that say something: where secrets were taken out of one, it may be no event any more."""
    found: list[Entry] = []
    for line in lines:
        with suppress(Refused):
            found.append(codec.read(line))
    return found


def _by_hand(head: str) -> tuple[Statement, ...]:
    return (Statement("by --head", (Mark(0, head),)),) if head else ()


def _marks(where: str, seals: Sequence[str]) -> Statement:
    return Statement(where, tuple(Mark(at, sealed) for at, sealed in enumerate(seals, start=1)))


def _caught_up(journal: Journal, told: Run, service: Callable[[Run], Service]) -> tuple[Line, ...]:
    """The record with what people said on other machines since: that this is missing here is no fault."""
    with suppress(LastgoodError):
        notes.learn(service(told).desk(told.plan.target), told.id, told.plan.hosts)
    return journal.lines(told.id)


def _asked(run: Run, service: Callable[[Run], Service]) -> tuple[Statement, ...]:
    name, _, env = run.plan.target.partition("/")
    try:
        there = service(run)
        target = there.group(name, env).first
        tools = there.tools(target)
    except LastgoodError as error:
        return (Statement("on the hosts and in git", because=error.what),)
    return witnesses.witnesses(run, target, tools.repo, tools.files)


def _moment(at: int | None) -> str:
    return "" if at is None else f"{datetime.fromtimestamp(at // _NANO, UTC):%Y-%m-%d %H:%M} UTC"
