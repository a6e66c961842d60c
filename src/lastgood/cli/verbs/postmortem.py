"""`lastgood postmortem`."""

from typing import TYPE_CHECKING

import click

from lastgood.cli.completing import acted
from lastgood.cli.options import verb
from lastgood.cli.session import Session

if TYPE_CHECKING:
    from lastgood.retelling import Retold


@click.command("postmortem")
@click.argument("run", required=False, shell_complete=acted)
@click.option("--output", metavar="FILE", help="Write it there; what people wrote in it stays.")
@click.option("--html", is_flag=True, help="HTML, with a picture of the steps; so is an --output that ends in .html.")
@click.option("--detected", default="", metavar="TIME", help="When it was noticed, which the record does not say.")
@verb
def command(session: Session, run: str | None, output: str | None, html: bool, detected: str) -> int:
    """A run told for people, complete up to where only people can think. RUN: as for `show`.

    Times, what changed, decisions, timeline, open questions, and what must be so before the bad release may come back.
    Made again into the same file, it brings its own parts up to date and leaves alone what people wrote.

    \b
    Examples:
      lastgood postmortem
      lastgood postmortem 20261122-174501-7f3a --output incident.md --detected 2026-11-22T17:30Z
      lastgood postmortem --output incident.html
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    import msgspec

    from lastgood.cli import out
    from lastgood.cli.text_record import retold_text

    form = "html" if html or (output or "").endswith((".html", ".htm")) else "md"
    made = _made(session, run, output, form, detected)
    if output is None and not session.json:
        out.put(made.text)
        return 0
    result = msgspec.structs.replace(made, file=output or "")
    session.answer("postmortem", result, retold_text(result))
    return 0


def _made(session: Session, run: str | None, output: str | None, form: str, detected: str) -> "Retold":
    from lastgood.cli.records import record
    from lastgood.cli.writing import read_text, replace_text
    from lastgood.retelling import retold

    theirs = read_text(output) if output is not None else None
    found = record(session, run)
    made = retold(found.journal, session.places, found.run, found.service, form=form, theirs=theirs, detected=detected)
    if output is not None:
        replace_text(output, made.text, theirs)
    return made
