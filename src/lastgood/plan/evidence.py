"""What is known of a release: statements from the journal and from trailers, the newest of which decides."""

from collections.abc import Iterable, Sequence

from lastgood.model.duration import spoken
from lastgood.model.release import Evidence, Grade, Image, Judgement, Release, short


def from_trailers(target: str, history: Iterable[Release]) -> tuple[Judgement, ...]:
    """What earlier rollback commits say, as judgements: their target was verified, what they left was not kept."""
    return tuple(
        judgement for release in history if release.trailers.run for judgement in _trailer_judgements(target, release)
    )


def _trailer_judgements(target: str, release: Release) -> Iterable[Judgement]:
    trailers, where = release.trailers, f"commit {short(release.commit)}"
    if trailers.went_to:
        yield Judgement(target, trailers.went_to, Grade.VERIFIED, release.at, trailers.run, f"verified by {where}")
    for image in trailers.bad:
        yield Judgement(target, image, Grade.BAD, release.at, trailers.run, f"marked bad by {where}")
    kept = (*trailers.bad, *filter(None, [trailers.went_to]))
    if trailers.went_from and not any(trailers.went_from.same(image) for image in kept):
        yield Judgement(target, trailers.went_from, Grade.ROLLED_BACK, release.at, trailers.run, f"left by {where}")


def weigh(release: Release, judgements: Sequence[Judgement], short_lived: float) -> Evidence:
    """The evidence on one release. `judgements` come from journal and trailers; `short_lived` is in seconds.

    The newest conclusive judgement decides: verified after bad is verified. An inconclusive one never outweighs a
    conclusive one, since an outage must not condemn history.
    """
    about = sorted((j for j in judgements if j.image.same(release.image)), key=lambda j: j.at, reverse=True)
    conclusive = [j for j in about if j.grade not in (Grade.INCONCLUSIVE, Grade.UNPROVEN)]
    hints = _hints(release, short_lived)
    for judgement in (conclusive or about)[:1]:
        return Evidence(judgement.grade, _because(judgement), hints)
    return Evidence(Grade.UNPROVEN, "no run has judged it", hints)


def _because(judgement: Judgement) -> str:
    said = judgement.because or str(judgement.grade)
    return f"{said} (run {judgement.run})" if judgement.run else said


def _hints(release: Release, short_lived: float) -> tuple[str, ...]:
    if release.until is None:
        return ("in service now",)
    lived = release.until - release.at
    if lived < short_lived:
        return (f"short-lived: replaced after {spoken(lived)}",)
    return (f"in service for {spoken(lived)}",)


def known_digests(image: Image, judgements: Iterable[Judgement]) -> tuple[str, ...]:
    """Digests under which this tag is known to have run, newest statement first."""
    said = sorted((j for j in judgements if j.image.digest and j.image.same(image)), key=lambda j: j.at, reverse=True)
    return tuple(dict.fromkeys(j.image.digest for j in said))
