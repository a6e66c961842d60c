"""`lastgood abort`."""

import click

from lastgood.cli.options import verb
from lastgood.cli.session import Session


@click.command("abort")
@click.argument("run")
@verb
def command(session: Session, run: str) -> int:
    """Give a run up: put back what was before it, and verify that.

    \b
    Example:
      lastgood abort 20261122-174501-7f3a
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.taking_up import take_up

    return take_up(session, run, aborting=True)
