"""How a service's page looks, kept as evidence of a run: asked for beside other evidence, and never waited for long."""

from functools import partial

import msgspec

from lastgood.model.facts import Fact, Known
from lastgood.observe import visits
from lastgood.observe.together import Asked
from lastgood.observe.visits import Sight
from lastgood.ports import Tools

PATIENCE = 2.0
"""Seconds that a picture may take where something waits for it, from the start of the browser on."""
_FRESH = 60.0


class Picture:
    """The page in a browser, from now on; nothing where there is no browser or no page.

    With `earlier`, what the diagnosis saw in this process counts: at once where that is not long ago, and later where
    a new look takes too long.
    """

    def __init__(self, tools: Tools, seconds: float = PATIENCE, *, earlier: bool = False) -> None:
        self._tools = tools
        self._earlier = earlier
        self._end = tools.clock.monotonic() + seconds
        before = visits.last(tools) if earlier else None
        self._before = before if before and before.ago <= _FRESH else None
        able = self._before is None and tools.browser is not None and not tools.browser.missing()
        self._asked: Asked[Fact[Sight] | None] | None = Asked(partial(visits.look, tools, seconds)) if able else None

    def files(self, name: str) -> dict[str, bytes]:
        """`name`.png and `name`.json, waited for until the time is up. Never raises: no rollback needs a picture."""
        try:
            found = self._before or self._seen()
        except Exception:  # noqa: BLE001 - a defect here must not stand in the way of a rollback
            return {}
        return _files(name, found) if found else {}

    def _seen(self) -> Sight | None:
        if self._asked is None:
            return None
        found = self._asked.within(max(0.0, self._end - self._tools.clock.monotonic()))
        if isinstance(found, Known):
            return found.value
        return visits.last(self._tools) if self._earlier else None


def _files(name: str, sight: Sight) -> dict[str, bytes]:
    told = {"seconds_before": round(sight.ago, 1), "visit": msgspec.structs.replace(sight.visit, picture=b"")}
    facts = {f"{name}.json": msgspec.json.format(msgspec.json.encode(told), indent=2)}
    return {**facts, f"{name}.png": sight.visit.picture} if sight.visit.picture else facts
