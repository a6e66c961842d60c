"""`lastgood ack`."""

import click

from lastgood.cli.options import verb
from lastgood.cli.session import Session


@click.command("ack")
@click.argument("run")
@verb
def command(session: Session, run: str) -> int:
    """Say that you have a run that stopped and needs a person: the contacts after you are not called.

    RUN is a run's id, or its beginning, on the machine that carried it out.

    \b
    Example:
      lastgood ack 20261122-174501-7f3a
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.words import field, moment
    from lastgood.wiring import who

    made = session.service.post_office.take_on(run, who())
    said = f"{made.by} has run {made.run} of {made.target} since {moment(made.at)}; nobody else is called."
    session.answer("ack", made, (said, *field("next", f"lastgood show {made.run}")))
    return 0
