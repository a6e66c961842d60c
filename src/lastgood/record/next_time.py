"""What a run leaves open: questions from its gaps, and what must be so before a bad release may come back. Pure."""

from collections.abc import Iterator
from typing import Final

from lastgood.git import links
from lastgood.model.duration import spoken
from lastgood.model.errors import Exit
from lastgood.model.event import Failure, Judged, Run
from lastgood.model.release import Grade, Image, short
from lastgood.model.step import DownStep, LossyDownStep, RecordStep
from lastgood.record.incident import Incident, blamed, failures, left, moves, put_back, stopped
from lastgood.record.measured import question
from lastgood.record.prose import Block, Bullets, Link, Para, Q, Rich
from lastgood.record.sources import Sources

_LONG: Final = 600.0


def questions(found: Incident) -> Iterator[Rich]:
    """What the record does not say, or what it shows to be unusual; at least what nobody can know from it."""
    yield from _of_times(found)
    yield from _of_the_run(found)
    yield from _of_the_end(found)


def _of_times(found: Incident) -> Iterator[Rich]:
    times = found.times
    if times.detected is None:
        yield (
            "When was it noticed, by whom or by what? ",
            Q(f"lastgood postmortem {found.run.id} --detected TIME"),
            " notes it.",
        )
    for one in found.courses:
        if one.rose is not None and times.detected is None:
            yield question(one, times.decided)
    if times.changed is None and found.run.plan.action == "rollback":
        yield ("Which commit brought the release that was left? Git does not tell.",)
    since = times.detected if times.detected is not None else times.changed
    if since is not None and (waited := times.decided - since) > _LONG:
        what = "it was noticed" if times.detected is not None else "the release was committed"
        yield (f"{spoken(waited)} went by from when {what} until the plan was approved: what was being looked at?",)
    for gap in found.gaps:
        yield (f"{spoken(gap.seconds)} went by after line {gap.after} without a line: what was being waited for?",)
    for gap in found.set_back:
        yield (
            f"The machine's clock was set back by {spoken(gap.seconds)} after line {gap.after}. Which times are right?",
        )


def _of_the_run(found: Incident) -> Iterator[Rich]:
    for one in failures(found.entries):
        if one not in blamed(found.run, found.entries):
            yield ("Why did ", Q(one.step), " fail: ", Q(one.because), "?")
    if stopped(found.entries):
        yield ("What stopped the run half-way?",)
    if not found.run.signature and found.run.plan.action == "rollback":
        yield (
            "No look saw the release fail before it was left. What was wrong with it, and what could have shown it?",
        )
    for warning in found.run.plan.warnings:
        yield ("It was warned, and gone on with: ", Q(warning), ". Was that right?")
    for host in found.run.plan.left_out:
        yield ("What became of ", Q(host.host), ", which was left out?")
    if any(kept.lost for kept in found.evidence) or not found.evidence:
        yield ("Evidence is missing. Where else is it to be had?",)


def _of_the_end(found: Incident) -> Iterator[Rich]:
    ended = found.run.ended
    if ended is None:
        yield ("The run has no end. Is it still going on? ", Q(f"lastgood resume {found.run.id}"), " goes on with it.")
    elif ended.exit is Exit.MITIGATED:
        if cached(found.run):
            yield (
                "Customers may still get something else from the CDN. Who sees to it? ",
                Q(f"lastgood resume {found.run.id}"),
            )
        if not cached(found.run, alone=True):
            yield ("Git does not say yet what runs. Who settles it? ", Q(f"lastgood settle {found.run.id}"))
    elif put_back(found.run):
        yield ("What ran before is back. Who looks after it?",)
    elif ended.exit is not Exit.DONE or found.run.aborting:
        yield ("The run ended with ", Q(ended.what), " What serves now, and who looks after it?")
    if found.winner is not None and not condemned(found):
        yield ("No release was shown to be bad by it. What is to become of the one that was left?",)


def cached(run: Run, *, alone: bool = False) -> bool:
    """Whether a CDN did not follow; `alone`: and all else is settled."""
    kinds = {failure.kind for failure in run.failures.values()}
    return Failure.STALE in kinds and not (alone and {Failure.UNSETTLED, Failure.CONTRADICTED} & kinds)


def condemned(found: Incident) -> tuple[tuple[str, Image, str], ...]:
    """The releases that the run has shown to be bad, first what was left: target, image, why."""
    said = (entry.event for entry in found.entries if isinstance(entry.event, Judged))
    bad = [(one.target, one.image, one.because) for one in said if one.grade is Grade.BAD]
    gone = [one.image for one in left(found.run)]
    first = sorted(bad, key=lambda one: not any(one[1].same(image) for image in gone))
    return tuple(dict.fromkeys(first))


def again(found: Incident, sources: Sources) -> Iterator[Block]:
    """The plan for a new deployment, as far as it follows from the record."""
    bad = condemned(found)
    if not bad:
        yield Para(("The run has condemned no release. ", *_left(found)))
    for target, image, because in bad:
        service, _, env = target.partition("/")
        lift = f"lastgood quarantine lift {service} {env} {image.name} --because REASON"
        yield Para((Q(str(image)), " on ", Q(target), " was shown to be bad: ", Q(because), "."))
        yield Bullets(
            (
                (*_quarantine(found, sources), Q(f"lastgood quarantine list {service} {env}")),
                ("The cause is found and its cure is in a ", "new release, under another tag", "."),
                ("A probe, a test or a user flow would show the same failure before users do.",),
                ("Should something else have been the cause, it is let go with the reason: ", Q(lift)),
            ),
            boxes=True,
        )
    yield Bullets(tuple(_besides(found)), boxes=True)


def _quarantine(found: Incident, sources: Sources) -> Rich:
    """Where git says that it is in quarantine, as far as the record tells."""
    records = [step.id for step in found.run.plan.steps() if isinstance(step, RecordStep)]
    done = [found.run.done[name] for name in records if name in found.run.done]
    commit = next(filter(None, (one.details.get("commit", "") for one in done)), "")
    if not commit:
        return ("It is in quarantine once the rollback is in git: ",)
    where = links.commit(sources.deploy, commit)
    return ("It is in quarantine by commit ", Link(short(commit), where) if where else Q(short(commit)), ": ")


def _left(found: Incident) -> Rich:
    names = ", ".join(one.image.name for one in left(found.run))
    what = (
        "What it was to leave is back: "
        if put_back(found.run)
        else "Until the cause is known, keep out what was left: "
    )
    return (what, Q(names)) if names else ()


def _besides(found: Incident) -> Iterator[Rich]:
    """What went back together with the image and has to come again."""
    run = found.run
    done = [step for step in run.plan.steps() if step.id in run.done]
    for step in done:
        if isinstance(step, DownStep | LossyDownStep):
            yield ("The schema went back; the new release migrates it again: ", Q(step.because))
    paths = dict.fromkeys(c.path for one in (found.winner,) if one for c in one.changes)
    if len(paths) > 1:
        yield (
            "Configuration went back too; what of it is still wanted comes with the new release: ",
            Q(", ".join(paths)),
        )
    if run.ended and run.ended.exit is Exit.MITIGATED and not cached(run, alone=True):
        yield (
            "Git pins what runs first, or the next deploy brings the bad release back: ",
            Q(f"lastgood settle {run.id}"),
        )
    env = run.plan.target.rpartition("/")[2]
    for service, _, _ in moves(run, found.winner):
        yield ("After the deployment it is judged: ", Q(f"lastgood check {service} {env}"))
