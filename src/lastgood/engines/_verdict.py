"""Whether a step took effect, judged from what a Docker host shows; shared by every kind that switches containers."""

import re
from datetime import UTC, datetime

from lastgood.model.facts import No, Unclear, Unknown, Verdict, Yes
from lastgood.model.observed import Container, HostView, LocalImage, State
from lastgood.model.step import EngineStep, PullStep, RestartStep, Runnable, SwitchStep

# A container that a killed Compose created and never started, or was taking away, has not been switched.
_UNFINISHED = (State.CREATED, State.REMOVING)
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")


def happened(step: EngineStep, seen: HostView, since: int, run: str) -> Verdict:
    """Yes or No from reality alone; `since` in Unix nanoseconds, `run` the id that a marked switch labels with.

    Where a step took effect in part the verdict is No: pulling, switching and restarting may all be done again
    without harm. Unclear is only what could not be seen, or cannot be put right by doing the step again.
    """
    match step:
        case PullStep():
            return _pulled(step.image, seen)
        case SwitchStep():
            return _switched(step, seen, run)
        case RestartStep():
            return _restarted(step, seen, since)


def _verdict(*, yes: bool) -> Verdict:
    return Yes() if yes else No()


def _pulled(wanted: Runnable, seen: HostView) -> Verdict:
    """Yes when the reference that a switch will use means the wanted bytes on this host."""
    if isinstance(seen.images, Unknown):
        return Unclear(f"the host's images are unknown: {seen.images.reason}")
    return _verdict(yes=any(_is_here(wanted, image) for image in seen.images.value))


def _is_here(wanted: Runnable, image: LocalImage) -> bool:
    if wanted.image.digest:
        return wanted.image.digest in image.digests
    return image.image_id == wanted.image_id and (not wanted.image.tag or wanted.image.tag in image.tags)


def _switched(step: SwitchStep, seen: HostView, run: str) -> Verdict:
    if isinstance(seen.containers, Unknown):
        return Unclear(f"the host's containers are unknown: {seen.containers.reason}")
    ids = _ids(step.image, seen)
    if isinstance(ids, Unclear):
        return ids
    label = run if step.marked else ""
    mine = [one for one in seen.containers.value if one.mine and one.service in step.services]
    done = all(one.image_id in ids and one.run == label and one.state not in _UNFINISHED for one in mine)
    return _verdict(yes=done and all(_enough(service, step, mine) for service in step.services))


def switched_since(step: SwitchStep, seen: HostView, since: int) -> Verdict:
    """Whether every container of the pin runs the step's image and was started after `since`, Unix nanoseconds.

    For hands other than ours, which leave no mark: what ran the image before was not switched.
    """
    if isinstance(seen.containers, Unknown):
        return Unclear(f"the host's containers are unknown: {seen.containers.reason}")
    ids = _ids(step.image, seen)
    if isinstance(ids, Unclear):
        return ids
    mine = [one for one in seen.containers.value if one.mine and not one.oneshot_done]
    starts = [_nanoseconds(one.started) for one in mine]
    fresh = all(start is not None and start > since for start in starts)
    runs = all(one.image_id in ids and one.state not in _UNFINISHED for one in mine)
    return _verdict(yes=bool(mine) and fresh and runs)


def _ids(wanted: Runnable, seen: HostView) -> set[str] | Unclear:
    """The engine's ids for the wanted bytes on this host."""
    ids = {wanted.image_id} - {""}
    if not isinstance(seen.images, Unknown):
        return ids | {image.image_id for image in seen.images.value if wanted.image.digest in image.digests}
    return ids or Unclear(f"which image the digest means on the host is unknown: {seen.images.reason}")


def _enough(service: str, step: SwitchStep, mine: list[Container]) -> bool:
    count = sum(one.service == service for one in mine)
    return count == dict(step.scale).get(service, max(1, count))


def _restarted(step: RestartStep, seen: HostView, since: int) -> Verdict:
    """Yes when all run since then. One that restarts by itself counts too: it begins afresh all the same."""
    if isinstance(seen.containers, Unknown):
        return Unclear(f"the host's containers are unknown: {seen.containers.reason}")
    found = {one.name: one for one in seen.containers.value}
    missing = [name for name in step.containers if name not in found]
    if missing:
        return Unclear(f"there is no container {missing[0]} any more")
    starts = [_nanoseconds(found[name].started) for name in step.containers]
    return _verdict(yes=all(start is not None and start > since for start in starts))


def _nanoseconds(text: str) -> int | None:
    """An engine's time in Unix nanoseconds; None for one that never was."""
    parts = _TIME.fullmatch(text)
    if parts is None:
        return None
    whole = datetime.fromisoformat(parts[1]).replace(tzinfo=UTC)
    return int(whole.timestamp()) * 1_000_000_000 + int((parts[2] or "").ljust(9, "0"))
