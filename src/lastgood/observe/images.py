"""Which images the way back needs: chosen as a rollback would, then looked for on every host and in the registry."""

from collections.abc import Sequence
from functools import partial

import msgspec

from lastgood.model.facts import Fact, Known, Unknown, known_or
from lastgood.model.observed import Availability, LocalImage, Observed
from lastgood.model.release import Image
from lastgood.model.retention import Images
from lastgood.model.step import Runnable
from lastgood.model.target import Target
from lastgood.observe.together import together
from lastgood.plan import retention
from lastgood.ports import Tools


def look(target: Target, tools: Tools, observed: Observed, releases: int) -> Images:
    """What is needed to go back `releases` releases. Raises Refused where it cannot be seen what runs."""
    way = retention.way_back(target, observed, releases)
    wanted = [runnable for runnable in (way.runs, *way.back) if runnable]
    ids = {host: _ids(view.images, wanted) for host, view in observed.hosts.items()}
    registry = together([partial(_served, tools, runnable.image) for runnable in wanted]) if wanted else []
    sizes = together([partial(_sizes, tools, host, found) for host, found in ids.items()])
    return retention.images(target, observed, way, dict(zip(_names(wanted), registry, strict=True)), _joined(sizes))


def _names(wanted: Sequence[Runnable]) -> list[str]:
    return [str(runnable.image) for runnable in wanted]


def _ids(images: Fact[tuple[LocalImage, ...]], wanted: Sequence[Runnable]) -> tuple[str, ...]:
    return tuple(i.image_id for i in known_or(images, ()) if any(retention.is_it(i, one) for one in wanted))


def _served(tools: Tools, image: Image) -> Fact[Availability]:
    """Asked by digest where one is known: a tag can have been moved."""
    exactly = Image(image.repository, "", image.digest) if image.digest else image
    if not (image.digest or image.tag):
        return Unknown("it has no name that a registry could know")
    return tools.registry.available(tools.http, exactly, tools.credentials)


def _sizes(tools: Tools, host: str, ids: tuple[str, ...]) -> Fact[dict[str, int]]:
    commands = [msgspec.structs.replace(command, host=host) for command in tools.engine.sizes(ids)]
    return tools.engine.read_sizes([tools.process.run(command) for command in commands])


def _joined(sizes: Sequence[Fact[dict[str, int]]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for fact in sizes:
        found |= fact.value if isinstance(fact, Known) else {}
    return found
