"""Leaves what a run found on its hosts, where every other machine finds it: verdicts, and kinds of error messages."""

from collections.abc import Sequence
from functools import partial

from lastgood.model.event import Entry, LogErrors, Run
from lastgood.model.target import Target
from lastgood.observe import kinds, verdicts
from lastgood.observe.together import together
from lastgood.plan.moves import lost
from lastgood.run.desk import Desk


def passed_on(run: Run, entries: Sequence[Entry], desk: Desk) -> tuple[str, ...]:
    """Leave them on the hosts that still answer; what is to be said of those that did not take it, and no more."""
    silent = lost(run)
    hosts = [host for host in run.plan.hosts if host not in silent]
    return tuple(said for target in desk.group.members for said in _of_one(target, run, entries, desk, hosts))


def _of_one(target: Target, run: Run, entries: Sequence[Entry], desk: Desk, hosts: Sequence[str]) -> list[str]:
    newest_first, tools = desk.journal.judgements(target.name), desk.tools[target.service]
    mine = [one for one in reversed(newest_first) if one.run == run.id]
    read = [
        kinds.ErrorKinds.of(one, one.event)
        for one in entries
        if isinstance(one.event, LogErrors) and one.event.target == target.name
    ]
    unheard, unread = together(
        [partial(verdicts.leave, target, tools, hosts, mine), partial(kinds.leave, target, tools, hosts, read)]
    )
    told = [f"the verdict is not known to other machines: {why}" for why in unheard]
    return told + [f"the error messages are not known to other machines: {why}" for why in unread]
