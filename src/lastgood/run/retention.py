"""Protects images by tags of our own, and takes those away that protect nothing any more."""

import msgspec

from lastgood.model.command import Command
from lastgood.model.retention import Images, Leftover
from lastgood.ports import Tools


def protect(tools: Tools, found: Images, *, release: bool) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """What was done, what failed with its reason, and what was left as it is, each as a sentence.

    Both may be repeated. With `release` an image that only a tag of ours holds is let go as well, and removed.
    """
    done: list[str] = []
    failed: list[str] = []
    for said, host, commands in (*_keeping(tools, found), *_releasing(tools, found, release=release)):
        wrong = _carried_out(tools, host, commands)
        (failed if wrong else done).append(f"{host}: {said}: {wrong}" if wrong else f"{host}: {said}")
    return tuple(done), tuple(failed), () if release else tuple(_stays(one) for one in found.leftovers if one.last)


def _keeping(tools: Tools, found: Images) -> list[tuple[str, str, tuple[Command, ...]]]:
    return [
        (f"protected {one.image.name}", host, tools.engine.keep(one.image.repository, one.image_id, one.name))
        for one in found.images
        for host in one.hosts
        if host not in one.protected
    ]


def _releasing(tools: Tools, found: Images, *, release: bool) -> list[tuple[str, str, tuple[Command, ...]]]:
    return [
        (f"released {one.name}", one.host, tools.engine.let_go(one.repository, one.name))
        for one in found.leftovers
        if release or not one.last
    ]


def _stays(one: Leftover) -> str:
    return f"{one.host}: {one.name} is no longer needed, but only our tag holds it; --release removes the image"


def _carried_out(tools: Tools, host: str, commands: tuple[Command, ...]) -> str:
    """Empty when all of them said so; the look afterwards is what proves it."""
    for command in commands:
        answer = tools.process.run(msgspec.structs.replace(command, host=host))
        if not answer.ok:
            return answer.why()
    return ""
