"""Plans are values: decided whole before anything is done, with a digest that consent is bound to."""

import enum
import hashlib
from itertools import chain
from typing import Final, TypeAlias

import msgspec

from lastgood.model.descent import Accepted, Loss
from lastgood.model.errors import ConsentNeeded, WorldMoved
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.release import Evidence, Image, Release
from lastgood.model.step import LossyDownStep, RecordStep, Runnable, Step


class Scope(enum.StrEnum):
    """How much of a release goes back: the image and the configuration that its commits changed, unless restricted."""

    DEFAULT = "default"
    IMAGE_ONLY = "image-only"
    CONFIG_ONLY = "config-only"
    FULL = "full"


class FileChange(msgspec.Struct, frozen=True):
    """One file that the rollback commit changes: its path and a unified diff's body, secrets not shown."""

    path: str
    diff: tuple[str, ...]


class Skipped(msgspec.Struct, frozen=True):
    """A release that was passed over, and why; `service` where a plan moves several."""

    release: Release
    because: str
    service: str = ""


class Part(msgspec.Struct, frozen=True):
    """What an attempt means for one service. `moves` is False where the service stays on what it runs."""

    service: str
    release: Release
    evidence: Evidence
    image: Runnable
    moves: bool = True


class Attempt(msgspec.Struct, frozen=True):
    """One release to try, or one of each service: why, what git will change, and the steps until it is recorded.

    `schema` is what becomes of the databases, from where the attempts before leave them.
    """

    number: int
    parts: tuple[Part, ...]
    steps: tuple[Step, ...]
    changes: tuple[FileChange, ...]
    because: str
    schema: str = ""

    @property
    def name(self) -> str:
        """What people call it: the release's tag, with the service's name where there are several."""
        if len(self.parts) == 1:
            return self.parts[0].release.image.name
        return ", ".join(f"{part.service} {part.release.image.name}" for part in self.parts)

    def part(self, service: str) -> Part:
        """The part of one service."""
        return next(part for part in self.parts if part.service == service)


class Restore(msgspec.Struct, frozen=True):
    """How the state from before comes back when nothing passes, or when the run is aborted."""

    images: tuple[Runnable, ...]
    steps: tuple[Step, ...]
    because: str

    @property
    def name(self) -> str:
        """What comes back, as people call it."""
        return ", ".join(image.image.name for image in self.images)


class Member(msgspec.Struct, frozen=True):
    """A service that the plan is about: what it runs, and that release in git, as far as they are known."""

    service: str
    running: Image | None
    release: Release | None


class LeftOut(msgspec.Struct, frozen=True):
    """A host that did not answer and that the plan goes on without, because the configuration allows it."""

    host: str
    because: str


class Facts(msgspec.Struct, frozen=True):
    """What must still be so when the plan is carried out, or nothing runs: the pin, and what each host runs."""

    pin: str
    running: tuple[tuple[str, tuple[str, ...]], ...]


