"""Tags of lastgood's own, which keep an image that the way back needs from being dangling, and images' sizes.

What such a tag does was tried on engine 20.10. `docker image prune` and `docker system prune` leave a tagged image
alone, while they remove one that was pulled by digest and has no tag; a tag in the same repository also keeps the
digest by which the image is known when its other tags go. `prune --all` removes every image that no container uses,
tagged or not: only a container protects from that, a created one that never ran suffices, until `docker container
prune` or `docker system prune` removes the container first. A label on the image would help against `--filter
label!=…` alone, and cannot be put on an image without making it another.
"""

import re
from collections.abc import Sequence

from lastgood.model.command import Command, Completed
from lastgood.model.facts import Fact, Known, Unknown

_PREFIX = "lastgood-keep-"
_LONGEST = 128  # of a tag, by the distribution specification
_INSPECT = ("docker", "image", "inspect", "--format", "{{.Id}} {{.Size}}")
_LIMIT = 20.0


def name_of(tag: str) -> str:
    """What a tag of ours keeps; empty for other people's tags."""
    return tag.removeprefix(_PREFIX) if tag.startswith(_PREFIX) else ""


def keep(repository: str, image_id: str, name: str) -> Command:
    """Give an image our tag. Raises ValueError where the name makes no tag."""
    return Command(("docker", "image", "tag", image_id, _reference(repository, name)), timeout=_LIMIT)


def let_go(repository: str, name: str) -> Command:
    """Take our tag away. The engine removes the image as well where nothing else refers to it."""
    return Command(("docker", "image", "rm", "--no-prune", "--", _reference(repository, name)), timeout=_LIMIT)


def sizes(image_ids: Sequence[str]) -> tuple[Command, ...]:
    """How to ask for sizes; nothing to ask where there is no image."""
    return (Command((*_INSPECT, "--", *image_ids), timeout=_LIMIT),) if image_ids else ()


def read_sizes(answers: Sequence[Completed]) -> Fact[dict[str, int]]:
    """Bytes on disk by image id, layers that others share included."""
    answer = next((one for one in answers if one.command.argv[: len(_INSPECT)] == _INSPECT), None)
    if answer is None:
        return Known({})
    if not answer.ok:
        return Unknown(answer.why())
    rows = [line.split() for line in answer.text.splitlines()]
    if not all(len(row) == 2 and row[1].isdecimal() for row in rows):  # noqa: PLR2004 - id and size
        return Unknown("docker image inspect: the answer cannot be read")
    return Known({image_id: int(size) for image_id, size in rows})


def _reference(repository: str, name: str) -> str:
    tag = f"{_PREFIX}{name}"
    if len(tag) > _LONGEST or not re.fullmatch(r"[\w.-]+", tag, re.ASCII) or repository.startswith("-"):
        raise ValueError(f"{repository}:{tag} is no reference")
    return f"{repository}:{tag}"
