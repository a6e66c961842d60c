"""Taking over what the hosts know of a run that another machine began, or went on with."""

from collections.abc import Callable, Iterable, Sequence

from lastgood.journal import codec
from lastgood.journal.fold import fold
from lastgood.journal.store import Journal
from lastgood.model.chain import Line
from lastgood.model.errors import Exit, Refused, UsageError
from lastgood.model.target import Target
from lastgood.ports import DeployRepo, Files
from lastgood.run import trail


def adopt(
    run_id: str,
    journal: Journal,
    files: Callable[[str], Files],
    targets: Iterable[Target],
    repo: Callable[[Target], DeployRepo],
) -> None:
    """Have the run's lines in the journal here, and what it prepared in git.

    Raises UsageError where nobody knows the run, Refused where what a host knows contradicts the journal here.
    """
    known = bool(journal.entries(run_id))
    for target in {target.hosts: target for target in targets}.values():  # each set of hosts once
        try:
            lines = trail.fetch(target.hosts, files, target.state, run_id)
        except Refused:
            if known:  # the journal here is enough; what the run acts on will be asked anyway
                continue
            raise
        _lines(journal, lines)
        if lines:
            _trees(run_id, journal, files, target, repo(target))
    if not journal.entries(run_id):
        raise UsageError(f"There is no run {run_id!r}, here or on the hosts.", next=("lastgood runs",))


def told(run_id: str, files: Callable[[str], Files], targets: Iterable[Target]) -> tuple[Line, ...]:
    """The run's lines from the host that has most of them.

    Raises UsageError where nobody knows the run, Refused where hosts cannot be read and no other knows it.
    """
    refused: Refused | None = None
    found: list[tuple[Line, ...]] = []
    for target in {target.hosts: target for target in targets}.values():
        try:
            found.append(trail.fetch(target.hosts, files, target.state, run_id))
        except Refused as error:
            refused = error
    lines = max(found, key=len, default=())
    if lines:
        return lines
    raise refused or UsageError(f"There is no run {run_id!r}, here or on the hosts.", next=("lastgood runs",))


def _lines(journal: Journal, lines: Sequence[Line]) -> None:
    """Take the lines of a host over. Where the run has ended there, lines that only this machine has do not matter.

    A machine that died may have written a line that it did not get to tell the host any more.
    """
    try:
        journal.adopt(lines)
    except Refused:
        entries = [codec.read(line) for line in lines]
        ended = fold(entries).ended
        if ended is None or ended.exit in (Exit.IN_DOUBT, Exit.MITIGATED):
            raise
        here = {(entry.at, type(entry.event)) for entry in journal.entries(entries[0].run)}
        for entry in entries:
            if (entry.at, type(entry.event)) not in here:
                journal.append(entry.run, entry.event, entry.at)


def _trees(run_id: str, journal: Journal, files: Callable[[str], Files], target: Target, repo: DeployRepo) -> None:
    """Have what the run prepared in git, which only the machine that began it made."""
    plan = fold(journal.entries(run_id)).plan
    with repo.lock():
        repo.fetch()
        if plan.base and not repo.holds(plan.trees):
            repo.unpack(trail.trees(target.hosts, files, target.state, run_id))
