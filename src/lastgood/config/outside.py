"""`trackers` and `notifiers` of `lastgood.yaml`: who is told of what."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from lastgood import catalog
from lastgood.catalog import Family
from lastgood.config.document import Document, Place
from lastgood.config.rules import check_name
from lastgood.config.schema import AdapterFile, File
from lastgood.config.typed import nearest, typed
from lastgood.model.errors import ConfigError
from lastgood.model.message import Kind
from lastgood.model.target import Adapter

Told: TypeAlias = Literal["began", "ended", "stopped"]

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


@dataclass(frozen=True)
class Called:
    """A configured contact, `after` so many seconds, with the addressee that they are called by."""

    who: str
    by: Addressee
    after: float
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
            found.append(_addressee(document, family, place, raw, file))
    return tuple(found)


def contacts(document: Document, file: File) -> tuple[Called, ...]:
    """Whom to call, in the file's order. Raises ConfigError at the place of what is not understood."""
    known = {one.name: one for one in addressees(document, file)}
    for number, one in enumerate(file.contacts):
        place: Place = ("contacts", number)
        check_name(document, (*place, "who"), one.who)
        if one.who in {other.who for other in file.contacts[:number]}:
            raise document.error((*place, "who"), f"{one.who} stands here twice")
        if one.by not in known:
            near = nearest(one.by, tuple(known))
            raise document.error((*place, "by"), f"there is no notifier or tracker {one.by!r}{near}")
        if catalog.stateful(known[one.by].family, known[one.by].adapter.kind):
            raise document.error((*place, "by"), f"nobody reads what {one.by} is told")
        if number and one.after < file.contacts[number - 1].after:
            raise document.error((*place, "after"), "it is shorter than that of the contact before; put them in order")
        _check_envs(document, (*place, "envs"), one.envs, tuple(file.environments))
    return tuple(Called(one.who, known[one.by], one.after, one.envs) for one in file.contacts)


def _check_envs(document: Document, place: Place, envs: tuple[str, ...], known: tuple[str, ...]) -> None:
    for number, env in enumerate(envs):
        if env not in known:
            raise document.error((*place, number), f"there is no environment {env!r}{nearest(env, known)}")


def _addressee(document: Document, family: Family, place: Place, raw: AdapterFile, file: File) -> Addressee:
    name = str(place[-1])
    kind = raw.get("kind")
    if not isinstance(kind, str):
        raise document.error(place, f"kind is missing or no text; one of: {', '.join(catalog.kinds(family))}")
    try:
        options = catalog.options(family, kind)
    except ConfigError as error:
        raise document.error((*place, "kind"), error.what, *error.because) from None
    made = typed(document, place, {key: value for key, value in raw.items() if key not in GENERAL}, options)
    on = typed(document, (*place, "on"), raw["on"], tuple[Told, ...]) if "on" in raw else _default(name, file)
    envs = typed(document, (*place, "envs"), raw.get("envs", []), tuple[str, ...])
    _check_envs(document, (*place, "envs"), envs, tuple(file.environments))
    return Addressee(name, family, Adapter(kind, made), frozenset(Kind(each) for each in on), envs)


def _default(name: str, file: File) -> tuple[Told, ...]:
    """Everything; where people are called by it, they are not told of the same stop once more."""
    calls = any(one.by == name for one in file.contacts)
    return ("began", "ended") if calls else ("began", "ended", "stopped")
