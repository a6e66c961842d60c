"""Makes the plan: from what was observed and chosen to the steps, each with its reason."""

import msgspec

from lastgood.model.facts import Fact, Unknown
from lastgood.model.observed import HostView, Observed
from lastgood.model.plan import Attempt, Facts, FileChange, Restore, ReversiblePlan, Scope
from lastgood.model.release import Grade, Image, Release, short
from lastgood.model.step import CaptureStep, PullStep, RecordStep, RenderStep, Runnable, Step, SwitchStep, VerifyStep
from lastgood.model.target import Push, Target
from lastgood.plan.choose import Candidate, Choice
from lastgood.plan.running import Running


class Tree(msgspec.Struct, frozen=True):
    """The deploy repo's tree as it would be: built in lastgood's own copy, not yet committed.

    `services` are the Compose services that use the pin's image in it; `kept` names later configuration commits that
    stay. `id` equals the tip's tree where git needs no change (`changes` is then empty).
    """

    id: str
    pin: Image
    services: tuple[str, ...]
    changes: tuple[FileChange, ...]
    kept: tuple[str, ...] = ()


class Draft(msgspec.Struct, frozen=True):
    """What planning works on: the target and everything that was found out about it."""

    target: Target
    observed: Observed
    running: Running
    scope: Scope
    named: bool = False


def make(draft: Draft, choice: Choice, trees: tuple[Tree, ...], before: Tree | None) -> ReversiblePlan:
    """The plan for `choice`, whose candidates and `trees` correspond. `before` is the tree that runs now, if known."""
    target, running = draft.target, draft.running
    pairs = zip(choice.candidates, trees, strict=True)
    attempts = tuple(_attempt(draft, number, *pair) for number, pair in enumerate(pairs, 1))
    return ReversiblePlan(
        target=target.name,
        scope=draft.scope,
        running=running.image.image if running.image else None,
        running_release=running.release,
        before=tuple(_capture(host) for host in target.hosts),
        attempts=attempts,
        restore=_restore(draft, before),
        skipped=choice.skipped,
        kept=trees[0].kept,
        warnings=warnings(draft, choice),
        budget_releases=target.walk_back.releases,
        budget_seconds=float(target.walk_back.time),
        downtime="from the stop of the old container until the new one answers; one at a time, no overlap",
        schema="database schema untouched; whether this release works with it is unproven",
        facts=facts(draft.observed.tip.pin, draft.observed.hosts),
        because=_because(draft),
    )


def facts(pin: Fact[Image], hosts: dict[str, HostView]) -> Facts:
    """What must still be so when the plan is carried out."""
    return Facts(
        pin=pin.reason if isinstance(pin, Unknown) else str(pin.value),
        running=tuple((host, _image_ids(view)) for host, view in sorted(hosts.items())),
    )


def _image_ids(view: HostView) -> tuple[str, ...]:
    if isinstance(view.containers, Unknown):
        return (f"unknown: {view.containers.reason}",)
    return tuple(sorted(f"{c.name}={c.image_id}" for c in view.containers.value if c.mine))


def _because(draft: Draft) -> str:
    if draft.running.mixed:
        return "containers of the service run different images"
    if draft.running.image is None:
        return "no container of the service runs"
    return "the operator asked to leave " + draft.running.image.image.name


def _capture(host: str) -> CaptureStep:
    return CaptureStep(f"capture.{host}", host, "what the present release shows is lost once it is replaced")


def _folder(target: Target, tree: str, image: Runnable) -> str:
    bytes_ = (image.image.digest or image.image_id).rpartition(":")[2][:12]
    return f"{target.state}/releases/{target.env}/{target.service}/{tree[:12]}-{bytes_}"


def _attempt(draft: Draft, number: int, candidate: Candidate, tree: Tree) -> Attempt:
    prefix = f"{number}."
    steps: tuple[Step, ...] = (
        *_put(draft, prefix, candidate.image, tree, marked=True),
        VerifyStep(
            f"{prefix}verify",
            candidate.image,
            gate=True,
            because="a command that returns proves nothing; what is seen does",
        ),
        _record(draft, prefix, tree),
    )
    return Attempt(
        number=number,
        release=candidate.release,
        evidence=candidate.evidence,
        image=candidate.image,
        steps=steps,
        changes=tree.changes,
        because=_why(draft, number, candidate),
    )