class Plan(msgspec.Struct, frozen=True):
    """What a reversible and a lossy plan have in common.

    `target` is `service/env`, or `app/env` where `members` are several. `before` are the steps done once at the start,
    `attempts` are tried in order within the budget, `restore` brings the present state back, and `after` is done
    however the run ends. `left_out` are hosts gone on without; `alone` says that others may be left out on the way.
    `kept` are later configuration commits that stay. `warnings` are for the reader.
    """

    target: str
    scope: Scope
    members: tuple[Member, ...]
    before: tuple[Step, ...]
    attempts: tuple[Attempt, ...]
    restore: Restore | None
    skipped: tuple[Skipped, ...]
    kept: tuple[str, ...]
    warnings: tuple[str, ...]
    budget_releases: int
    budget_seconds: float
    downtime: str
    schema: str
    facts: Facts
    because: str
    action: str = "rollback"
    after: tuple[Step, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    alone: bool = False
    rehearsed: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """`sha256:…` over the canonical JSON of what would be done; the same world gives the same digest.

        What only explains (skipped releases, warnings, reasons, what a rehearsal measured) stays out, and so does
        whether an image that is named by its digest is on a host already: an engine or a registry that is slow for a
        moment changes nothing that was approved, nor does a row more, below the largest number accepted.
        """
        done = msgspec.structs.replace(self, skipped=(), warnings=(), rehearsed=())
        told = msgspec.to_builtins(done, order="sorted")
        return "sha256:" + hashlib.sha256(msgspec.json.encode(_decided(told), order="sorted")).hexdigest()

    def steps(self) -> tuple[Step, ...]:
        """Every step the plan may take, in the order in which it would."""
        tried = tuple(step for attempt in self.attempts for step in attempt.steps)
        return (*self.before, *tried, *(self.restore.steps if self.restore else ()), *self.after)

    @property
    def trees(self) -> tuple[str, ...]:
        """The trees of the deploy repo that the plan made, each once."""
        found = (getattr(step, "tree", "") for step in self.steps())
        return tuple(dict.fromkeys(tree for tree in found if tree))

    @property
    def base(self) -> str:
        """The commit that they were made from; empty where there are none."""
        return next((step.base for step in self.steps() if isinstance(step, RecordStep)), "")

    @property
    def running(self) -> str:
        """What runs now, as people call it; empty where that is not one image for each service."""
        images = [member.running for member in self.members]
        return ", ".join(image.name for image in images if image) if all(images) else ""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that the plan acts on."""
        return tuple(host for host, _ in self.facts.running)


class ReversiblePlan(Plan, frozen=True, tag="reversible", tag_field="plan"):
    """A plan of which every step can be undone by a later step. It loses no data."""


class LossyPlan(Plan, frozen=True, tag="lossy", tag_field="plan"):
    """A plan that loses data: a person has to accept each loss by its name, and up to a number."""

    @property
    def losses(self) -> tuple[Loss, ...]:
        """Everything that may be lost if the plan is carried out, each name once: what several ways take is summed."""
        lossy = (step for step in self.steps() if isinstance(step, LossyDownStep))
        ways = {(step.service, step.descent): step.losses for step in lossy}
        found: dict[str, Loss] = {}
        for loss in chain.from_iterable(ways.values()):
            before = found.get(loss.called)
            found[loss.called] = _summed(before, loss) if before else loss
        return tuple(found.values())


def _summed(one: Loss, other: Loss) -> Loss:
    since: Fact[int] = Unknown("not all of it is known")
    if isinstance(one.since, Known) and isinstance(other.since, Known):
        since = Known(one.since.value + other.since.value)
    return msgspec.structs.replace(one, count=one.count + other.count, most=one.most + other.most, since=since)


AnyPlan: TypeAlias = ReversiblePlan | LossyPlan


def _decided(told: object) -> object:
    """Without reasons, without what was counted of losses (only the largest numbers are accepted) and local ids."""
    if isinstance(told, dict):
        return {key: _decided(value) for key, value in told.items() if key not in _explains(told)}
    return [_decided(each) for each in told] if isinstance(told, list | tuple) else told


def _explains(told: dict[str, object]) -> tuple[str, ...]:
    """The keys of a part of a plan that decide nothing."""
    if {"most", "count", "relation"} <= told.keys():
        return ("because", "count", "since")
    image = told.get("image")
    by_digest = "image_id" in told and isinstance(image, dict) and bool(image.get("digest"))
    return ("because", "image_id") if by_digest else ("because",)


class NothingToDo(msgspec.Struct, frozen=True, tag="nothing", tag_field="plan"):
    """There is nothing to change, and why. `images` are what has to be seen to run now before that may be said.

    `next` is for what has to be done first: `run`, which put them there, is not over; empty where it is.
    """

    target: str
    because: str
    images: tuple[Runnable, ...] = ()
    run: str = ""
    next: tuple[str, ...] = ()


class Consent(msgspec.Struct, frozen=True):
    """Who approved which plan, by what means (`terminal`, `--yes`, `--plan`), and the losses that were accepted."""

    by: str
    how: str
    plan_digest: str
    accepted: tuple[Accepted, ...] = ()


TERMINAL: Final = "terminal"
"""How consent was given by somebody who typed it: the only way in which a loss can be accepted."""
_MINT: Final = object()


class Approved:
    """A plan that somebody approved. Only `consent()` and `auto_approve()` can make one."""

    __slots__ = ("consent", "plan")

    def __init__(self, plan: AnyPlan, consent: Consent, *, _mint: object) -> None:
        if _mint is not _MINT:
            message = "only consent() approves a plan"
            raise TypeError(message)
        self.plan = plan
        self.consent = consent


def consent(plan: ReversiblePlan, given: Consent) -> Approved:
    """Bind `given` to `plan`. Raises WorldMoved when it was given for another plan, ConsentNeeded when by nobody.

    A plan that loses data is refused here as well, whatever was or was not checked before.
    """
    if isinstance(plan, LossyPlan):
        raise ConsentNeeded(
            "Only a person on a terminal can accept a loss.", because=tuple(loss.called for loss in plan.losses)
        )
    return _bound(plan, given)


def consent_to_loss(plan: LossyPlan, given: Consent) -> Approved:
    """Bind `given`, with the losses that a person accepted, to `plan`.

    Raises WorldMoved when it was given for another plan, ConsentNeeded when by nobody, or when not exactly the losses
    of the plan were accepted, each by its name and up to the number that the plan goes up to.
    """
    if given.how != TERMINAL:
        raise ConsentNeeded("Only a person on a terminal can accept a loss.", because=(f"consent by {given.how}",))
    wanted = {loss.called: loss.most for loss in plan.losses}
    got = {one.name: one.most for one in given.accepted}
    if got != wanted:
        raise ConsentNeeded(
            "Nobody accepted what the plan loses.",
            because=tuple(f"{name}, up to {most}" for name, most in wanted.items() if got.get(name) != most)
            or tuple(f"{name} is not lost by this plan" for name in got if name not in wanted),
        )
    return _bound(plan, given)


def _bound(plan: AnyPlan, given: Consent) -> Approved:
    if given.plan_digest != plan.digest:
        raise WorldMoved(
            "The plan that was approved is not the plan of now.",
            because=(f"approved: {given.plan_digest}", f"now: {plan.digest}"),
            next=("look at the new plan and approve that",),
        )
    if not given.by:
        raise ConsentNeeded("Nobody approved the plan.", next=("give --yes, or --plan with its digest",))
    return Approved(plan, given, _mint=_MINT)


def auto_approve(plan: ReversiblePlan, by: str, how: str) -> Approved:
    """Approve without a question. Takes reversible plans only, so no flag, agent or timer can approve a loss."""
    return consent(plan, Consent(by, how, plan.digest))
