"""`flows` of a service in `lastgood.yaml`: what customers have to be able to do."""

from collections.abc import Iterator
from typing import Any, Final

from lastgood import catalog
from lastgood.config.document import Document, Place
from lastgood.config.rules import filled
from lastgood.config.schema import AdapterFile
from lastgood.config.typed import typed
from lastgood.model.errors import ConfigError
from lastgood.model.target import Adapter, FlowSpec

GENERAL: Final = ("name", "kind", "tries")
"""The keys that every flow has beside its kind's own."""
_MOST: Final = 20


def flows(
    document: Document, place: Place, given: tuple[AdapterFile, ...], names: dict[str, str]
) -> tuple[FlowSpec, ...]:
    """The flows of a service, in the order in which they are tried. Raises ConfigError at what is not understood."""
    found: dict[str, FlowSpec] = {}
    for number, raw in enumerate(given):
        here = (*place, number)
        one = _flow(document, here, raw, names)
        if one.name in found:
            raise document.error((*here, "name"), f"there is a flow {one.name!r} already; give it a name of its own")
        found[one.name] = one
    return tuple(found.values())


def _flow(document: Document, place: Place, raw: AdapterFile, names: dict[str, str]) -> FlowSpec:
    kind, name, tries = raw.get("kind"), raw.get("name"), raw.get("tries", 2)
    if not isinstance(kind, str):
        raise document.error(place, f"kind is missing or no text; one of: {', '.join(catalog.kinds('flows'))}")
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise document.error(place, "name says, on one line, what customers do there")
    if type(tries) is not int or not 1 <= tries <= _MOST:
        raise document.error((*place, "tries"), f"a whole number from 1 to {_MOST}")
    try:
        options = catalog.options("flows", kind)
    except ConfigError as error:
        raise document.error((*place, "kind"), error.what, *error.because) from None
    own = {key: value for key, value in raw.items() if key not in GENERAL}
    values = filled(document, place, own, names, release=True, kept=frozenset(_kept(own)))
    return FlowSpec(name.strip(), Adapter(kind, typed(document, place, values, options)), tries)


def _kept(node: Any) -> Iterator[str]:  # noqa: ANN401 - YAML as it was read; the kind's Options check it afterwards
    """What a flow's own steps keep, and later ones may name in braces."""
    if isinstance(node, dict):
        kept = node.get("keep")
        yield from (str(name) for name in (kept if isinstance(kept, dict) else ()))
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _kept(each)
