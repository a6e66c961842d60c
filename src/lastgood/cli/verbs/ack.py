"""`lastgood ack`."""

import click

from lastgood.cli.completing import called
from lastgood.cli.options import verb
from lastgood.cli.session import Session


@click.command("ack")
@click.argument("run", shell_complete=called)
@verb
def command(session: Session, run: str) -> int:
    """Say that you have what needs a person: the contacts after you are not called.

    RUN is the id that you were called with: a run's, or that of an ask, for a command that waits for somebody. It works
    on any machine with a clone of the deploy repo; on the one that carried the run out its beginning is enough.

    \b
    Examples:
      lastgood ack 20261122-174501-7f3a
      lastgood ack ask-20261122-174501-51c0
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.acknowledging import take_on
    from lastgood.cli.words import field, moment
    from lastgood.model.plan import TERMINAL
    from lastgood.wiring import who

    found = take_on(session.service, run, who(), TERMINAL if session.interactive else "no terminal")
    made = found.made
    if not found.told:
        session.note(("  ! no host could be told: if another machine calls, it does not know of it yet",))
    said = f"{made.by} has {made.run} of {made.target} since {moment(made.at)}; nobody else is called."
    session.answer("ack", made, (said, *field("next", found.next)))
    return 0
