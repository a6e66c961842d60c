"""`lastgood resume`."""

import click

from lastgood.cli.options import verb
from lastgood.cli.session import Session


@click.command("resume")
@click.argument("run", required=False)
@verb
def command(session: Session, run: str | None) -> int:
    """Take up a run that stopped half-way: asks reality what happened, then goes on.

    Without RUN, the one that is unfinished.

    \b
    Examples:
      lastgood resume
      lastgood resume 20261122-174501-7f3a
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.taking_up import take_up

    return take_up(session, run, aborting=False)
