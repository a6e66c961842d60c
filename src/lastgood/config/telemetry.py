"""`telemetry` of `lastgood.yaml`: what watches the services from outside."""

from collections.abc import Callable
from typing import Final

from lastgood.catalog import Family
from lastgood.config.document import Document, Place
from lastgood.config.rules import check_name
from lastgood.config.schema import AdapterFile, File
from lastgood.config.typed import nearest, typed
from lastgood.model.target import Adapter

GENERAL: Final = ("envs", "services")
"""The keys that every source has beside its kind and that kind's own: what it watches, everything where left out."""


def check_telemetry(document: Document, file: File) -> None:
    """Names of sources, and of what they watch. Raises ConfigError at the place of what is not understood."""
    known = {"envs": tuple(file.environments), "services": tuple(file.services)}
    for name, raw in file.telemetry.items():
        check_name(document, ("telemetry", name), name)
        for key in GENERAL:
            _check_known(document, ("telemetry", name, key), _given(document, name, raw, key), known[key])


def watching(
    document: Document,
    file: File,
    names: dict[str, str],
    adapter: Callable[[Family, Place, AdapterFile, dict[str, str]], Adapter],
) -> tuple[tuple[str, Adapter], ...]:
    """The sources that watch the service and environment in `names`, in the file's order, with those filled in.

    Names hold nothing that would end a quoted text of a query (`rules.check_name`), so they are filled in as they are.
    Those that watch others are read all the same. Raises ConfigError as `adapter` does.
    """
    found: list[tuple[str, Adapter]] = []
    for name, raw in file.telemetry.items():
        own = {key: value for key, value in raw.items() if key not in GENERAL}
        made = adapter("telemetry", ("telemetry", name), own, names)
        envs, services = (_given(document, name, raw, key) for key in GENERAL)
        if names["env"] in (envs or (names["env"],)) and names["service"] in (services or (names["service"],)):
            found.append((name, made))
    return tuple(found)


def _given(document: Document, name: str, raw: AdapterFile, key: str) -> tuple[str, ...]:
    return typed(document, ("telemetry", name, key), raw.get(key, []), tuple[str, ...])


def _check_known(document: Document, place: Place, names: tuple[str, ...], known: tuple[str, ...]) -> None:
    for number, name in enumerate(names):
        if name not in known:
            raise document.error((*place, number), f"there is none called {name!r}{nearest(name, known)}")
