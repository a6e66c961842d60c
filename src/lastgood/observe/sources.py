"""Which commit an image was built from: by its label where a host has it, else by its tag."""

import re
from collections.abc import Iterator

import msgspec

from lastgood.model.command import Command
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import HostView, Observed
from lastgood.model.release import Image
from lastgood.model.revert import Built, Source
from lastgood.ports import Process

# https://specs.opencontainers.org/image-spec/annotations/: "Source control revision identifier".
LABEL = "org.opencontainers.image.revision"
_HASH = re.compile(r"[0-9a-f]{7,64}")
_TAG = re.compile(r"sha-([0-9a-f]{7,64})")
_SECONDS = 10.0


def built(process: Process, observed: Observed, image: Image) -> Built:
    """What `image` was built from. Unknown where neither label nor tag tell, or where they contradict each other."""
    tagged = _TAG.fullmatch(image.tag)
    by_label = _label(process, observed, image)
    if isinstance(by_label, Unknown):
        if tagged:
            return Built(image, Known(Source(tagged[1], f"tag {image.tag}")))
        return Built(image, Unknown(f"{by_label.reason}, and its tag {image.tag!r} is no sha-…"))
    if tagged and not _alike(tagged[1], by_label.value):
        return Built(image, Unknown(f"the label says {by_label.value[:12]}, the tag {image.tag}"))
    return Built(image, Known(Source(by_label.value, f"label {LABEL}")))


def _alike(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _label(process: Process, observed: Observed, image: Image) -> Fact[str]:
    reason = "no host has the image"
    for host, found in _places(observed, image):
        argv = ("docker", "image", "inspect", "--format", "{{json .Config.Labels}}", "--", found)
        done = process.run(Command(argv, host=host, timeout=_SECONDS))
        if not done.ok:
            reason = done.why()
            continue
        try:
            labels = msgspec.json.decode(done.stdout, type=dict[str, str] | None) or {}
        except msgspec.DecodeError as error:
            reason = f"its labels on {host} cannot be read: {error}"
            continue
        revision = labels.get(LABEL, "")
        if _HASH.fullmatch(revision):
            return Known(revision)
        reason = f"its label {LABEL} is {revision[:80]!r}" if revision else f"it has no label {LABEL}"
    return Unknown(reason)


def _places(observed: Observed, image: Image) -> Iterator[tuple[str, str]]:
    """Hosts that have the image, and its id there: one for each host."""
    for host, view in observed.hosts.items():
        found = next((name for name, digests, tags in _held(view) if _is(image, digests, tags)), None)
        if found:
            yield host, found


def _held(view: HostView) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Every image that the host shows: id, digests, tags."""
    for container in view.containers.value if isinstance(view.containers, Known) else ():
        if container.mine:
            yield container.image_id, container.digests, (Image.parse(container.image).tag,)
    for local in view.images.value if isinstance(view.images, Known) else ():
        yield local.image_id, local.digests, local.tags


def _is(image: Image, digests: tuple[str, ...], tags: tuple[str, ...]) -> bool:
    return image.digest in digests if image.digest else bool(image.tag) and image.tag in tags
