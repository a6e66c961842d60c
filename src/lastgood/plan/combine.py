"""What an app goes back to: the pins of all its services as of one branch commit, so that they were there together."""

from collections.abc import Sequence

import msgspec

from lastgood.model.errors import Refused
from lastgood.model.plan import Skipped
from lastgood.model.release import Evidence, Grade, Release, short
from lastgood.plan.choose import Candidate, consider, same_bytes, statements
from lastgood.plan.draft import Draft
from lastgood.plan.evidence import quarantine_of, weigh
from lastgood.plan.report import failing
from lastgood.plan.running import origin


class Combination(msgspec.Struct, frozen=True):
    """A candidate for each service, in the order of the drafts, as of `commit`."""

    commit: str
    candidates: tuple[Candidate, ...]


class Combinations(msgspec.Struct, frozen=True):
    """Combinations, best first, and what was passed over on the way."""

    found: tuple[Combination, ...]
    skipped: tuple[Skipped, ...]


def combine(drafts: Sequence[Draft], order: Sequence[str], most: int) -> Combinations:
    """Up to `most` combinations older than what runs. `order` are the commits that changed a pin, newest first."""
    found: list[Combination] = []
    skipped: list[Skipped] = []
    for commit in order[_now(drafts, order) + 1 :]:
        if len(found) == most:
            break
        pairs = as_of(drafts, order, commit)
        if pairs is None:
            continue
        chosen = _considered(drafts, pairs, commit)
        if isinstance(chosen, Skipped):
            skipped.append(chosen)
        elif chosen and not any(_same(chosen, other) for other in found):
            found.append(chosen)
    return Combinations(tuple(found), tuple(dict.fromkeys(skipped)))


def at_commit(drafts: Sequence[Draft], order: Sequence[str], commit: str) -> Combination:
    """The combination that a person named by a commit of the branch. Raises Refused where one of it cannot be had."""
    pairs = as_of(drafts, order, commit)
    if pairs is None:
        raise Refused(f"Not every service had a pin at {short(commit)}.", next=("name a later commit with --to",))
    chosen = _considered(drafts, pairs, commit, named=True)
    if isinstance(chosen, Skipped):
        because = (f"{chosen.service} {chosen.release.image.name}: {chosen.because}",)
        raise Refused(f"What was pinned at {short(commit)} cannot be had.", because=because)
    if chosen is None:
        raise Refused(f"What was pinned at {short(commit)} is what runs.")
    return chosen


def as_of(drafts: Sequence[Draft], order: Sequence[str], commit: str) -> tuple[Release, ...] | None:
    """Each service's release as of a commit in `order`; None where history as it was read has none of one."""
    at = order.index(commit)
    known = set(order[at:])
    found = [next((r for r in draft.observed.history if r.commit in known), None) for draft in drafts]
    releases = tuple(release for release in found if release)
    return releases if len(releases) == len(found) else None


def _now(drafts: Sequence[Draft], order: Sequence[str]) -> int:
    """The place in `order` of the newest release that runs; a rollback's counts as the one that it went back to."""
    places = (_place(draft, order) for draft in drafts)
    return min((place for place in places if place is not None), default=-1)


def _place(draft: Draft, order: Sequence[str]) -> int | None:
    release, history = draft.running.release, draft.observed.history
    if release is None:
        return None
    commit = history[origin(release, history)].commit
    return order.index(commit) if commit in order else None


def _considered(
    drafts: Sequence[Draft], releases: tuple[Release, ...], commit: str, *, named: bool = False
) -> Combination | Skipped | None:
    """The combination, or the first reason against it; None where it is what runs."""
    chosen: list[Candidate] = []
    moving = False
    for draft, release in zip(drafts, releases, strict=True):
        found = _one(draft, release, named=named)
        if isinstance(found, Candidate) and not named and _stays_sick(draft, found):
            found = "it is what runs, and it is seen to fail"
        if isinstance(found, str):
            return Skipped(release, found, draft.target.service)
        chosen.append(found)
        moving = moving or draft.running.image is None or not same_bytes(found.image, draft.running.image)
    return Combination(commit, tuple(chosen)) if moving else None


def _stays_sick(draft: Draft, found: Candidate) -> bool:
    """Whether the service would stay on a release that is seen to fail: nothing would be cured."""
    runs = draft.running.image
    return runs is not None and same_bytes(found.image, runs) and bool(failing(draft.observed))


def _one(draft: Draft, release: Release, *, named: bool) -> Candidate | str:
    """The release as a candidate, or why not. What runs already may stay, unless it is known to be bad."""
    said = statements(draft.target.name, draft.observed)
    quarantine = quarantine_of(draft.target.name, draft.observed.quarantine, draft.observed.history)
    evidence = weigh(release, said, draft.target.short_lived, quarantine)
    condemned = evidence.grade in (Grade.BAD, Grade.ROLLED_BACK)
    neutral = Evidence(because=evidence.because) if named and condemned else evidence
    running = msgspec.structs.replace(draft.running, image=None)  # that it runs is no reason against it here
    found = consider(release, neutral, draft.observed, running, said)
    return msgspec.structs.replace(found, evidence=evidence) if isinstance(found, Candidate) else found


def _same(one: Combination, other: Combination) -> bool:
    pairs = zip(one.candidates, other.candidates, strict=True)
    return all(a.release.image.same(b.release.image) for a, b in pairs)
