"""Carries runs out for every verb that makes or takes up one: progress, then the end and its exit code."""

import sys
from collections.abc import Callable, Sequence

import msgspec

from lastgood.cli import out
from lastgood.cli.live import Moving, Plain, Screen, Silent, Telling
from lastgood.cli.session import Session
from lastgood.cli.words import field
from lastgood.journal.fold import fold
from lastgood.model.duration import spoken
from lastgood.model.errors import Exit, InDoubt, LastgoodError
from lastgood.model.event import Entry, Run, RunEnded
from lastgood.model.plan import AnyPlan
from lastgood.record.timeline import Line
from lastgood.record.timeline import lines as timeline
from lastgood.record.watches import LogWatch, watches
from lastgood.service import Teller

# What these exit codes promise, "nothing was touched", no longer holds once a run was begun.
_UNTOUCHED = (Exit.USAGE, Exit.REFUSED, Exit.CONSENT_NEEDED, Exit.WORLD_MOVED)


class RunReport(msgspec.Struct, frozen=True):
    """A run as `--json` prints it. `exit` is null while it goes on or after it died; `evidence` is a folder or empty.

    `run` and `plan` (the plan's digest) are empty where nothing had to be done.
    """

    run: str
    target: str
    action: str
    exit: Exit | None
    what: str
    because: tuple[str, ...]
    next: tuple[str, ...]
    plan: str
    evidence: str
    logs: tuple[LogWatch, ...]
    timeline: tuple[Line, ...]


def carry(session: Session, target: str, act: Callable[[Teller], RunEnded], plan: AnyPlan | None = None) -> int:
    """Do `act` with progress shown, print how it ended, and give the exit code.

    `plan` is that of a run that is taken up again. Raises what `act` raises; once a run was begun, InDoubt for what
    would otherwise claim that nothing was touched.
    """
    telling = Telling(_screen(session), plan)
    try:
        with telling:
            ended = act(Teller(telling.entry, telling.progress))
    except LastgoodError as error:
        if telling.run and error.exit in _UNTOUCHED:
            raise _stopped(telling.run, error.what, *error.because) from error
        raise
    except KeyboardInterrupt:
        if telling.run:
            raise _stopped(telling.run, "interrupted") from None
        raise
    except Exception as error:
        if telling.run:
            out.traced(error)
            raise _stopped(telling.run, f"internal error: {type(error).__name__}: {error}") from error
        raise
    entries = session.journal.entries(telling.run) if telling.run else ()
    report = reported(entries, ended) if entries else _nothing(target, ended)
    if sys.stderr.isatty() and not session.quiet:
        out.put("\n", err=True)  # the result stands apart from the progress above it
    session.answer("run", report, end_text(report))
    return int(ended.exit)


def _screen(session: Session) -> Screen:
    if session.quiet:
        return Silent()
    if sys.stderr.isatty():
        return Moving(colour=out.coloured(sys.stderr, off=session.no_color))
    return Plain()


def _stopped(run: str, *because: str) -> InDoubt:
    again = (f"lastgood resume {run}", f"lastgood abort {run}")
    return InDoubt(f"Run {run} stopped half-way.", because=because, next=again)


def reported(entries: Sequence[Entry], ended: RunEnded | None) -> RunReport:
    """A run's report from its journal lines; `ended` None while it goes on, or after it died."""
    run = fold(entries)
    return RunReport(
        run=run.id,
        target=run.plan.target,
        action=run.plan.action,
        exit=ended.exit if ended else None,
        what=ended.what if ended else f"Run {run.id} has no end yet.",
        because=ended.because if ended else (),
        next=ended.next if ended else (),
        plan=run.consent.plan_digest,
        evidence=_evidence(run),
        logs=watches(run),
        timeline=timeline(entries),
    )


def _nothing(target: str, ended: RunEnded) -> RunReport:
    return RunReport("", target, "", ended.exit, ended.what, ended.because, ended.next, "", "", (), ())


def _evidence(run: Run) -> str:
    folders = (run.done[step.id].details.get("folder") for step in run.plan.before if step.id in run.done)
    return next(filter(None, folders), "")


def end_text(report: RunReport) -> tuple[str, ...]:
    """How a run ended, why, and what is next."""
    ends = [line.elapsed for line in report.timeline if line.text.startswith("ended with exit")]
    took = spoken(ends[-1]) if ends else ""
    return (
        *out.block(report.what, report.because, report.next),
        *field("took", took),
        *field("evidence", report.evidence),
        *field("record", f"lastgood show {report.run}" if report.run else ""),
    )
