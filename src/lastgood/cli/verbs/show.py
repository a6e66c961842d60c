"""`lastgood show`."""

import click

from lastgood.cli.completing import runs
from lastgood.cli.options import verb
from lastgood.cli.session import Session


@click.command("show")
@click.argument("run", required=False, shell_complete=runs)
@verb
def command(session: Session, run: str | None) -> int:
    """One run, line by line, with times. RUN may be the beginning of an id; without it, the newest run.

    \b
    Examples:
      lastgood show
      lastgood show 20261122-174501-7f3a
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.carry import reported
    from lastgood.cli.records import record
    from lastgood.cli.text_runs import show_text
    from lastgood.journal.fold import fold

    found = record(session, run, fresh=False)
    entries = found.journal.entries(found.run)
    folded = fold(entries)
    report = reported(entries, folded.ended)
    session.answer("run", report, show_text(folded, report, alive=session.live.alive(found.run)))
    return 0
