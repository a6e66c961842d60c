"""`--to`: the release a person names by tag, digest or commit."""

import msgspec

from lastgood.model.errors import Refused, UsageError
from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import Observed
from lastgood.model.plan import Skipped
from lastgood.model.release import Evidence, Grade, Image, Release, short
from lastgood.plan.choose import Candidate, Choice, locate, statements
from lastgood.plan.evidence import from_trailers, known_digests, quarantine_of, weigh
from lastgood.plan.running import local_images


def named(to: str, commit: str | None, observed: Observed) -> Release | None:
    """The newest release of that tag, digest or commit; None where history as read so far has none.

    `commit` is the full id where `to` names a commit of the branch. A commit stands for the release it lies in.
    """
    for release in observed.history:
        if to in {release.image.tag, *_digests(release.image, observed)} or commit == release.commit:
            return release
    return None


def _digests(image: Image, observed: Observed) -> set[str]:
    """Every digest that the image is known to have: pinned, said, on a host under its tag, or in the registry now."""
    said = known_digests(image, (*observed.judgements, *from_trailers("", observed.history)))
    held = (one.digests for one in local_images(observed) if image.tag and image.tag in (one.tags or one.kept))
    asked = observed.registry.get(str(image))
    served = asked.value.digest if isinstance(asked, Known) else None
    return {image.digest, served or "", *said, *(digest for digests in held for digest in digests)} - {""}


def wanted(  # noqa: PLR0913, PLR0917 - what is chosen, out of what is known
    target: str, release: Release | None, to: str, observed: Observed, short_lived: float, tags: tuple[str, ...] = ()
) -> Choice:
    """The named release as the only candidate. Raises UsageError for an unknown name, Refused where it cannot be had.

    A person may name a release that is known to be bad; the plan then says so. One in quarantine is refused: everybody
    else's machines refuse it too, until the quarantine is lifted where all can see it. `tags` are the registry's, for
    an unknown name only.
    """
    if release is None:
        raise _unknown(to, observed, tags)
    said = statements(target, observed)
    exactly = msgspec.structs.replace(release.image, digest=to) if to in _digests(release.image, observed) else None
    image = locate(exactly or release.image, observed, said)
    if isinstance(image, Unknown):
        look = f"lastgood history {target.replace('/', ' ')}"
        raise Refused(f"{release.image.name} cannot be had.", because=(image.reason,), next=(look,))
    evidence = weigh(release, said, short_lived, quarantine_of(target, observed.quarantine, observed.history))
    if evidence.grade is Grade.QUARANTINED:
        raise _quarantined(target, release, evidence)
    return Choice((Candidate(release, evidence, *image.value),), ())


def _quarantined(target: str, release: Release, evidence: Evidence) -> Refused:
    service, _, env = target.partition("/")
    name = release.image.tag or release.image.digest
    return Refused(
        f"{release.image.name} of {target} is in quarantine.",
        because=(evidence.because,),
        next=(
            f"lastgood quarantine list {service} {env}",
            f"lastgood quarantine lift {service} {env} {name} --because REASON   # if it is safe again",
        ),
    )


def _unknown(to: str, observed: Observed, tags: tuple[str, ...]) -> UsageError:
    known = tuple(dict.fromkeys(r.image.name for r in observed.history))[:8]
    beyond = () if observed.complete else ("history further back than was read is unknown",)
    return UsageError(
        f"No release {to!r} in the history of this pin.",
        because=(f"releases in git, newest first: {', '.join(known)}", *beyond, *_elsewhere(to, observed, tags)),
        next=("give a tag, a digest or a commit of the deploy branch",),
    )


def _elsewhere(to: str, observed: Observed, tags: tuple[str, ...]) -> tuple[str, ...]:
    """What the registry has of that name or like it, although git never pinned it."""
    from difflib import get_close_matches

    if to in tags:
        return (f"{to} exists in the registry, but git never pinned it, so no configuration belongs to it",)
    pinned = {release.image.tag for release in observed.history}
    near = get_close_matches(to, [tag for tag in tags if tag not in pinned], n=3)
    return (f"the registry has, although git never pinned it: {', '.join(near)}",) if near else ()


def refuse_nothing(target: str, observed: Observed, skipped: tuple[Skipped, ...]) -> Refused:
    """There is nothing to go back to: every release that was looked at, with its reason."""
    reasons = tuple(f"{s.release.image.name} ({short(s.release.commit)}): {s.because}" for s in skipped)
    first = () if skipped else ("git has no earlier release of this service",)
    beyond = () if observed.complete else ("history further back is unknown: the copy of the deploy repo is shallow",)
    return Refused(
        f"{target} has no release to go back to.",
        because=(*first, *reasons, *beyond),
        next=(f"lastgood history {target.replace('/', ' ')}", "name one yourself with --to, if you know better"),
    )
