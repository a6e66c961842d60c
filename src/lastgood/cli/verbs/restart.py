"""`lastgood restart`."""

import click

from lastgood.cli.options import target, verb
from lastgood.cli.session import Session


@click.command("restart")
@target
@click.option("--take-over", is_flag=True, help="Take the lease from whoever holds it.")
@verb
def command(session: Session, service: str | None, env: str | None, take_over: bool) -> int:
    """Restart what runs: same image, same configuration; then the gate, and a record.

    \b
    Example:
      lastgood restart shop-api prod
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.carry import carry
    from lastgood.cli.unattended import Watch

    chosen = session.group(service, env)
    with Watch(session, session.service, chosen, "restart") as watch:
        act = watch.ends(lambda tell: session.service.restart(chosen, tell, take_over=take_over))
        return carry(session, chosen.name, act)
