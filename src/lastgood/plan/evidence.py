"""What is known of a release: statements from the journal and from trailers, the newest of which decides."""

from collections.abc import Iterable, Sequence

import msgspec

from lastgood.model.duration import spoken
from lastgood.model.facts import Fact, known_or
from lastgood.model.quarantine import Lifted, Quarantine, Quarantined
from lastgood.model.release import Evidence, Grade, Image, Judgement, Release, short

NO_QUARANTINE = Quarantine()


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


def quarantine_of(target: str, entries: Fact[tuple[Quarantined, ...]], history: Iterable[Release]) -> Quarantine:
    """What is in quarantine for a target (`service/env`): the file's entries, and what rollback commits condemned.

    The newest of what commits say about an image counts: verified after bad is verified. Unknown entries count as
    none, so whoever decides by it has to look at that first (`guards.check` does).
    """
    service, _, env = target.partition("/")
    said = sorted(from_trailers(target, history), key=lambda j: j.at, reverse=True)
    conclusive = [j for j in said if j.grade is not Grade.ROLLED_BACK]
    newest = [j for i, j in enumerate(conclusive) if not any(j.image.same(o.image) for o in conclusive[:i])]
    bad = tuple(
        Quarantined(service, env, j.image, j.because, "lastgood", j.at, j.run) for j in newest if j.grade is Grade.BAD
    )
    return Quarantine(service, env, known_or(entries, ()), bad)


def _held(image: Image, judgements: Sequence[Judgement], quarantine: Quarantine) -> Quarantined | None:
    """Why the image is in quarantine, by its tag or by a digest that it is known to have run under."""
    digests = (image.digest,) if image.digest else ("", *known_digests(image, judgements))
    found = (quarantine.standing(msgspec.structs.replace(image, digest=digest)) for digest in digests)
    return next(filter(None, found), None)


def quarantined_because(entry: Quarantined) -> str:
    """Who put it there and why, in one clause."""
    return f"{entry.because} ({f'run {entry.run}' if entry.run else f'by {entry.by}'})"


def weigh(
    release: Release, judgements: Sequence[Judgement], short_lived: float, quarantine: Quarantine = NO_QUARANTINE
) -> Evidence:
    """The evidence on one release. `judgements` come from journal and trailers; `short_lived` is in seconds.

    Quarantine outweighs all else. Then the newest conclusive judgement decides: verified after bad is verified. An
    inconclusive one never outweighs a conclusive one, since an outage must not condemn history. What was said against
    a release before its quarantine was lifted does not count any more.
    """
    hints = _hints(release, short_lived)
    held = _held(release.image, judgements, quarantine)
    if held:
        return Evidence(Grade.QUARANTINED, quarantined_because(held), hints)
    lift = quarantine.lift(release.image)
    about = sorted((j for j in judgements if j.image.same(release.image)), key=lambda j: j.at, reverse=True)
    if lift:
        hints = (*hints, f"quarantine lifted by {lift.by}: {lift.because}")
        about = [j for j in about if not _forgiven(j, lift)]
    conclusive = [j for j in about if j.grade not in (Grade.INCONCLUSIVE, Grade.UNPROVEN)]
    for judgement in (conclusive or about)[:1]:
        return Evidence(judgement.grade, _because(judgement), hints)
    return Evidence(Grade.UNPROVEN, "no run has judged it", hints)


def _forgiven(judgement: Judgement, lift: Lifted) -> bool:
    return judgement.grade is not Grade.VERIFIED and judgement.at <= lift.at


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
