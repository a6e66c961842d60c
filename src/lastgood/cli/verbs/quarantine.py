"""`lastgood quarantine`."""

import time

import click

from lastgood.cli.options import target, verb
from lastgood.cli.session import Session


@click.group("quarantine")
def command() -> None:
    """Keep releases from coming back: kept in git, so that everyone and every bot sees it.

    \b
    Example:
      lastgood quarantine add shop-api prod sha-0a1b2c3 --because "loses orders"
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines


_WHY = click.option("--because", required=True, metavar="TEXT", help="The reason, for whoever reads it in a year.")
_EVERYWHERE = click.option("--everywhere", is_flag=True, help="In every environment, not only in ENV.")


@command.command("add")
@click.argument("service")
@click.argument("env")
@click.argument("release")
@_WHY
@_EVERYWHERE
@verb
def add(session: Session, service: str, env: str, release: str, because: str, everywhere: bool) -> int:  # noqa: PLR0913, PLR0917 - click hands options over like this
    """Put RELEASE (a tag, digest or commit) into quarantine: no run chooses it, the guard refuses to pin it.

    \b
    Example:
      lastgood quarantine add shop-api prod sha-0a1b2c3 --because "loses orders"
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    return _changed(session, "add", (service, env, release), because, everywhere=everywhere)


@command.command("lift")
@click.argument("service")
@click.argument("env")
@click.argument("release")
@_WHY
@_EVERYWHERE
@verb
def lift(session: Session, service: str, env: str, release: str, because: str, everywhere: bool) -> int:  # noqa: PLR0913, PLR0917 - click hands options over like this
    """Let RELEASE go again, with a reason. The entry stays, and says who lifted it.

    \b
    Example:
      lastgood quarantine lift shop-api prod sha-0a1b2c3 --because "it was the database"
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    return _changed(session, "lift", (service, env, release), because, everywhere=everywhere)


def _changed(session: Session, action: str, words: tuple[str, str, str], because: str, *, everywhere: bool) -> int:
    from lastgood import upkeep
    from lastgood.cli.text_guard import change_text
    from lastgood.run.quarantine import Asked
    from lastgood.wiring import who

    chosen = session.target(words[0], words[1])
    asked = Asked(words[2], because, who(), int(time.time()), everywhere)
    made = upkeep.change(session.service, chosen, action, asked)
    session.answer("quarantine_change", made, change_text(made))
    return int(made.exit)


@command.command("list")
@target
@verb
def list_(session: Session, service: str | None, env: str | None) -> int:
    """What is in quarantine, or was: by whom, since when and why.

    \b
    Example:
      lastgood quarantine list shop-api prod
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood import upkeep
    from lastgood.cli.text_guard import list_text

    targets = session.service.targets()
    if service is not None and env is None and service in session.service.config.file.services:
        targets = tuple(each for each in targets if each.service == service)
    elif service is not None:
        targets = (session.target(service, env),)
    found = upkeep.quarantined(session.service, targets)
    session.answer("quarantine", found, list_text(found))
    return 0
