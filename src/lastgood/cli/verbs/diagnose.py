"""`lastgood diagnose`."""

import time
from typing import TYPE_CHECKING, Final

import click

from lastgood.cli.options import target, verb
from lastgood.cli.session import Session

if TYPE_CHECKING:
    from lastgood.model.target import Target

SECONDS: Final = 10.0
"""How long is looked; what has not answered by then is unknown."""


@click.command("diagnose")
@target
@click.option("--screenshot", metavar="FILE", help="Keep how the page looks in a browser there, as a PNG.")
@verb
def command(session: Session, service: str | None, env: str | None, screenshot: str | None) -> int:
    """What is wrong, since when, what changed, how sure that is, and the one command to run next.

    Looks at containers, logs, probes, the page (in a browser too, where the extra `browser` is installed), git,
    registry, hosts, database and the other services; touches nothing. Ends with 8 where a person has to look first.

    \b
    Examples:
      lastgood diagnose shop-api prod
      lastgood diagnose shop-api prod --json
      lastgood diagnose shop-web prod --screenshot page.png
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood import examining
    from lastgood.cli.text_diagnose import diagnosis_text
    from lastgood.model.diagnosis import Action
    from lastgood.model.errors import Exit

    found = examining.diagnose(session.service, session.target(service, env), SECONDS)
    session.answer("diagnosis", found, diagnosis_text(found, int(time.time())))
    if screenshot:
        _keep(session, session.target(service, env), screenshot)
    return int(Exit.NEEDS_HUMAN if found.recommendation.action is Action.HUMAN else Exit.DONE)


def _keep(session: Session, target: "Target", file: str) -> None:
    """Write the picture; that there is none is said, and takes nothing away from the diagnosis."""
    from lastgood import examining
    from lastgood.cli.writing import write_new
    from lastgood.model.errors import UsageError

    try:
        write_new(file, examining.screenshot(session.service, target))
    except UsageError as error:
        session.note((error.what, *error.because))
