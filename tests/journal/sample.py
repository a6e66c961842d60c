"""Small events to write down in tests."""

from lastgood.model.event import Entry, Event, RunStarted
from lastgood.model.plan import Attempt, Consent, Facts, Member, Part, ReversiblePlan, Scope
from lastgood.model.release import Evidence, Image, Release
from lastgood.model.step import PullStep, Runnable

SECOND = 1_000_000_000
IMAGE = Image("ghcr.io/axinova/home", "sha-1a2b3c", "sha256:" + "ab" * 32)


def plan(target: str = "shop-api/prod") -> ReversiblePlan:
    """A plan of one attempt with one step."""
    image = Runnable(IMAGE)
    steps = (PullStep("1.pull", "shop-api", "local", image, "it is not on the host yet"),)
    attempt = Attempt(
        1, (Part("shop-api", Release("c" * 40, IMAGE, 1), Evidence(), image),), steps, (), "it is the newest good one"
    )
    return ReversiblePlan(
        target=target,
        scope=Scope.DEFAULT,
        members=(Member("shop-api", None, None),),
        before=(),
        attempts=(attempt,),
        restore=None,
        skipped=(),
        kept=(),
        warnings=(),
        budget_releases=3,
        budget_seconds=600.0,
        downtime="about 2 s",
        schema="untouched",
        facts=Facts("pin", ()),
        because="sha-bad answers 500",
    )


def begun(target: str = "shop-api/prod") -> RunStarted:
    """The first line of a run."""
    decided = plan(target)
    return RunStarted(decided, Consent("ann", "--yes", decided.digest), "/deploy", "token", "http:500", "0.1.0")


def lined(*events: Event, run: str = "r") -> tuple[Entry, ...]:
    """Events as one run's entries, one second apart."""
    return tuple(Entry(run, seq, seq * SECOND, event) for seq, event in enumerate(events, start=1))