def _why(draft: Draft, number: int, candidate: Candidate) -> str:
    first = "named by the operator" if draft.named else "newest earlier release that can be had"
    place = first if number == 1 else "next, if the one before fails the gate"
    return "; ".join((place, *candidate.evidence.hints, *candidate.notes))


def _put(draft: Draft, prefix: str, image: Runnable, tree: Tree, *, marked: bool) -> tuple[Step, ...]:
    """Pull, render and switch on every host: everything is had and checked everywhere before anything is switched."""
    target = draft.target
    folder = _folder(target, tree.id, image)
    pulls = tuple(PullStep(f"{prefix}pull.{host}", host, image, _pull_because(image)) for host in target.hosts)
    renders = tuple(
        RenderStep(
            f"{prefix}render.{host}", host, tree.id, folder, image, tree.services, marked,
            draft.observed.hosts[host].compose, "what runs must be exactly what git will say",
        )
        for host in target.hosts
    )  # fmt: skip
    switches = tuple(
        SwitchStep(
            f"{prefix}switch.{host}", host, folder, image, tree.services, _scale(draft.observed.hosts[host]), marked,
            draft.observed.hosts[host].compose, "this is the rollback itself",
        )
        for host in target.hosts
    )  # fmt: skip
    return (*pulls, *renders, *switches)


def _pull_because(image: Runnable) -> str:
    return (
        "it must be there before anything is switched; it was there a moment ago"
        if image.image_id
        else "it must be there before anything is switched; it is not, and is pulled by digest"
    )


def _scale(view: HostView) -> tuple[tuple[str, int], ...]:
    """Services that run more than one container keep their number: `up` alone would go back to the file's."""
    if isinstance(view.containers, Unknown):
        return ()
    names = [c.service for c in view.containers.value if c.mine and not c.oneshot_done]
    return tuple((name, names.count(name)) for name in sorted(set(names)) if names.count(name) > 1)


def _record(draft: Draft, prefix: str, tree: Tree) -> RecordStep:
    because = "git has to say what runs, or the next deploy brings the bad release back"
    if not tree.changes:
        return RecordStep(f"{prefix}record", "", draft.observed.tip.commit, tree.pin, "git pins it already")
    return RecordStep(f"{prefix}record", tree.id, draft.observed.tip.commit, tree.pin, because)


def _restore(draft: Draft, before: Tree | None) -> Restore | None:
    if draft.running.image is None or before is None:
        return None
    image = draft.running.image
    verify = VerifyStep("restore.verify", image, gate=False, because="the state from before is seen to be back")
    steps = (*_put(draft, "restore.", image, before, marked=False), verify)
    return Restore(image, steps, "when nothing passes, production is left as it was found")


def warnings(draft: Draft, choice: Choice) -> tuple[str, ...]:
    """What the reader should know before consenting; nothing here stops the plan."""
    observed, running = draft.observed, draft.running
    found: list[str] = []
    if isinstance(observed.tip.remote, Unknown):
        policy = "the rollback will be mitigated, not resolved" if draft.target.push is Push.BEST_EFFORT else ""
        found.append(f"the git remote does not answer ({observed.tip.remote.reason}); {policy}")
    found += _drift(running, observed)
    if running.image is None:
        found.append("the state from before cannot be restored if this fails: no single image runs")
    found += [f"{c.release.image.name}: {note}" for c in choice.candidates[:1] for note in c.notes]
    found += [
        f"{c.release.image.name} is known to be {c.evidence.grade}: {c.evidence.because}"
        for c in choice.candidates
        if c.evidence.grade in (Grade.BAD, Grade.ROLLED_BACK)
    ]
    return tuple(found)


def _drift(running: Running, observed: Observed) -> list[str]:
    """Git and runtime disagree: said, because a deploy from git would change what runs."""
    if isinstance(observed.tip.pin, Unknown):
        return [f"git's pin cannot be read: {observed.tip.pin.reason}"]
    if running.image is None or not observed.history:
        return []
    newest: Release = observed.history[0]
    if running.release is not None and running.release.image.same(newest.image):
        return []
    return [f"drift: git pins {newest.image.name}, {running.image.image.name} runs ({short(newest.commit)})"]
