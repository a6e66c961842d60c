"""`lastgood diagnose`."""

import time
from typing import Final

import click

from lastgood.cli.options import target, verb
from lastgood.cli.session import Session

SECONDS: Final = 10.0
"""How long is looked; what has not answered by then is unknown."""


@click.command("diagnose")
@target
@verb
def command(session: Session, service: str | None, env: str | None) -> int:
    """What is wrong, since when, what changed, how sure that is, and the one command to run next.

    Looks at containers, logs, probes, the page, git, registry, hosts, database and the other services; touches
    nothing. Ends with 8 where a person has to look first.

    \b
    Examples:
      lastgood diagnose shop-api prod
      lastgood diagnose shop-api prod --json
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood import examining
    from lastgood.cli.text_diagnose import diagnosis_text
    from lastgood.model.diagnosis import Action
    from lastgood.model.errors import Exit

    found = examining.diagnose(session.service, session.target(service, env), SECONDS)
    session.answer("diagnosis", found, diagnosis_text(found, int(time.time())))
    return int(Exit.NEEDS_HUMAN if found.recommendation.action is Action.HUMAN else Exit.DONE)
