"""`services.S.cdn` of `lastgood.yaml`: the cache in front of a service."""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import msgspec

from lastgood import catalog
from lastgood.config.document import Document, Place
from lastgood.config.schema import AdapterFile, CdnFile
from lastgood.config.typed import typed
from lastgood.model.pages import addresses
from lastgood.model.target import Adapter, Cdn

GENERAL: Final = tuple(field.encode_name for field in msgspec.structs.fields(CdnFile))
"""The keys that every kind has beside its own."""
_PAGE: Final = re.compile(r"https?://[^\s/@?#]+(/[^\s@#]*)?")
_ORIGIN: Final = re.compile(r"https?://[^\s/@?#]+/?")


def cdn(
    document: Document,
    place: Place,
    raw: AdapterFile,
    probes: tuple[Adapter, ...],
    member: Callable[[AdapterFile], Adapter],
) -> Cdn:
    """The cache that stands at `place`, placeholders filled in; `member` makes the kind's own options.

    Raises ConfigError where it is not understood, or where no public page is named and the probes ask for none.
    """
    cache = member({key: value for key, value in raw.items() if key not in GENERAL})
    general = typed(document, place, {key: raw[key] for key in GENERAL if key in raw}, CdnFile)
    if general.page and not _PAGE.fullmatch(general.page):
        raise document.error((*place, "page"), "it is not the address of a page (https://www.example.com/)")
    if general.origin and not _ORIGIN.fullmatch(general.origin):
        raise document.error((*place, "origin"), "it is not an address without a path (http://10.0.0.5:8080)")
    pages = (general.page,) if general.page else tuple(addresses(tuple(map(_public, probes))))
    if not pages:
        raise document.error(place, "no probe asks for a public page; name the one that customers get: page: https://…")
    return Cdn(cache, pages, general.origin)


def _public(probe: Adapter) -> str:
    """The address that a probe asks, where the CDN can be what answers there; else nothing."""
    from lastgood.outside.talk import near

    url = catalog.probe(probe).name
    host = urlsplit(url).hostname if "{" not in url else ""
    return url if host and not near(host) else ""
