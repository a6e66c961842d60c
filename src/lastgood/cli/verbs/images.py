"""`lastgood images`."""

import click

from lastgood.cli.options import verb
from lastgood.cli.session import Session

_PROTECT = "protect"


@click.command("images")
@click.argument("words", nargs=-1, metavar="[protect] [SERVICE] [ENV]")
@click.option("-n", "releases", type=click.IntRange(1, 100), help="To go back so many releases; else walk_back + 2.")
@click.option("--release", is_flag=True, help="With protect: remove images that only our tag still holds.")
@verb
def command(session: Session, words: tuple[str, ...], releases: int | None, release: bool) -> int:
    """Which images the way back needs: on which hosts, whether protected, whether the registry still has them.

    With `protect`, each of them gets a tag of lastgood's own on each host that has it, so that pruning untagged images
    leaves it alone, and such tags are taken from images that are no longer needed. It may be repeated.

    \b
    Examples:
      lastgood images shop-api prod
      lastgood images protect shop-api prod -n 5
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood import upkeep
    from lastgood.cli.text_images import images_text, protection_text
    from lastgood.model.errors import Exit, UsageError

    protect, rest = words[:1] == (_PROTECT,), words[1:] if words[:1] == (_PROTECT,) else words
    if len(rest) > 2 or (release and not protect):  # noqa: PLR2004 - SERVICE and ENV
        wrong = f"{rest[2]!r} is one word too many" if rest[2:] else "--release goes with protect"
        raise UsageError(f"{wrong}.", next=("lastgood images --help",))
    service, env = (*rest, None, None)[:2]
    target = session.target(service, env)
    depth = releases or target.walk_back.releases + 2
    if not protect:
        found = upkeep.images(session.service, target, depth)
        session.answer("images", found, images_text(found))
        return 0
    result = upkeep.protect(session.service, target, depth, release=release)
    session.answer("protection", result, protection_text(result))
    bare = any(one.protected != one.hosts for one in result.now.images)
    return int(Exit.NEEDS_HUMAN if result.failed or bare else Exit.DONE)
