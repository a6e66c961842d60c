"""The record of a run that is only read: from this machine's journal, or as the run's hosts have it.

What the hosts know is read into a copy that is gone with the command. The journal here stays as it is: reading neither
makes a run one of this machine's, to be taken up and told of, nor disturbs whoever carries it out elsewhere.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from lastgood.cli.session import Session
from lastgood.journal.fold import fold
from lastgood.journal.store import Journal
from lastgood.model.chain import Line
from lastgood.model.errors import Exit, LastgoodError, UsageError
from lastgood.model.event import Run
from lastgood.service import Service

WHOLE: Final = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}", re.ASCII)
"""The whole id of a run: hosts are not asked for less."""

_FROM_ELSEWHERE: Final = ("resumed", "ticked", "acknowledged")


@dataclass(frozen=True)
class Record:
    """A run's id, and the journal that has its lines; a copy of what hosts have where `folder` holds one."""

    session: Session
    run: str
    journal: Journal
    folder: "TemporaryDirectory[str] | None" = None

    def service(self, run: Run) -> Service:
        """The service of the run's deploy repo: the one at hand, where it was begun in a folder of another machine.

        Raises UsageError or ConfigError where there is none to be had.
        """
        here = self.folder is None and Path(run.repo).is_dir()
        return self.session.service_at(run.repo) if here and not self.session.repo else self.session.service


def record(session: Session, run: str | None, *, fresh: bool = True) -> Record:
    """The record of the run whose id begins with `run`, or of the newest one here.

    The hosts of the deploy repo at hand are asked for a run that is not known here, and, where `fresh`, for what became
    of one that is not over here: another machine may have gone on with it. Raises UsageError where nobody knows it,
    Refused where what hosts have cannot be relied on.
    """
    try:
        here = Record(session, session.found(run), session.journal)
    except UsageError as error:
        if run is None or not WHOLE.fullmatch(run):
            raise
        return _copied(session, run, _asked(session, run, error))
    if fresh and not _over(fold(session.journal.entries(here.run))) and not session.live.alive(here.run):
        return _continued(here)
    return here


def _over(run: Run) -> bool:
    """Whether nobody can take it up any more; where a person is needed, they may do so from another machine."""
    over = (Exit.DONE, Exit.FAILED_RESTORED, Exit.REFUSED, Exit.WORLD_MOVED)
    return run.ended is not None and run.ended.exit in over


def own(session: Session, run: str | None) -> Record:
    """As `record`, for judging the record here: what was cut off from it is not taken from the hosts unseen.

    Where another machine went on, the first line that is missing here is that it took the run up, or what a person
    said. Any other was written here first: then it was taken away since. Raises as `record` does.
    """
    found = record(session, run)
    here, there = session.journal.lines(found.run), found.journal.lines(found.run)
    if found.folder is not None and here and there[len(here)].kind not in _FROM_ELSEWHERE:
        return Record(session, found.run, session.journal)
    return found


def _asked(session: Session, run: str, unknown: UsageError) -> tuple[Line, ...]:
    """The run's lines from the hosts. Raises `unknown` with why they could not be asked."""
    try:
        service = session.service
    except LastgoodError as error:
        because = (f"nor can hosts be asked for it: {error.what}",)
        raise UsageError(unknown.what, because=because, next=(*unknown.next, *error.next)) from error
    return service.told(run)


def _continued(here: Record) -> Record:
    """The record with what hosts know beyond it; as it is here where they know no more, or cannot be asked."""
    known = here.journal.lines(here.run)
    with suppress(LastgoodError):
        there = here.service(fold(here.journal.entries(here.run))).told(here.run)
        if len(there) > len(known) and [line.event for line in there[: len(known)]] == [line.event for line in known]:
            return _copied(here.session, here.run, there)
    return here


def _copied(session: Session, run: str, lines: tuple[Line, ...]) -> Record:
    folder = TemporaryDirectory(prefix="lastgood-")
    journal = Journal(f"{folder.name}/journal.db")
    journal.adopt(lines)
    return Record(session, run, journal, folder)
