"""`lastgood runs`."""

import click

from lastgood.cli.options import verb
from lastgood.cli.session import Session


@click.command("runs")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="So many runs.")
@verb
def command(session: Session, limit: int) -> int:
    """What lastgood did on this machine, newest first.

    \b
    Example:
      lastgood runs --limit 5
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.text_outbox import asks_text, standing
    from lastgood.cli.text_runs import run_lines, runs_text

    found, asks = run_lines(session.journal, session.live, limit), standing(session)
    session.answer("runs", {"runs": found, "asks": asks}, (*runs_text(found), *asks_text(asks)))
    return 0
