"""`trackers` and `notifiers` of `lastgood.yaml`: who is told of what."""

from dataclasses import dataclass
from typing import Final

from lastgood import catalog
from lastgood.catalog import Family
from lastgood.config.document import Document, Place
from lastgood.config.rules import check_name
from lastgood.config.schema import AdapterFile, File
from lastgood.config.typed import nearest, typed
from lastgood.model.errors import ConfigError
from lastgood.model.message import Kind
from lastgood.model.target import Adapter

GENERAL: Final = ("kind", "on", "envs")
"""The keys that every tracker and notifier has beside its kind's own."""
_FAMILIES: Final[tuple[Family, ...]] = ("trackers", "notifiers")


@dataclass(frozen=True)
class Addressee:
    """A configured tracker or notifier, and what it hears of; empty `envs` are all."""

    name: str
    family: Family
    adapter: Adapter
    kinds: frozenset[Kind]
    envs: tuple[str, ...]


def addressees(document: Document, file: File) -> tuple[Addressee, ...]:
    """All of them, in the file's order. Raises ConfigError at the place of what is not understood."""
    found: list[Addressee] = []
    for family in _FAMILIES:
        given = file.trackers if family == "trackers" else file.notifiers
        for name, raw in given.items():
            place: Place = (family, name)
            check_name(document, place, name)
            if name in {one.name for one in found}:
                raise document.error(
                    place, f"a tracker is called {name} already: what waits for which could be confused"
                )
            found.append(_addressee(document, family, place, name, raw, tuple(file.environments)))
    return tuple(found)


def _addressee(  # noqa: PLR0913, PLR0917 - where it stands and what is there
    document: Document, family: Family, place: Place, name: str, raw: AdapterFile, known: tuple[str, ...]
) -> Addressee:
    kind = raw.get("kind")
    if not isinstance(kind, str):
        raise document.error(place, f"kind is missing or no text; one of: {', '.join(catalog.kinds(family))}")
    try:
        options = catalog.options(family, kind)
    except ConfigError as error:
        raise document.error((*place, "kind"), error.what, *error.because) from None
    made = typed(document, place, {key: value for key, value in raw.items() if key not in GENERAL}, options)
    kinds = typed(document, (*place, "on"), raw["on"], tuple[Kind, ...]) if "on" in raw else tuple(Kind)
    envs = typed(document, (*place, "envs"), raw.get("envs", []), tuple[str, ...])
    for number, env in enumerate(envs):
        if env not in known:
            raise document.error((*place, "envs", number), f"there is no environment {env!r}{nearest(env, known)}")
    return Addressee(name, family, Adapter(kind, made), frozenset(kinds), envs)
