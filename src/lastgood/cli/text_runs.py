"""Runs as text, and how far each came."""

from datetime import UTC, datetime

import msgspec

from lastgood.cli.carry import RunReport, end_text
from lastgood.cli.words import field, image, table
from lastgood.journal.fold import fold
from lastgood.journal.live import Live
from lastgood.journal.store import Journal
from lastgood.model.errors import Exit, LastgoodError
from lastgood.model.event import Run
from lastgood.model.plan import Member
from lastgood.model.release import Image
from lastgood.model.report import RunLine

_NANO = 1_000_000_000
_STATES = {
    Exit.DONE: "done",
    Exit.FAILED_RESTORED: "restored",
    Exit.REFUSED: "untouched",
    Exit.IN_DOUBT: "in doubt",
    Exit.NEEDS_HUMAN: "needs a human",
    Exit.MITIGATED: "mitigated",
}


def run_lines(journal: Journal, live: Live, limit: int) -> tuple[RunLine, ...]:
    """The newest runs. One that cannot be read is named as such and hides no other."""
    return tuple(_line(run, journal, live) for run in journal.runs()[:limit])


def _line(run: str, journal: Journal, live: Live) -> RunLine:
    try:
        found = fold(journal.entries(run))
    except (LastgoodError, ValueError, msgspec.MsgspecError) as error:
        return RunLine(run, "", "", "", "unreadable", None, str(error))
    started = datetime.fromtimestamp(found.started / _NANO, UTC).isoformat(timespec="seconds")
    ended, plan = found.ended, found.plan
    if ended is None:
        state = "running" if live.alive(run) else "died"
        return RunLine(run, plan.target, plan.action, started, state, None, f"lastgood resume {run}")
    return RunLine(run, plan.target, plan.action, started, _STATES.get(ended.exit, "ended"), ended.exit, ended.what)


def runs_text(found: tuple[RunLine, ...]) -> tuple[str, ...]:
    """One line each."""
    if not found:
        return ("No run yet.",)
    rows = [(one.run, one.target, one.action, one.state, one.what) for one in found]
    return table([("RUN", "TARGET", "ACTION", "STATE", "OUTCOME"), *rows])


def show_text(run: Run, report: RunReport, *, alive: bool) -> tuple[str, ...]:
    """A run line by line, then how it ended."""
    plan = run.plan
    goes = plan.attempts[0].parts if plan.attempts else ()
    return (
        f"{plan.action} of {plan.target}, run {run.id}",
        *field("from", *(_runs(member, many=len(plan.members) > 1) for member in plan.members)),
        *field("to", *(_named(part.service, part.image.image, many=len(goes) > 1) for part in goes)),
        *field("scope", plan.scope if plan.action == "rollback" else ""),
        *field("schema", plan.schema),
        *field("approved", f"by {run.consent.by} ({run.consent.how}), plan {run.consent.plan_digest}"),
        "",
        *(f"  {line.at}  {line.elapsed:7.1f}s  {line.text}" for line in report.timeline),
        "",
        *(end_text(msgspec.structs.replace(report, run="")) if run.ended else _unended(run.id, alive=alive)),
    )


def _runs(member: Member, *, many: bool) -> str:
    return _named(member.service, member.running, many=many) if member.running else "nothing that runs"


def _named(service: str, found: Image, *, many: bool) -> str:
    return f"{service}  {image(found)}" if many else image(found)


def _unended(run: str, *, alive: bool) -> tuple[str, ...]:
    if alive:
        return ("It is being carried out right now.",)
    return ("It stopped half-way.", *field("next", f"lastgood resume {run}", f"lastgood abort {run}"))
