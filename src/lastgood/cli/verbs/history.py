"""`lastgood history`."""

import time

import click

from lastgood.cli.options import target, verb
from lastgood.cli.session import Session


@click.command("history")
@target
@click.option("--limit", default=12, show_default=True, type=click.IntRange(1, 1000), help="So many releases.")
@verb
def command(session: Session, service: str | None, env: str | None, limit: int) -> int:
    """Releases from git, newest first: what is known of each, where its image is, how far back one could go.

    \b
    Example:
      lastgood history shop-api prod --limit 30
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.text_history import history_text

    found = session.service.history(session.target(service, env), limit)
    session.answer("history", found, history_text(found, int(time.time())))
    return 0
