"""The commits that the bad release has and the good one has not, so that a person can choose what to revert."""

from lastgood.git.revert import CodeRepo
from lastgood.model.errors import LastgoodError, Refused
from lastgood.model.facts import Unknown
from lastgood.model.observed import Observed
from lastgood.model.release import Image, short
from lastgood.model.revert import Built, Suspect, Suspects
from lastgood.model.target import Target
from lastgood.observe.sources import built
from lastgood.plan import report
from lastgood.plan.running import identify
from lastgood.ports import Process

MOST = 200


def suspects(target: Target, observed: Observed, repo: CodeRepo, process: Process) -> Suspects:
    """The commits between the good and the bad release. Raises Refused where it is not known which those are."""
    good_image, bad_image, told = _releases(target, observed)
    good, bad = (built(process, observed, image) for image in (good_image, bad_image))
    with repo.lock():
        remote = repo.fetch()
        old, new = _commit(repo, good, "good"), _commit(repo, bad, "bad")
        listed = repo.between(old, new, MOST + 1)
        ancestor = repo.contains(new, old)
        backwards = not ancestor and repo.contains(old, new)
    found = tuple(Suspect(commit, files, int(commit.is_merge)) for commit, files in listed[:MOST])
    stale = (f"the code repo's remote does not answer: {remote.reason}",) if isinstance(remote, Unknown) else ()
    return Suspects(
        target=target.name,
        repo=repo.origin.shown or repo.origin.top,
        branch=repo.branch,
        good=good,
        bad=bad,
        suspects=found,
        complete=len(listed) <= MOST,
        ancestor=ancestor,
        notes=(*told, *_notes(old, new, ancestor=ancestor, backwards=backwards), *stale),
        next=_next(target, found),
    )


def _releases(target: Target, observed: Observed) -> tuple[Image, Image, tuple[str, ...]]:
    """The good image, the bad one, and what has to be said of that: after a rollback the bad one runs no more."""
    running = identify(observed)
    if running.image is None:
        why = "containers run different images" if running.mixed else "no container runs"
        raise Refused(f"It is not known which release of {target.name} is the bad one.", because=(why,))
    runs = running.image.image
    marks = running.release.trailers if running.release else None
    if marks and marks.run and marks.went_from:
        return runs, marks.went_from, (f"rolled back by {marks.run}: what runs is the good release",)
    last_good = report.status(target, observed).last_good
    if isinstance(last_good, Unknown):
        raise Refused(
            f"{target.name} has no earlier good release to compare with.",
            because=(last_good.reason,),
            next=(f"lastgood history {target.service} {target.env}",),
        )
    return last_good.value.image, runs, ()


def _commit(repo: CodeRepo, what: Built, which: str) -> str:
    if isinstance(what.source, Unknown):
        raise Refused(
            f"It is not known which commit the {which} release {what.image.name} was built from.",
            because=(what.source.reason,),
            next=("build images with the label org.opencontainers.image.revision, or tag them sha-COMMIT",),
        )
    try:
        return repo.named(what.source.value.revision)
    except LastgoodError as error:
        shown = short(what.source.value.revision)
        raise Refused(
            f"The {which} release {what.image.name} was built from {shown}, which is not on {repo.branch}.",
            because=(f"{what.source.value.said_by}", *error.because),
            next=("name the code repo by --repo PATH, or the branch that is built by --branch BRANCH",),
        ) from error


def _notes(old: str, new: str, *, ancestor: bool, backwards: bool) -> tuple[str, ...]:
    if old == new:
        return (f"both were built from {short(old)}: the code is the same, so look at the configuration",)
    if backwards:
        return (f"the bad release {short(new)} is older code than the good one {short(old)}: it only lacks commits",)
    if not ancestor:
        return (f"the good release {short(old)} is not in the history of the bad one: that also lacks commits of it",)
    return ()


def _next(target: Target, found: tuple[Suspect, ...]) -> tuple[str, ...]:
    if not found:
        return (f"lastgood plan {target.service} {target.env} --config-only",)
    mainline = " --mainline 1" if found[0].mainline else ""
    return (f"lastgood revert {found[0].commit.commit[:12]}{mainline} --service {target.service} --dry-run",)
