"""Which release runs: from what containers show, never from what git pins."""

import msgspec

from lastgood.model.errors import Refused
from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import Container, LocalImage, Observed, State
from lastgood.model.release import Image, Release
from lastgood.model.step import Runnable


class Running(msgspec.Struct, frozen=True):
    """What runs of a service: its containers over all hosts, the one image they run, and its release in git.

    `image` is None where nothing runs or containers differ (`mixed`; `release` is then the newest of theirs). `run`
    is the lastgood run that put all of them there, empty where another hand did.
    """

    containers: tuple[Container, ...]
    image: Runnable | None
    release: Release | None
    run: str
    mixed: bool


def mine(observed: Observed) -> tuple[Container, ...]:
    """The pin's containers on all hosts, one-shots that ended well left out. Raises Refused where one is unseen."""
    found: list[Container] = []
    for host, view in observed.hosts.items():
        if isinstance(view.containers, Unknown):
            raise Refused(
                f"It cannot be seen what runs on {host}.",
                because=(view.containers.reason,),
                next=("docker info", "lastgood doctor"),
            )
        found += [c for c in view.containers.value if c.mine and not c.oneshot_done]
    return tuple(found)


def identify(observed: Observed) -> Running:
    """Recognise what runs. Raises Refused where a host's containers cannot be seen."""
    containers = mine(observed)
    ids = {c.image_id for c in containers}
    release = next((r for r in observed.history if any(runs(r, c, observed) for c in containers)), None)
    if len(ids) != 1:
        return Running(containers, None, release, "", mixed=len(ids) > 1)
    marks = {c.run for c in containers}
    run = marks.pop() if len(marks) == 1 else ""
    return Running(containers, _runnable(containers[0], release), release, run, mixed=False)


def runs(release: Release, container: Container, observed: Observed) -> bool:
    """Whether the container runs the release's image: by digest where one is pinned, else by tag and image id."""
    if release.image.digest:
        return release.image.digest in container.digests
    created_from = Image.parse(container.image)
    if created_from.repository == release.image.repository and created_from.tag:
        return created_from.tag == release.image.tag
    local = {image.image_id for image in local_images(observed) if release.image.tag in image.tags}
    if local:
        return container.image_id in local
    said = observed.registry.get(str(release.image))
    return isinstance(said, Known) and said.value.digest in container.digests


def local_images(observed: Observed) -> tuple[LocalImage, ...]:
    """The images present on any host, as far as could be seen."""
    return tuple(
        image for view in observed.hosts.values() if isinstance(view.images, Known) for image in view.images.value
    )


def _runnable(container: Container, release: Release | None) -> Runnable:
    created_from = Image.parse(container.image)
    tag = release.image.tag if release else created_from.tag
    repository = release.image.repository if release else created_from.repository
    digest = container.digests[0] if container.digests else ""
    return Runnable(Image(repository, tag, digest), container.image_id)


def trouble(containers: tuple[Container, ...]) -> str:
    """What is visibly wrong with the containers, as a failure signature; empty when nothing is."""
    if not containers:
        return "missing"
    if any(c.state in (State.EXITED, State.DEAD, State.RESTARTING) for c in containers):
        return "exits"
    return "unhealthy" if any(c.health == "unhealthy" for c in containers) else ""
