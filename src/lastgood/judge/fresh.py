"""Whether a cache gives customers what runs: the page and its assets as it answers, against those got round it. Pure.

Absence of doubt is needed, not of evidence: what cannot be told is `Unseen`, never fresh.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

_OK: Final = 200
_KEPT: Final = ("hit", "stale", "updating", "revalidated")
_MARKS: Final = ("cf-cache-status", "x-cache", "x-cache-status", "x-proxy-cache")
_RFC: Final = re.compile(r";\s*hit\b")
_OF_THE_CDN: Final = "/cdn-cgi/"
_FEW: Final = 3


class Sight(msgspec.Struct, frozen=True):
    """One answer of a page or an asset: `content` tells its bytes from others, `kept` that a cache had it.

    `status` is 0 where there was no answer, for the reason `because`. `assets` are those that a page names. `passed` is
    False where the answer did not come by the cache at all.
    """

    url: str
    status: int
    kind: str = ""
    content: str = ""
    kept: str = ""
    assets: tuple[str, ...] = ()
    because: str = ""
    passed: bool = True

    @property
    def page(self) -> bool:
        """Whether it is a page as customers ought to get one."""
        return self.status == _OK and "html" in self.kind

    @property
    def own(self) -> frozenset[str]:
        """The assets but those that a CDN puts into pages by itself (Cloudflare's "/cdn-cgi/ endpoint")."""
        return frozenset(asset for asset in self.assets if _OF_THE_CDN not in asset)

    def said(self) -> str:
        """What came, in a few words."""
        if not self.status:
            return self.because
        return f"answers {self.status}, {self.kind.partition(';')[0].strip() or 'of no type'}"


class Fresh(msgspec.Struct, frozen=True):
    """Customers get what runs, as far as this machine sees."""

    seen: str


class Stale(msgspec.Struct, frozen=True):
    """Customers get something else: what, and where."""

    because: tuple[str, ...]


class Unseen(msgspec.Struct, frozen=True):
    """It cannot be told what customers get."""

    because: str


Freshness: TypeAlias = Fresh | Stale | Unseen


def kept(headers: Mapping[str, str]) -> str:
    """Which header says that a cache answered by itself; empty where none does.

    RFC 9111, 5.1 (`Age`), RFC 9211 (`Cache-Status`), Cloudflare's "Cloudflare cache responses" (`CF-Cache-Status`), and
    `X-Cache` and its like, which Fastly, CloudFront, Varnish and nginx are made to say.
    """
    if headers.get("age", "0").strip() not in {"", "0"}:
        return f"Age: {headers['age']}"
    if _RFC.search(headers.get("cache-status", "").lower()):
        return f"Cache-Status: {headers['cache-status']}"
    found = ((name, headers.get(name, "")) for name in _MARKS)
    return next((f"{name}: {said}" for name, said in found if any(word in said.lower() for word in _KEPT)), "")


def unusable(fresh: Sight) -> str:
    """Why an answer got round the cache is not what runs; empty where it is."""
    if not fresh.page:
        return f"{fresh.url} asked round the cache: {fresh.said()}"
    if fresh.kept:
        return f"{fresh.url}: a cache answers even what is asked round it ({fresh.kept}); name the origin"
    return ""


def page(public: Sight, fresh: Sight, again: Sight | None) -> Freshness:
    """The page alone. `again` is it once more round the cache, needed where `public` is not `fresh` to the byte.

    A page that is another at every look (a nonce, a time) is compared by the assets that it names.
    """
    if not public.status:
        return Unseen(f"{public.url}: {public.because}")
    if not public.page:
        return Stale((f"{public.url} {public.said()}, and not the page that runs{_cache(public)}",))
    if public.content == fresh.content:
        return Fresh(f"{public.url} gives the page that runs")
    if again is None or unusable(again):
        return Unseen(unusable(again) if again else f"{public.url} could not be looked at twice")
    return _changing(public, fresh, again)


def _changing(public: Sight, fresh: Sight, again: Sight) -> Freshness:
    if again.content == fresh.content or public.own not in {fresh.own, again.own}:
        return Stale((f"{public.url} gives another page than runs{_cache(public)}",))
    if not fresh.own:
        return Unseen(f"{public.url} is another page at every look and names no assets to compare")
    return Fresh(f"{public.url}, another page at every look, names the assets that run")


def named(old: Sequence[Sight]) -> tuple[str, ...]:
    """The assets that only a stale page names, and which of them customers do not get."""
    said = [f"it names {one.url}" + ("" if one.status == _OK else f", which {one.said()}") for one in old]
    return (*said[:_FEW], *((f"and {len(said) - _FEW} others",) if len(said) > _FEW else ()))


def assets(seen: Sequence[tuple[Sight, Sight, Sight | None]]) -> Freshness:
    """Each asset of the page that runs: as customers get it, round the cache, and round it again where they differ."""
    found = [(public, fresh, _asset(public, fresh, again)) for public, fresh, again in seen]
    stale = tuple(one.because[0] for _, _, one in found if isinstance(one, Stale))
    if stale:
        more = (f"and {len(stale) - _FEW} more",) if len(stale) > _FEW else ()
        return Stale((*stale[:_FEW], *more))
    unseen = next((one for _, _, one in found if isinstance(one, Unseen)), None)
    if unseen:
        return unseen
    missing = tuple(_missing(found))
    rest = f"; not the cache's doing: {', '.join(missing[:_FEW])}" if missing else ""
    return Fresh(f"and the assets that it names ({len(seen)}){rest}" if seen else "and it names no assets of its own")


def differ(public: Sight, fresh: Sight) -> bool:
    """Whether two answers for an asset are of one kind, and of different content."""
    return public.status == fresh.status == _OK and public.content != fresh.content


def _asset(public: Sight, fresh: Sight, again: Sight | None) -> Freshness:
    if not public.status or not fresh.status:
        dumb = fresh if public.status else public
        return Unseen(f"{dumb.url}: {dumb.because}")
    if fresh.kept:
        return Unseen(f"{fresh.url}: a cache answers even what is asked round it ({fresh.kept}); name the origin")
    if (public.status, _plain(public)) != (fresh.status, _plain(fresh)):
        return Stale((f"{public.url} {public.said()}, and where it runs it {fresh.said()}{_cache(public)}",))
    if public.content and public.content == fresh.content:
        return Fresh("")
    return _changed(public, fresh, again)


def _changed(public: Sight, fresh: Sight, again: Sight | None) -> Freshness:
    if not public.content or not fresh.content:
        return Unseen(f"{public.url}: nothing tells whether its content is that which runs")
    if again and again.content != fresh.content and not public.kept:
        return Fresh("")  # made anew at every look, and no cache has it
    return Stale((f"{public.url} is another file than runs{_cache(public)}",))


def _missing(found: Sequence[tuple[Sight, Sight, Freshness]]) -> Iterator[str]:
    """What is missing, or no script and no style, where it runs as well."""
    for _, fresh, _ in found:
        if fresh.status != _OK or "html" in fresh.kind:
            yield f"{fresh.url} {fresh.said()}"


def _plain(sight: Sight) -> str:
    return sight.kind.partition(";")[0].strip()


def _cache(sight: Sight) -> str:
    return f" ({sight.kept})" if sight.kept else ""
