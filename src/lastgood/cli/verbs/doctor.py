"""`lastgood doctor`."""

import click

from lastgood.cli.options import target, verb
from lastgood.cli.session import Session


@click.command("doctor")
@target
@verb
def command(session: Session, service: str | None, env: str | None) -> int:
    """Check, before the incident, everything that a rollback will need.

    Without SERVICE: for every service in every environment. Ends with 8 where a rollback would not work.

    \b
    Examples:
      lastgood doctor
      lastgood doctor shop-api prod
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood import examining
    from lastgood.cli.text_doctor import doctor_text
    from lastgood.model.errors import Exit
    from lastgood.model.report import Mark

    targets = (session.target(service, env),) if service is not None else session.service.targets()
    checks = examining.doctor(session.service, targets)
    session.answer("doctor", {"checks": checks}, doctor_text(checks))
    return int(Exit.NEEDS_HUMAN if any(check.mark is Mark.FAIL for check in checks) else Exit.DONE)
