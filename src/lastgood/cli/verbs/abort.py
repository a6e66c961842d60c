"""`lastgood abort`."""

import click

from lastgood.cli.completing import unfinished
from lastgood.cli.options import verb
from lastgood.cli.session import Session


@click.command("abort")
@click.argument("run", shell_complete=unfinished)
@click.option("--take-over", is_flag=True, help="Take it from another machine, which stops at its next step.")
@verb
def command(session: Session, run: str, take_over: bool) -> int:
    """Give a run up: put back what was before it, and verify that.

    \b
    Example:
      lastgood abort 20261122-174501-7f3a
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.taking_up import take_up

    return take_up(session, run, aborting=True, take_over=take_over)
