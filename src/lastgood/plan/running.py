"""Which release runs: from what containers show, never from what git pins."""

import msgspec

from lastgood.model.errors import Refused
from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import Container, LocalImage, Observed
from lastgood.model.release import Image, Release
from lastgood.model.step import Runnable
from lastgood.model.target import shown
from lastgood.plan.evidence import from_trailers, known_digests


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
                f"It cannot be seen what runs on {shown(host)}.",
                because=(view.containers.reason,),
                next=("docker info", "lastgood doctor"),
            )
        found += [c for c in view.containers.value if c.mine and not c.oneshot_done]
    return tuple(found)


def identify(observed: Observed) -> Running:
    """Recognise what runs. Raises Refused where a host's containers cannot be seen."""
    containers = mine(observed)
    ids = {c.image_id for c in containers}
    release = _newest(containers, observed)
    if len(ids) != 1:
        return Running(containers, None, release, "", mixed=len(ids) > 1)
    marks = {c.run for c in containers}
    run = marks.pop() if len(marks) == 1 else ""
    return Running(containers, _runnable(containers[0], release), release, run, mixed=False)


def _newest(containers: tuple[Container, ...], observed: Observed) -> Release | None:
    """The newest release that any of them runs; a rollback's counts as the one that it went back to."""
    found = (next((r for r in observed.history if runs(r, c, observed)), None) for c in containers)
    return min((r for r in found if r), key=lambda r: origin(r, observed.history), default=None)


def origin(release: Release, history: tuple[Release, ...]) -> int:
    """The place in history from which earlier is counted.

    A rollback commit stands for the release it went back to, so that going further goes further back rather than to
    what the rollback had left.
    """
    at = next(i for i, r in enumerate(history) if r.commit == release.commit)
    while history[at].trailers.run:
        older = next((i for i in range(at + 1, len(history)) if history[i].image.same(history[at].image)), None)
        if older is None:
            break
        at = older
    return at


def runs(release: Release, container: Container, observed: Observed) -> bool:
    """Whether the container runs the release's image.

    By digest where one is pinned; else by the tag it was created from; else by the digests that the tag is known to
    have run under, by the host's own tags, and last by what the registry says now.
    """
    if release.image.digest:
        return release.image.digest in container.digests
    created_from = Image.parse(container.image)
    if created_from.repository == release.image.repository and created_from.tag:
        return created_from.tag == release.image.tag
    ran = known_digests(release.image, (*observed.judgements, *from_trailers("", observed.history)))
    if any(digest in container.digests for digest in ran):
        return True
    local = {image.image_id for image in local_images(observed) if release.image.tag in image.tags}
    local = local or {image.image_id for image in local_images(observed) if release.image.tag in image.kept}
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
