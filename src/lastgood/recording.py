"""The facade behind `verify`: what is kept of a run, and whether it is what was written down."""

from collections.abc import Callable
from datetime import UTC, datetime

from lastgood.journal.store import Journal
from lastgood.model import chain
from lastgood.model.errors import LastgoodError, Refused
from lastgood.model.event import Run
from lastgood.model.verified import Mark, Statement, Verified
from lastgood.record.verify import verify
from lastgood.run import witnesses
from lastgood.service import Service

_NANO = 1_000_000_000


def verified(journal: Journal, run: str, service: Callable[[Run], Service] | None, head: str = "") -> Verified:
    """Whether the record of a run is what was written down.

    The run's hosts and the deploy repo of `service` are asked for what they know of it, nobody where it is None. `head`
    is a hash of it that somebody has from elsewhere. Raises Refused where only another version can read the record.
    """
    lines = journal.lines(run)
    statements: tuple[Statement, ...] = (Statement("by --head", (Mark(0, head),)),) if head else ()
    since = _moment(journal.chained_since())
    try:
        told = witnesses.told(lines)
    except Refused:
        if chain.misfit(lines) is None:
            raise
        return verify(run, "", lines, statements, chained_since=since)
    faults = witnesses.labelled(journal, lines)
    alone = service is None or told.plan.action == "check"  # which only looks, and so leaves nothing on the hosts
    if service is not None and not alone:
        statements += _asked(told, service)
    target = told.plan.target
    return verify(run, target, lines, statements, faults=faults, chained_since=since, alone=alone)


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
