"""Who else knows the record of a run: the audit trail on its hosts, and the commits that it made."""

from collections.abc import Callable, Sequence

from lastgood.git.trailers import JOURNAL
from lastgood.journal import codec
from lastgood.journal.fold import fold
from lastgood.journal.store import Journal
from lastgood.model import chain
from lastgood.model.chain import Fault, Line
from lastgood.model.errors import LastgoodError, Refused
from lastgood.model.event import Run
from lastgood.model.facts import Unknown
from lastgood.model.release import short
from lastgood.model.target import Target, shown
from lastgood.model.verified import Mark, Statement
from lastgood.ports import DeployRepo, Files
from lastgood.run import trail
from lastgood.run.record import SEARCHED

_PARTS = 3


def witnesses(run: Run, target: Target, repo: DeployRepo, files: Callable[[str], Files]) -> tuple[Statement, ...]:
    """What the hosts and git know of a run's record. What cannot be asked says why; never raises for that."""
    found = trail.everywhere(run.plan.hosts, files, target.state, run.id)
    return (*(_host(host, told) for host, told in found.items()), *_git(run.id, target, repo))


def _host(host: str, told: tuple[Line, ...] | Refused) -> Statement:
    where = f"on host {shown(host)}"
    if isinstance(told, Refused):
        return Statement(where, because=" ".join((told.what, *told.because)))
    marks = tuple(Mark(at, sealed) for at, sealed in enumerate(chain.seals(told), start=1))
    return Statement(where, marks, "" if marks else "it has no line of the run")


def _git(run: str, target: Target, repo: DeployRepo) -> tuple[Statement, ...]:
    """One statement for each commit of the run; none where it made none."""
    where = f"in git on {target.branch}"
    try:
        with repo.lock():
            remote = repo.fetch()
            found = repo.trailers(JOURNAL, SEARCHED)
    except LastgoodError as error:
        return (Statement(where, because=error.what),)
    marks = [(commit, mark) for commit, values in found for value in values if (mark := marked(run, value))]
    told = tuple(Statement(f"in commit {short(commit)}", (mark,)) for commit, mark in marks)
    if isinstance(remote, Unknown):
        told = (*told, Statement(where, because=f"the git remote does not answer: {remote.reason}"))
    return told


def marked(run: str, value: str) -> Mark | None:
    """What a trailer `RUN/SEQ/HASH` says about `run`; None where it is about another, or cannot be read."""
    parts = value.split("/")
    if len(parts) != _PARTS or parts[0] != run or not parts[1].isdecimal() or not parts[1].isascii():
        return None
    return Mark(int(parts[1]), parts[2])


def labelled(journal: Journal, lines: Sequence[Line]) -> tuple[Fault, ...]:
    """Lines that the journal finds under another target, or as of another kind, than they are of.

    Raises Refused where a line cannot be read by this version.
    """
    found: list[Fault] = []
    for line, label in zip(lines, journal.labels(lines[0].run) if lines else (), strict=False):
        event = codec.read(line).event
        if (line.kind, label) != (codec.kind_of(event), codec.target_of(event)):
            found.append(Fault(line.seq, f"line {line.seq} is filed as something that it is not"))
    return tuple(found)


def told(lines: Sequence[Line]) -> Run:
    """The run that the lines add up to. Raises Refused where they cannot be read, or are no run."""
    try:
        return fold([codec.read(line) for line in lines])
    except ValueError as error:
        raise Refused("The record cannot be read as a run.", because=(str(error),)) from error
