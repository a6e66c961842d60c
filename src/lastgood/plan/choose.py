"""The last good release, and why: every release it passes over is named with its reason."""

import msgspec

from lastgood.model.errors import Refused
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Availability, LocalImage, Observed
from lastgood.model.plan import Skipped
from lastgood.model.release import Evidence, Grade, Image, Judgement, Release, short
from lastgood.model.step import Runnable
from lastgood.plan.evidence import from_trailers, known_digests, quarantine_of, weigh
from lastgood.plan.platforms import unfit
from lastgood.plan.running import Running, origin


class Candidate(msgspec.Struct, frozen=True):
    """A release that can be gone back to, the bytes it stands for, and notes for the reader."""

    release: Release
    evidence: Evidence
    image: Runnable
    notes: tuple[str, ...]


class Choice(msgspec.Struct, frozen=True):
    """Candidates, best first, and everything that was passed over on the way."""

    candidates: tuple[Candidate, ...]
    skipped: tuple[Skipped, ...]


def statements(target: str, observed: Observed) -> tuple[Judgement, ...]:
    """Everything said about this target's releases: by the journal here, and by trailers in git."""
    return (*observed.judgements, *from_trailers(target, observed.history))


def earlier(observed: Observed, running: Running) -> tuple[Release, ...]:
    """The releases older than what runs, newest first. Where nothing runs, older than what git pins."""
    if running.release is None:
        return observed.history[1:]
    return observed.history[origin(running.release, observed.history) + 1 :]


def choose(target: str, observed: Observed, running: Running, short_lived: float, most: int) -> Choice:
    """Up to `most` candidates from the releases before what runs."""
    said = statements(target, observed)
    quarantine = quarantine_of(target, observed.quarantine, observed.history)
    candidates: list[Candidate] = []
    skipped: list[Skipped] = []
    for release in earlier(observed, running):
        if len(candidates) == most:
            break
        evidence = weigh(release, said, short_lived, quarantine)
        found = consider(release, evidence, observed, running, said)
        if any(isinstance(found, Candidate) and c.release.image.same(release.image) for c in candidates):
            continue
        if isinstance(found, Candidate):
            candidates.append(found)
        else:
            skipped.append(Skipped(release, found))
    return Choice(tuple(candidates), tuple(skipped))


def image_stays(target: str, choice: Choice, running: Running) -> Choice:
    """The candidates as places to take configuration from, while the image that runs stays.

    Their evidence is about other images, so it says nothing here. Raises Refused where no single image runs.
    """
    if running.image is None:
        raise Refused(
            f"No single image of {target} runs, so its configuration cannot go back alone.",
            next=(f"lastgood status {target.replace('/', ' ')}",),
        )
    notes = ("the image stays; only the configuration goes back",)
    return Choice(tuple(_with_image(c, running.image, notes) for c in choice.candidates), choice.skipped)


def _with_image(candidate: Candidate, image: Runnable, notes: tuple[str, ...]) -> Candidate:
    release = msgspec.structs.replace(candidate.release, image=image.image)
    return Candidate(release, Evidence(hints=(f"configuration of {candidate.release.image.name}",)), image, notes)


def consider(
    release: Release, evidence: Evidence, observed: Observed, running: Running, said: tuple[Judgement, ...]
) -> Candidate | str:
    """The release as a candidate, or why it is passed over."""
    if evidence.grade in (Grade.BAD, Grade.ROLLED_BACK, Grade.QUARANTINED):
        return f"{evidence.grade}: {evidence.because}"
    image = locate(release.image, observed, said)
    if isinstance(image, Unknown):
        return image.reason
    if running.image and same_bytes(image.value[0], running.image):
        return "it is what runs"
    return Candidate(release, evidence, *image.value)


def same_bytes(one: Runnable, other: Runnable) -> bool:
    """Whether both are the same image: by id where both have one, else by digest."""
    if one.image_id and other.image_id:
        return one.image_id == other.image_id
    return bool(one.image.digest) and one.image.digest == other.image.digest


def locate(image: Image, observed: Observed, said: tuple[Judgement, ...]) -> Fact[tuple[Runnable, tuple[str, ...]]]:
    """The bytes behind a pinned image and where they can be had; Unknown says why they cannot.

    The digest pinned in git decides, then the one that is known to have run, then what the hosts hold under the tag,
    and only then the registry's present answer: a tag can have been moved.
    """
    asked: Fact[Availability] = observed.registry.get(str(image), Unknown("the registry was not asked"))
    served = asked.value.digest if isinstance(asked, Known) else None
    ran = known_digests(image, said)
    held = _held(image, observed)
    digest = image.digest or next(iter(ran), "") or (held.digests[0] if held and held.digests else "")
    if not digest and held:
        return Known((Runnable(image, held.image_id), ("only on the host; the registry has no digest for it",)))
    digest = digest or served or ""
    if not digest:
        return Unknown(_missing(asked))
    named = Image(image.repository, image.tag, digest)
    notes = _moved(image, digest, served)
    return _obtainable(named, observed, asked, notes)


def _held(image: Image, observed: Observed) -> LocalImage | None:
    """The image that a host holds under the tag, where every host that holds the tag agrees on it.

    A tag of ours stands in where the tag itself is gone; without a digest nothing could be run by it.
    """
    found = [i for i in _on_hosts(observed) if image.tag and image.tag in i.tags]
    found = found or [i for i in _on_hosts(observed) if image.tag and image.tag in i.kept and i.digests]
    return found[0] if len({i.image_id for i in found}) == 1 else None


def _on_hosts(observed: Observed) -> list[LocalImage]:
    return [i for view in observed.hosts.values() if isinstance(view.images, Known) for i in view.images.value]


def _obtainable(
    image: Image, observed: Observed, asked: Fact[Availability], notes: tuple[str, ...]
) -> Fact[tuple[Runnable, tuple[str, ...]]]:
    present = [i for i in _on_hosts(observed) if image.digest in i.digests]
    if present:
        return Known((Runnable(image, present[0].image_id), notes))
    by_digest = observed.registry.get(f"{image.repository}@{image.digest}", asked)
    if isinstance(by_digest, Unknown):
        return Unknown(f"not on the host, and the registry cannot be asked: {by_digest.reason}")
    if by_digest.value.digest is None:
        return Unknown(f"its image is gone: {short(image.digest)} is neither on the host nor in the registry")
    lacking = unfit(by_digest.value, observed) or (unfit(asked.value, observed) if isinstance(asked, Known) else "")
    if lacking:
        return Unknown(f"not on the host, and the registry has no image for {lacking}")
    return Known((Runnable(image), (*notes, "will be pulled")))


def _missing(asked: Fact[Availability]) -> str:
    if isinstance(asked, Unknown):
        return f"not on the host, and the registry cannot be asked: {asked.reason}"
    return "its image is gone: neither on the host nor in the registry"


def _moved(image: Image, digest: str, served: str | None) -> tuple[str, ...]:
    if served is None or served == digest:
        return ()
    return (f"the registry now serves {short(served)} under {image.tag}; {short(digest)} is what ran and is used",)
