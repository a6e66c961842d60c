"""`lastgood verify`."""

import re
from typing import TYPE_CHECKING

import click

from lastgood.cli.completing import runs
from lastgood.cli.options import verb
from lastgood.cli.session import Session

if TYPE_CHECKING:
    from lastgood.model.verified import Verified


@click.command("verify")
@click.argument("what", required=False, metavar="[RUN|FILE.tar]", shell_complete=runs)
@click.option("--here", is_flag=True, help="Ask neither the hosts nor git what they know of the run.")
@click.option("--head", default="", metavar="HASH", help="A hash of the record that you have from elsewhere.")
@verb
def command(session: Session, what: str | None, here: bool, head: str) -> int:
    """Is the record of a run, or a bundle of it, what was written down?

    RUN may be the beginning of an id; without it, the newest run. Every line of the journal carries a hash of itself
    and of the line before it, and the run's hosts and commits carry hashes too. Ends with 8 where a line or a piece of
    evidence was changed, removed, moved or added, and where that cannot be told.

    \b
    Examples:
      lastgood verify
      lastgood verify 20261122-174501-7f3a --here
      lastgood verify lastgood-20261122-174501-7f3a.tar
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.text_record import verified_text

    result = _verified(session, what, _hash(head), here=here)
    session.answer("record", result, verified_text(result))
    return int(result.exit)


def _verified(session: Session, what: str | None, head: str, *, here: bool) -> "Verified":
    import os.path

    from lastgood.cli.records import own
    from lastgood.recording import verified, verified_bundle

    if what is not None and (what.endswith(".tar") or os.path.isfile(what)):  # noqa: PTH113 - False for what is no path
        asked = None if here or not session.repo else lambda _: session.service
        return verified_bundle(_read(what), session.journal, asked, head, alone=here)
    if here:
        return verified(session.journal, session.places, session.found(what), None, head)
    found = own(session, what)
    return verified(found.journal, session.places, found.run, found.service, head)


def _hash(text: str) -> str:
    """A hash as it was given, or as the trailer of a commit has it: `RUN/LINE/HASH`. Raises UsageError."""
    from lastgood.model.errors import UsageError

    found = text.strip().lower().rpartition("/")[2]
    if text and not re.fullmatch(r"[0-9a-f]{64}", found):
        raise UsageError(f"{text!r} is not the hash of a record.", next=("give its 64 digits, all of them",))
    return found


def _read(file: str) -> bytes:
    from pathlib import Path

    from lastgood.model.errors import UsageError

    try:
        return Path(file).read_bytes()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{file} cannot be read.", because=(getattr(error, "strerror", None) or str(error),)
        ) from error
