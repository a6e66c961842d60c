"""Where the repos behind a run can be looked at. Pure."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from lastgood.git import links
from lastgood.model.release import Image, Release
from lastgood.record.prose import Link, Rich

_BUILT_FROM: Final = re.compile(r"sha-([0-9a-f]{7,40})")


class Sources(msgspec.Struct, frozen=True):
    """The addresses of the deploy repo's remote, and of each service's code as far as they are known."""

    deploy: str = ""
    code: dict[str, str] = {}


def between(move: tuple[str, Release | None, Release], sources: Sources) -> Iterator[Rich]:
    """Links to what the release that was left has, and the one that was put back has not."""
    service, was, now = move
    if was is None:
        return
    deploy = links.compare(sources.deploy, now.commit, was.commit)
    if deploy:
        yield ("deploy repo: ", Link(f"{now.image.name} to {was.image.name}", deploy))
    older, newer = built_from(now.image), built_from(was.image)
    code = links.compare(sources.code.get(service, ""), older, newer)
    if code:
        yield (f"code of {service}: ", Link(f"{older} to {newer}", code))


def built_from(image: Image) -> str:
    """The commit that a tag `sha-…` names; empty for other tags."""
    found = _BUILT_FROM.fullmatch(image.tag)
    return found[1] if found else ""
