"""How a service's page looks, kept as evidence of a run: asked for beside other evidence, and never waited for long."""

from functools import partial

import msgspec

from lastgood.model.facts import Fact, Known
from lastgood.observe import visits
from lastgood.observe.together import Asked
from lastgood.observe.visits import Sight
from lastgood.ports import Tools

PATIENCE = 2.0
"""Seconds that a picture may take, from the start of the browser on."""


class Picture:
    """The page in a browser, from now on; nothing where there is no browser or no page."""

    def __init__(self, tools: Tools, seconds: float = PATIENCE) -> None:
        self._tools = tools
        self._end = tools.clock.monotonic() + seconds
        able = tools.browser is not None and not tools.browser.missing()
        self._asked: Asked[Fact[Sight] | None] | None = Asked(partial(visits.look, tools, seconds)) if able else None

    def files(self, name: str) -> dict[str, bytes]:
        """`name`.png and `name`.json, waited for until the time is up: what was seen, or an earlier look of this run.

        Never raises: a picture is nothing that a rollback needs.
        """
        if self._asked is None:
            return {}
        try:
            found = self._asked.within(max(0.0, self._end - self._tools.clock.monotonic()))
        except Exception:  # noqa: BLE001 - a defect here must not stand in the way of a rollback
            return {}
        if isinstance(found, Known):
            return _files(name, found.value)
        before = visits.last(self._tools)  # it was too late, say: what the diagnosis saw is better than nothing
        return _files(name, before) if before else {}


def _files(name: str, sight: Sight) -> dict[str, bytes]:
    told = {"seconds_before": round(sight.ago, 1), "visit": msgspec.structs.replace(sight.visit, picture=b"")}
    facts = {f"{name}.json": msgspec.json.format(msgspec.json.encode(told), indent=2)}
    return {**facts, f"{name}.png": sight.visit.picture} if sight.visit.picture else facts
