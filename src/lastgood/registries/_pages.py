"""Pages of a list of tags, and where the next one is."""

import re
from typing import Final

import msgspec

SIZE: Final = 1000
# Together 200 000 tags: whoever has more has no use for all of them.
MOST: Final = 200
_LINK: Final = re.compile(r"<([^<>]*)>((?:\s*;\s*[^;,=]+=(?:\"[^\"]*\"|[^;,\"]*))*)")
_NEXT: Final = re.compile(r";\s*rel\s*=\s*\"?next\"?", re.IGNORECASE)


class _List(msgspec.Struct):
    tags: list[str] | None


def tags(body: bytes) -> tuple[str, ...] | None:
    """The tags of one page, none where the repository has none; None where this is no such page."""
    try:
        return tuple(msgspec.json.decode(body, type=_List).tags or ())
    except msgspec.MsgspecError:
        return None


def following(link: str, url: str) -> str:
    """The absolute address of the next page, relative to this one's; empty on the last page."""
    from urllib.parse import urljoin

    found = next((target for target, rest in _LINK.findall(link) if _NEXT.search(rest)), "")
    try:
        return urljoin(url, found) if found else ""
    except ValueError:  # brackets that hold no address
        return "invalid:"
