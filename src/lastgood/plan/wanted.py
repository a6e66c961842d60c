"""`--to`: the release a person names by tag, digest or commit."""

import msgspec

from lastgood.model.errors import Refused, UsageError
from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import Observed
from lastgood.model.plan import Skipped
from lastgood.model.release import Image, Release, short
from lastgood.plan.choose import Candidate, Choice, locate, statements
from lastgood.plan.evidence import from_trailers, known_digests, weigh
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
    held = (one.digests for one in local_images(observed) if image.tag and image.tag in one.tags)
    asked = observed.registry.get(str(image))
    served = asked.value.digest if isinstance(asked, Known) else None
    return {image.digest, served or "", *said, *(digest for digests in held for digest in digests)} - {""}


def wanted(target: str, release: Release | None, to: str, observed: Observed, short_lived: float) -> Choice:
    """The named release as the only candidate. Raises UsageError for an unknown name, Refused where it cannot be had.

    A person may name a release that is known to be bad; the plan then says so.
    """
    if release is None:
        raise _unknown(to, observed)
    said = statements(target, observed)
    exactly = msgspec.structs.replace(release.image, digest=to) if to in _digests(release.image, observed) else None
    image = locate(exactly or release.image, observed, said)
    if isinstance(image, Unknown):
        look = f"lastgood history {target.replace('/', ' ')}"
        raise Refused(f"{release.image.name} cannot be had.", because=(image.reason,), next=(look,))
    evidence = weigh(release, said, short_lived)
    return Choice((Candidate(release, evidence, *image.value),), ())


def _unknown(to: str, observed: Observed) -> UsageError:
    known = tuple(dict.fromkeys(r.image.name for r in observed.history))[:8]
    beyond = () if observed.complete else ("history further back than was read is unknown",)
    return UsageError(
        f"No release {to!r} in the history of this pin.",
        because=(f"releases in git, newest first: {', '.join(known)}", *beyond),
        next=("give a tag, a digest or a commit of the deploy branch",),
    )


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
