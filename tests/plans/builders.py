"""Worlds in memory, in the fewest words: releases, hosts and registry in, the printed plan out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from lastgood.cli import out
from lastgood.cli.text_plan import Detail, plan_text
from lastgood.model.duration import Duration
from lastgood.model.errors import LastgoodError
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Availability, Container, Healthcheck, HostView, LocalImage, Look, Observed, Tip
from lastgood.model.observed import State as ContainerState
from lastgood.model.plan import AnyPlan, FileChange, Scope
from lastgood.model.quarantine import Lifted, Quarantined
from lastgood.model.release import Grade, Image, Judgement, Release, Trailers
from lastgood.model.report import Planned
from lastgood.model.step import DownStep, LossyDownStep, PullStep, PurgeStep, SwitchStep
from lastgood.model.target import Adapter, GateSpec, Group, Push, Target, WalkBack
from lastgood.model.text import sanitise
from lastgood.plan import guards, report
from lastgood.plan.choose import Candidate, Choice, choose
from lastgood.plan.draft import Draft, Extra, Round, Schema, Tree
from lastgood.plan.planner import make
from lastgood.plan.running import identify
from lastgood.plan.wanted import named, refuse_nothing, wanted
from lastgood.run.spelled import down_lines

REPOSITORY = "ghcr.io/axinova/shop-api"
PIN_FILE = "envs/prod/apps/shop-api/values.yaml"
DAY = 86_400
NOW = 1_795_000_000
GOOD = Look("https://shop.example/api/health", ok=True, said="200")
FAILING = Look("https://shop.example/api/health", ok=False, said="500", signature="http 500")


class NoOptions(msgspec.Struct, frozen=True):
    """The options of adapters that are never asked anything here."""


TARGET = Target(
    service="shop-api",
    env="prod",
    repo="/deploy",
    branch="main",
    hosts=("local",),
    state="/var/lib/lastgood",
    push=Push.BEST_EFFORT,
    engine=Adapter("compose", NoOptions()),
    pin=Adapter("values", NoOptions()),
    pin_file=PIN_FILE,
    registry=Adapter("oci", NoOptions()),
    probes=(Adapter("http", NoOptions()),),
    gate=GateSpec(),
    walk_back=WalkBack(),
    watch=Duration(30),
)


def digest(tag: str) -> str:
    """A tag's manifest digest: its letters as hexadecimal, repeated."""
    return "sha256:" + (tag.encode().hex() * 64)[:64]


def image_id(tag: str) -> str:
    """A tag's image id on a host."""
    return "sha256:" + (tag.encode().hex()[::-1] * 64)[:64]


def image(tag: str, *, pinned_digest: bool = False) -> Image:
    """The image that a pin names by tag."""
    return Image(REPOSITORY, tag, digest(tag) if pinned_digest else "")


def history(*tags: str) -> tuple[Release, ...]:
    """Releases two days apart, newest first; the newest began three hours ago."""
    began = [NOW - 3 * 3600 - 2 * DAY * age for age in range(len(tags))]
    return tuple(
        Release(
            commit=tag.encode().hex().ljust(40, "0")[:40],
            image=image(tag),
            at=at,
            subject=f"release {tag}",
            author="Robin",
            last="f" * 40,
            until=None if age == 0 else began[age - 1],
        )
        for age, (tag, at) in enumerate(zip(tags, began, strict=True))
    )


def container(tag: str, number: int = 1, **changes: object) -> Container:
    """A running container of the pin's image."""
    plain = Container(
        name=f"shop-api-api-{number}",
        service="api",
        image=f"{REPOSITORY}:{tag}",
        image_id=image_id(tag),
        digests=(digest(tag),),
        state=ContainerState.RUNNING,
        started="2026-11-19T09:00:00Z",
    )
    return msgspec.structs.replace(plain, **changes)


def present(*tags: str) -> tuple[LocalImage, ...]:
    """Images on the host."""
    return tuple(LocalImage(image_id(tag), (tag,), (digest(tag),)) for tag in tags)


@dataclass
class World:
    """What is observed. By default the newest release runs and fails, and everything else can be had."""

    releases: tuple[Release, ...]
    containers: tuple[Container, ...] = ()
    images: tuple[LocalImage, ...] | None = None
    served: dict[str, Fact[Availability]] = field(default_factory=dict)
    looks: tuple[Look, ...] = (FAILING,)
    judgements: tuple[Judgement, ...] = ()
    remote: Fact[str] = field(default_factory=lambda: Known("git@shop.example:deploy"))
    pin: Image | None = None
    quarantine: Fact[tuple[Quarantined, ...]] = field(default_factory=lambda: Known(()))
    platform: str = ""

    def observed(self) -> Observed:
        """As one look at it shows."""
        tags = [release.image.tag for release in self.releases]
        view = HostView(
            Known(self.containers or (container(tags[0]),)),
            Known(present(*tags) if self.images is None else self.images),
            Healthcheck(),
            ("docker", "compose"),
            platform=self.platform,
        )
        served = {str(image(tag)): Known(Availability(digest(tag))) for tag in tags} | self.served
        pin = self.pin or self.releases[0].image
        tip = Tip("f" * 40, Known(pin), self.remote)
        return Observed(
            tip,
            self.releases,
            True,  # noqa: FBT003 - history is complete
            {"local": view},
            served,
            self.looks,
            self.judgements,
            quarantine=self.quarantine,
        )


