"""`lastgood resume`."""

import click

from lastgood.cli.completing import unfinished
from lastgood.cli.options import verb
from lastgood.cli.session import Session


@click.command("resume")
@click.argument("run", required=False, shell_complete=unfinished)
@click.option("--take-over", is_flag=True, help="Take it from another machine, which stops at its next step.")
@verb
def command(session: Session, run: str | None, take_over: bool) -> int:
    """Take up a run that stopped half-way: asks reality what happened, then goes on.

    Without RUN, the one that is unfinished. What another machine began is known from the hosts.

    \b
    Examples:
      lastgood resume
      lastgood resume 20261122-174501-7f3a
      lastgood resume 20261122-174501-7f3a --take-over
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.taking_up import take_up

    return take_up(session, run, take_over=take_over)
