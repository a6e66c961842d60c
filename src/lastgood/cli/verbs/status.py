"""`lastgood status`."""

import time
from typing import TYPE_CHECKING

import click

from lastgood.cli.options import target, verb
from lastgood.cli.session import Session

if TYPE_CHECKING:
    from lastgood.model.errors import LastgoodError
    from lastgood.model.message import AskLine
    from lastgood.model.report import Status


@click.command("status")
@target
@click.option("--explain", is_flag=True, help="Every setting, and where it comes from.")
@verb
def command(session: Session, service: str | None, env: str | None, explain: bool) -> int:
    """What runs, what git pins, drift, health, and the last good release.

    Without SERVICE: every service in every environment, one line each.

    \b
    Examples:
      lastgood status
      lastgood status shop-api prod
      lastgood status shop-api prod --explain
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    if explain:
        return _explain(session, service, env)
    if service is not None:
        return _one(session, service, env)
    return _all(session)


def _one(session: Session, service: str, env: str | None) -> int:
    from msgspec.structs import replace

    from lastgood.cli.text_outbox import asks_text, standing
    from lastgood.cli.text_status import status_text

    found = session.service.status(session.target(service, env))
    asks = standing(session, stops=True)
    found = replace(found, asks=tuple(ask for ask in asks if ask.about(found.target)))
    session.answer("status", found, (*status_text(found, int(time.time())), *asks_text(found.asks)))
    return 0


def _all(session: Session) -> int:
    from lastgood.cli.text_outbox import asks_text, standing
    from lastgood.cli.text_status import overview_text

    found, asks = session.service.overview(), standing(session, stops=True)
    told = [_told(name, one, tuple(ask for ask in asks if ask.about(name))) for name, one in found]
    session.answer("statuses", {"targets": told}, (*overview_text(found), *asks_text(asks)))
    return 0


def _told(name: str, one: "Status | LastgoodError", asks: "tuple[AskLine, ...]") -> object:
    from msgspec.structs import replace

    from lastgood.model.errors import LastgoodError

    if isinstance(one, LastgoodError):
        return {"target": name, "error": one.what, "because": one.because, "next": one.next, "asks": asks}
    return replace(one, asks=asks)


def _explain(session: Session, service: str | None, env: str | None) -> int:
    from lastgood.cli.words import table

    chosen = session.target(service, env)
    settings = session.service.config.explain(chosen)
    told = [{"setting": name, "value": value, "from": origin} for name, value, origin in settings]
    rows = table([("SETTING", "VALUE", "FROM"), *settings])
    session.answer("settings", {"target": chosen.name, "settings": told}, (chosen.name, *rows))
    return 0
