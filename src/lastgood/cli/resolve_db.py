"""`lastgood db resolve`: look, show, ask once, set."""

from typing import Final

from lastgood import resolving
from lastgood.cli import out
from lastgood.cli.asking import asked
from lastgood.cli.session import Session
from lastgood.cli.text_db import resolution_text
from lastgood.cli.unattended import Watch
from lastgood.database import resolve
from lastgood.database.choices import addressed
from lastgood.model.errors import Exit
from lastgood.model.standing import Resolution, Truth
from lastgood.model.target import Group, Target

NONE: Final = "none"
"""How the version of a database without any migration is called on the command line."""

_EXITS: Final = {
    Truth.RIGHT: Exit.DONE,
    Truth.WRONG: Exit.CONSENT_NEEDED,
    Truth.AMBIGUOUS: Exit.CONSENT_NEEDED,
    Truth.DIFFERENT: Exit.REFUSED,
    Truth.UNKNOWN: Exit.REFUSED,
}


def resolved(session: Session, target: Target, version: str | None, *, yes: bool) -> int:
    """Find out what was applied and, with consent, set the version; the exit code."""
    if not yes:  # it looks, and asks where somebody is there
        return _resolved(session, target, version, yes=yes)
    with Watch(session, session.service, Group.of(target), "resolving the version") as watch:
        code = _resolved(session, target, version, yes=yes)
        watch.ended(Exit(code), f"The version of the database of {target.name} was not set.")
        return code


def _resolved(session: Session, target: Target, version: str | None, *, yes: bool) -> int:
    here = resolving.case(session.service, target, lambda said: session.note((f"  {said}",)))
    with addressed(target):
        looked = resolve.look(here)
    if version is not None:
        looked = resolve.choose(here, looked, "" if version == NONE else version)
    found = looked.resolution
    if found.to is None:
        return _told(session, found, Exit.DONE if version is not None else _EXITS[found.truth])
    if not yes and not _agreed(session, found):
        return _told(session, found, Exit.CONSENT_NEEDED)
    return _told(session, resolving.settle(session.service, target, here, looked), Exit.DONE)


def _agreed(session: Session, found: Resolution) -> bool:
    """Whether somebody at a terminal agrees. It is shown first what would be set, and why."""
    if not session.interactive:
        return False
    out.lines(resolution_text(found), err=True, colour=session.colour_err)
    return asked(f"Set {found.table} to version {found.to or NONE}? [y/N] ")


def _told(session: Session, found: Resolution, code: Exit) -> int:
    session.answer("resolution", found, resolution_text(found))
    return int(code)
