"""`lastgood plan`."""

import time
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
    from lastgood.cli.asking import approving
    from lastgood.cli.text_plan import Detail, plan_text
    from lastgood.cli.wishes import wished

    wish_ = wished(**wanted)
    planned = session.service.plan(session.group(service, env), wish_)
    text = plan_text(planned, int(time.time()), approving(session, planned.digest), Detail.PLAN)
    session.answer("plan", planned, text)
    return 0
