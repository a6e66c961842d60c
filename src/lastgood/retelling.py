"""The facade behind `postmortem`: a run told for people, in a file that they write in as well."""

from collections.abc import Callable
from contextlib import suppress
from datetime import MAXYEAR, MINYEAR, UTC, datetime, tzinfo
from pathlib import Path

import msgspec

from lastgood.effects.process import LocalProcess
from lastgood.git.origin import read_origin
from lastgood.journal.fold import fold
from lastgood.journal.store import Journal
from lastgood.model.errors import LastgoodError, UsageError
from lastgood.model.event import Run
from lastgood.record import kept
from lastgood.record.blocks import read_head
from lastgood.record.incident import Incident, incident
from lastgood.record.measured import rates
from lastgood.record.next_time import questions
from lastgood.record.postmortem import document, written
from lastgood.record.prose import Html, Markdown, plain
from lastgood.record.sources import Sources
from lastgood.service import Service
from lastgood.wiring import Places


class Retold(msgspec.Struct, frozen=True):
    """What `lastgood postmortem` made. `file` is empty where it went to stdout; times are ISO 8601 UTC, or empty.

    `questions` are those that the record leaves open, `text` is the document.
    """

    run: str
    target: str
    status: str
    file: str
    changed: str
    detected: str
    decided: str
    mitigated: str
    resolved: str
    acknowledged: str
    questions: tuple[str, ...]
    text: str


def retold(  # noqa: PLR0913 - all that a document is made of
    journal: Journal,
    places: Places,
    run_id: str,
    service: Callable[[Run], Service],
    *,
    form: str,
    theirs: str | None,
    detected: str,
) -> Retold:
    """A run as a document of the form `md` or `html`, with what people wrote into `theirs`.

    `detected` (ISO 8601) is when somebody noticed; empty where nobody says so now. Raises UsageError where it is no
    time, or `theirs` is not such a file.
    """
    entries = journal.entries(run_id)
    run = fold(entries)
    before = read_head(theirs) if theirs is not None else None
    stated = _at(detected) or _at(before.stated.get("detected", "") if before else "")
    services = {step.id: getattr(step, "service", "") for step in run.plan.steps()}
    measured = rates(kept.pieces(entries, f"{places.state}/evidence/{run_id}", ""), services)
    found = incident(run, entries, journal.head(run_id), stated.timestamp() if stated else None, measured)
    said = {"detected": stated.isoformat(timespec="seconds")} if stated else {}
    made = document(found, _sources(run, service), _local(found))
    try:
        text = written(made, Html() if form == "html" else Markdown(), form, theirs, said)
    except ValueError as error:
        raise UsageError("The file cannot be brought up to date.", because=(str(error),), next=_OTHER) from error
    return _told(found, text)


_OTHER = ("name another file: --output FILE",)


def _told(found: Incident, text: str) -> Retold:
    times = found.times
    return Retold(
        run=found.run.id,
        target=found.run.plan.target,
        status=found.status,
        file="",
        changed=_iso(times.changed),
        detected=_iso(times.detected),
        decided=_iso(times.decided),
        mitigated=_iso(times.mitigated),
        resolved=_iso(times.resolved),
        acknowledged=_iso(times.acknowledged),
        questions=tuple(plain(one) for one in questions(found)),
        text=text,
    )


def _iso(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _at(text: str) -> datetime | None:
    """A time as somebody typed it; one without an offset is this machine's. Raises UsageError where it is none."""
    if not text:
        return None
    with suppress(ValueError, OverflowError):
        found = datetime.fromisoformat(text).astimezone(UTC)
        if MINYEAR + 1 < found.year < MAXYEAR:  # others have no local time everywhere
            return found
    raise UsageError(f"{text!r} is no time.", next=("--detected 2026-11-22T17:30Z",))


def _local(found: Incident) -> tzinfo:
    """This machine's time zone, as it was when the run began."""
    zone = datetime.fromtimestamp(found.times.decided, UTC).astimezone().tzinfo
    return zone or UTC


def _sources(run: Run, service: Callable[[Run], Service]) -> Sources:
    """The addresses of the repos, as far as they are known here."""
    code: dict[str, str] = {}
    with suppress(LastgoodError):
        there = service(run)
        for member in run.plan.members:
            with suppress(LastgoodError):
                repo, _ = there.source(member.service)
                code[member.service] = _remote(repo, there.repo)
    deploy = ""
    with suppress(LastgoodError):
        deploy = read_origin(LocalProcess(), run.repo).url
    return Sources(deploy, code)


def _remote(repo: str, base: str) -> str:
    """The address of a code repo; where it is a folder, relative ones from `base`, that of its remote."""
    folder = Path(base, repo)
    return read_origin(LocalProcess(), str(folder)).url if folder.is_dir() else repo