def gone(tag: str) -> dict[str, Fact[Availability]]:
    """The registry says that there is no such image."""
    return {str(image(tag)): Known(Availability(None))}


def down(*tags: str) -> dict[str, Fact[Availability]]:
    """The registry does not answer."""
    return {str(image(tag)): Unknown("ghcr.io: connection refused") for tag in tags}


def judged(tag: str, grade: Grade, because: str) -> Judgement:
    """A verdict of a run three days ago."""
    return Judgement("shop-api/prod", image(tag), grade, NOW - 3 * DAY, "20261110-031500-7f3a", because)


def quarantined(tag: str, *, lifted: bool = False) -> Known[tuple[Quarantined, ...]]:
    """A quarantine file with one entry, of two days ago."""
    end = Lifted("kim@shop", NOW - DAY, "it was the database") if lifted else None
    return Known((Quarantined("shop-api", "", image(tag), "loses orders", "robin@shop", NOW - 2 * DAY, lifted=end),))


def rollback(release: Release, went_from: str, went_to: str) -> Release:
    """The release as the commit of an earlier rollback."""
    trailers = Trailers("20261110-031500-7f3a", image(went_from), image(went_to), (image(went_from),))
    return msgspec.structs.replace(release, trailers=trailers)


def planned(  # noqa: PLR0913 - what a plan may depend on
    world: World,
    *,
    to: str = "",
    scope: Scope = Scope.DEFAULT,
    diff: Sequence[str] = (),
    kept: tuple[str, ...] = (),
    schemas: tuple[Schema, ...] = (),
    target: Target = TARGET,
    extra: Extra | None = None,
) -> Planned:
    """The plan, by the same rules as in `run.planning`, with trees made by hand."""
    observed = world.observed()
    running = identify(observed)
    guards.check(TARGET, observed, running, named=bool(to))
    if to:
        choice = wanted(TARGET.name, named(to, None, observed), to, observed, TARGET.short_lived)
    else:
        choice = choose(TARGET.name, observed, running, TARGET.short_lived, TARGET.walk_back.releases)
    if not choice.candidates:
        raise refuse_nothing(TARGET.name, observed, choice.skipped)
    trees = tuple(_tree(candidate, choice, observed, tuple(diff), kept) for candidate in choice.candidates)
    rounds = lowered(tuple(Round((c,), (tree,)) for c, tree in zip(choice.candidates, trees, strict=True)), schemas)
    before = Tree("b" * 40, image("before"), ("api",), ())
    draft = Draft(target, observed, running, scope, named=bool(to))
    plan = make(Group.of(target), (draft,), rounds, (before,), choice.skipped, extra or Extra())
    return Planned(plan, plan.digest, commands(plan), report.failing(observed))


def lowered(rounds: tuple[Round, ...], schemas: tuple[Schema, ...]) -> tuple[Round, ...]:
    """The rounds of one service with what becomes of its database; as many as that is known of."""
    if not schemas:
        return rounds
    return tuple(msgspec.structs.replace(one, schemas=(each,)) for one, each in zip(rounds, schemas, strict=False))


def _tree(
    candidate: Candidate, choice: Choice, observed: Observed, diff: tuple[str, ...], kept: tuple[str, ...]
) -> Tree:
    number = choice.candidates.index(candidate) + 1
    pin = candidate.release.image
    was = observed.history[0].image
    lines = (" image:", f"-  tag: {was.tag}", f"+  tag: {pin.tag}", *diff)
    changes = () if pin.same(was) else (FileChange(PIN_FILE, lines),)
    return Tree(str(number) * 40, pin, ("api",), changes, kept)


def commands(plan: AnyPlan) -> dict[str, tuple[str, ...]]:
    """Commands as an engine might give them: what they are is for the engines' own tests."""
    found = {
        step.id: (f"docker {'pull' if isinstance(step, PullStep) else 'compose up'} {step.image.image.name}",)
        for step in plan.steps()
        if isinstance(step, PullStep | SwitchStep)
    }
    downs = (step for step in plan.steps() if isinstance(step, DownStep | LossyDownStep))
    purges = (step for step in plan.steps() if isinstance(step, PurgeStep))
    found |= {step.id: (f"curl -X POST https://api.{step.cdn}.example/purge",) for step in purges}
    return found | {step.id: down_lines(step.descent) for step in downs}


def told(make_plan: Callable[[], Planned], detail: Detail = Detail.PLAN) -> str:
    """The printed plan, or the printed refusal."""
    try:
        found = make_plan()
    except LastgoodError as error:
        lines: tuple[str, ...] = (f"exit {int(error.exit)}", *out.block(error.what, error.because, error.next))
    else:
        lines = plan_text(found, NOW, f"lastgood rollback shop-api prod --plan {found.digest}", detail)
    return "".join(sanitise(line) + "\n" for line in lines)
