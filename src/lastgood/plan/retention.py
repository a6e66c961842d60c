"""Which images a walk back would need, and which tags of ours no longer keep any of them. Pure."""

from collections.abc import Iterator

import msgspec

from lastgood.model.facts import Fact, Unknown, known_or
from lastgood.model.observed import Availability, LocalImage, Observed
from lastgood.model.plan import Skipped
from lastgood.model.release import short
from lastgood.model.retention import Images, Leftover, Needed
from lastgood.model.step import Runnable
from lastgood.model.target import Target
from lastgood.plan.choose import choose
from lastgood.plan.running import identify


class Way(msgspec.Struct, frozen=True):
    """What runs, the releases before it that can be gone back to, best first, and those that were passed over."""

    runs: Runnable | None
    back: tuple[Runnable, ...]
    skipped: tuple[Skipped, ...]
    releases: int
    whole: bool


def way_back(target: Target, observed: Observed, releases: int) -> Way:
    """The way back as a rollback would walk it. Raises Refused where it cannot be seen what runs."""
    running = identify(observed)
    choice = choose(target.name, observed, running, target.short_lived, releases)
    back = tuple(candidate.image for candidate in choice.candidates)
    whole = len(back) == releases or observed.complete
    return Way(running.image, back, choice.skipped, releases, whole)


def is_it(image: LocalImage, wanted: Runnable) -> bool:
    """Whether an image on a host is the wanted one: by digest where one is known, else by id."""
    if wanted.image.digest and image.digests:
        return wanted.image.digest in image.digests
    return bool(wanted.image_id) and image.image_id == wanted.image_id


def images(
    target: Target, observed: Observed, way: Way, registry: dict[str, Fact[Availability]], sizes: dict[str, int]
) -> Images:
    """The way back, each image with where it is. `registry` by the image's text, `sizes` in bytes by image id."""
    rows = [(one, True) for one in (way.runs,) if one] + [(one, False) for one in way.back]
    needed = tuple(_needed(one, observed, registry, sizes, runs=runs) for one, runs in rows)
    return Images(
        target=target.name,
        releases=way.releases,
        found=len(way.back),
        images=needed,
        leftovers=tuple(_leftovers(observed, needed)) if way.whole and way.runs else (),
        lost=tuple(f"{s.release.image.name} ({short(s.release.commit)}): {s.because}" for s in way.skipped),
        warnings=tuple(_warnings(observed, way, needed)),
    )


def _needed(
    one: Runnable, observed: Observed, registry: dict[str, Fact[Availability]], sizes: dict[str, int], *, runs: bool
) -> Needed:
    held = {
        host: image for host, view in observed.hosts.items() for image in known_or(view.images, ()) if is_it(image, one)
    }
    image_id = one.image_id or next((image.image_id for image in held.values()), "")
    size = next((sizes[image.image_id] for image in held.values() if image.image_id in sizes), None)
    plain = Needed(one.image, image_id, runs, tuple(held), (), _registry(registry[str(one.image)]), size)
    protected = tuple(host for host, image in held.items() if plain.name in image.kept)
    return msgspec.structs.replace(plain, protected=protected)


def _registry(said: Fact[Availability]) -> str:
    if isinstance(said, Unknown):
        return f"unknown: {said.reason}"
    return "there" if said.value.digest else "gone"


def _leftovers(observed: Observed, needed: tuple[Needed, ...]) -> Iterator[Leftover]:
    """Tags of ours that keep nothing of the way back. An image that has no other tag would go with its last."""
    repository = needed[0].image.repository
    for host, view in observed.hosts.items():
        for image in known_or(view.images, ()):
            names = {one.name for one in needed if host in one.hosts and one.name in image.kept}
            idle = [name for name in image.kept if name not in names]
            for number, name in enumerate(idle):
                last = not image.tags and not names and number == len(idle) - 1
                yield Leftover(host, repository, name, image.image_id, last)


def _warnings(observed: Observed, way: Way, needed: tuple[Needed, ...]) -> Iterator[str]:
    for host, view in observed.hosts.items():
        if isinstance(view.images, Unknown):
            yield f"{host}: which images it has is not known: {view.images.reason}"
    if way.runs is None:
        yield "no single image runs, so what protects the way back is not tidied up"
    if not way.whole:
        yield "history was not read far enough to find so many releases"
    for one in needed:
        if one.registry == "gone" and len(one.hosts) == 1:
            yield f"{one.image.name} is only on {one.hosts[0]}: the registry no longer has it"
