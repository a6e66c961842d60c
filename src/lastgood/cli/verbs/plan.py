"""`lastgood plan`."""

from typing import TypedDict, Unpack

import click

from lastgood.cli.options import target, verb, wish
from lastgood.cli.session import Session


class Wanted(TypedDict):
    """The options of `options.wish`."""

    to: str
    image_only: bool
    config_only: bool
    full: bool
    further: bool
    pin_digest: bool
    stop_deploy: bool
    down: bool


@click.command("plan")
@target
@wish
@verb
def command(session: Session, service: str | None, env: str | None, **wanted: Unpack[Wanted]) -> int:
    """What a rollback would do: each step with its reason and exact commands. Touches nothing.

    \b
    Examples:
      lastgood plan shop-api prod
      lastgood plan shop-api prod --to sha-1a2b3c4
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.verbs.rollback import show_plan
    from lastgood.cli.wishes import wished

    return show_plan(session, session.group(service, env), wished(**wanted))
