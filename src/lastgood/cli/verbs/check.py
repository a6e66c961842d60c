"""`lastgood check`."""

import click

from lastgood.cli.options import target, verb
from lastgood.cli.session import Session


@click.command("check")
@target
@verb
def command(session: Session, service: str | None, env: str | None) -> int:
    """Run the gate on what runs now and record the verdict as evidence. Touches nothing of the service.

    The one line at the end of a deploy script, so that later rollbacks know what was good, and what was written into
    its database since.

    \b
    Example:
      lastgood check shop-api prod
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.carry import carry

    chosen = session.group(service, env)
    return carry(session, chosen.name, lambda tell: session.service.check(chosen, tell))
