"""Values to plan with: images by tag, releases by letters, containers by what they show."""

import hashlib
from typing import Any

import msgspec

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import (
    Availability,
    Container,
    Healthcheck,
    HostView,
    LocalImage,
    Look,
    Observed,
    State,
    Tip,
)
from lastgood.model.plan import Attempt, Consent, Facts, Member, Part, Restore, ReversiblePlan, Scope
from lastgood.model.release import Evidence, Grade, Image, Judgement, Release, Trailers
from lastgood.model.step import CaptureStep, Pinned, RecordStep, RestartStep, Runnable, SwitchStep, VerifyStep
from lastgood.model.target import Adapter, GateSpec, Group, Push, Target, WalkBack
from lastgood.plan.draft import Draft
from lastgood.plan.running import identify

REPOSITORY = "reg/shop"
COMPOSE = ("docker", "compose")


class NoOptions(msgspec.Struct, frozen=True):
    """Nothing to choose."""


ADAPTER = Adapter("any", NoOptions())
TARGET = Target(
    service="shop", env="prod", repo="/deploy", branch="main", hosts=("local",), state="/state",
    push=Push.BEST_EFFORT, engine=ADAPTER, pin=ADAPTER, pin_file="envs/prod/shop/values.yaml", registry=ADAPTER,
    probes=(ADAPTER,), gate=GateSpec(), walk_back=WalkBack(),
)  # fmt: skip
GROUP = Group.of(TARGET)


def digest(tag: str) -> str:
    return "sha256:" + hashlib.sha256(tag.encode()).hexdigest()


def image_id(tag: str) -> str:
    return "sha256:" + hashlib.sha256(b"id " + tag.encode()).hexdigest()


def image(tag: str, *, pinned: bool = False) -> Image:
    """As a pin names it, by tag or with its digest."""
    return Image(REPOSITORY, tag, digest(tag) if pinned else "")


def runnable(tag: str, *, here: bool = True) -> Runnable:
    return Runnable(image(tag, pinned=True), image_id(tag) if here else "")


def release(tag: str, at: int, **given: Any) -> Release:
    return Release(commit=f"{tag}-{at}", image=given.pop("image", image(tag)), at=at, **given)


def history(*tags: str, **trailers: Trailers) -> tuple[Release, ...]:
    """Releases, newest first; each stood for 1000 s. `r2=…` gives trailers to the third."""
    count = len(tags)
    return tuple(
        release(
            tag, 1000 * (count - n), until=None if n == 0 else 1000 * (count - n + 1),
            trailers=trailers.get(f"r{n}", Trailers()),
        )
        for n, tag in enumerate(tags)
    )  # fmt: skip


def container(tag: str = "v3", name: str = "shop-api-1", **given: Any) -> Container:
    """A healthy container of the pin, created by tag."""
    shown: dict[str, Any] = {
        "service": "api", "image": f"{REPOSITORY}:{tag}", "image_id": image_id(tag), "digests": (digest(tag),),
        "state": State.RUNNING, "health": "healthy",
    }  # fmt: skip
    return Container(name=name, **{**shown, **given})


def database(**given: Any) -> Container:
    shown: dict[str, Any] = {
        "service": "db", "image": "postgres:16", "image_id": "sha256:db", "digests": (), "state": State.RUNNING,
        "mine": False,
    }  # fmt: skip
    return Container(name="shop-db-1", **{**shown, **given})


def local(tag: str, *, tagged: bool = True, known: bool = True) -> LocalImage:
    return LocalImage(image_id(tag), (tag,) if tagged else (), (digest(tag),) if known else ())


def view(
    containers: Fact[tuple[Container, ...]] | tuple[Container, ...],
    images: Fact[tuple[LocalImage, ...]] | tuple[LocalImage, ...] = (),
    **given: Any,
) -> HostView:
    return HostView(
        containers=Known(containers) if isinstance(containers, tuple) else containers,
        images=Known(images) if isinstance(images, tuple) else images,
        healthcheck=given.pop("healthcheck", Healthcheck()),
        compose=given.pop("compose", COMPOSE),
        **given,
    )


