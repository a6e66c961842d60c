"""`lastgood settle`."""

import click

from lastgood.cli.completing import mitigated
from lastgood.cli.options import verb
from lastgood.cli.session import Session


@click.command("settle")
@click.argument("run", required=False, shell_complete=mitigated)
@verb
def command(session: Session, run: str | None) -> int:
    """Bring git to what runs: for a run that ended "mitigated", once the remote answers or the proposal is merged.

    Without RUN, the one that waits for it. Done twice, it changes nothing.

    \b
    Examples:
      lastgood settle
      lastgood settle 20261122-174501-7f3a
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.taking_up import take_up

    return take_up(session, session.service.unsettled() if run is None else run)