def served(**tags: str | None) -> dict[str, Fact[Availability]]:
    """What the registry says of tags: the tag whose digest it serves, or None for gone."""
    found: dict[str, Fact[Availability]] = {}
    for tag, what in tags.items():
        found[f"{REPOSITORY}:{tag}"] = Known(Availability(digest(what) if what else None))
        if what:
            found[f"{REPOSITORY}@{digest(what)}"] = Known(Availability(digest(what)))
    return found


def observed(releases: tuple[Release, ...], *hosts: HostView, **given: Any) -> Observed:
    """A look at the world; the tip pins the newest release unless `tip` says otherwise."""
    tip = given.pop("tip", Tip("tip", Known(releases[0].image) if releases else Unknown("no pin"), Known("origin")))
    names = ("local", "second")
    return Observed(
        tip=tip,
        history=releases,
        complete=given.pop("complete", True),
        hosts=dict(zip(names, hosts, strict=False)),
        registry=given.pop("registry", {}),
        **given,
    )


def drafted(seen: Observed, target: Target = TARGET, **given: Any) -> Draft:
    """What planning works on."""
    return Draft(target, seen, identify(seen), given.pop("scope", Scope.DEFAULT), **given)


def judged(tag: str, grade: Grade, at: int = 100, run: str = "R1", *, known: bool = True, **given: Any) -> Judgement:
    return Judgement("shop/prod", image(tag, pinned=known), grade, at, run, **given)


PASSING = Look("http://shop/health", ok=True, said="200 in 0.01 s")
FAILING = Look("http://shop/health", ok=False, said="500: broken", signature="http 500")


def switching(
    step: str, wanted: Runnable, host: str = "local", *, service: str = "shop", marked: bool = True
) -> SwitchStep:
    return SwitchStep(step, service, host, "/folder", wanted, ("api",), (), marked, COMPOSE, "because")


def proving(
    step: str,
    wanted: Runnable,
    *hosts: str,
    service: str = "shop",
    gate: bool = True,
    probed: bool = True,
) -> VerifyStep:
    return VerifyStep(step, service, wanted, gate=gate, hosts=hosts or ("local",), probed=probed, because="because")


def attempt(number: int, tag: str, evidence: Evidence | None = None, action: str = "rollback") -> Attempt:
    """An attempt with a switch (or restart), its proof, and its commit."""
    wanted = runnable(tag)
    switch = switching(f"{number}.switch.local", wanted)
    restart = RestartStep(f"{number}.restart.local", "shop", "local", ("shop-api-1",), "because")
    verify = proving(f"{number}.verify", wanted)
    record = RecordStep(f"{number}.record", "tree", "base", (Pinned("shop", wanted.image),), "", "because")
    steps = {"rollback": (switch, verify, record), "restart": (restart, verify), "check": (verify,)}[action]
    part = Part("shop", release(tag, 0), evidence or Evidence(), wanted, moves=action == "rollback")
    return Attempt(number, (part,), steps, (), "because")


def plan(
    *attempts: Attempt, restorable: bool = True, action: str = "rollback", budget: float = 600.0
) -> ReversiblePlan:
    """A plan to leave v3."""
    back = runnable("v3")
    restore = Restore(
        (back,),
        (switching("restore.switch.local", back, marked=False), proving("restore.verify", back, gate=False)),
        "because",
    )
    return ReversiblePlan(
        target="shop/prod", scope=Scope.DEFAULT, members=(Member("shop", back.image, release("v3", 0)),),
        before=(CaptureStep("capture.local", "shop", "local", "because"),) if action == "rollback" else (),
        attempts=attempts, restore=restore if restorable else None, skipped=(), kept=(), warnings=(),
        budget_releases=3, budget_seconds=budget, downtime="", schema="", facts=Facts("", ()),
        because="the operator asked to leave v3", action=action,
    )  # fmt: skip


CONSENT = Consent("ada", "terminal", "sha256:plan")
