"""Which plan is put before whom, where a further release would lose data: nobody but a person on a terminal may."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lastgood.cli.asking import agreeable
from lastgood.cli.session import Session
from lastgood.model.plan import LossyPlan, ReversiblePlan
from lastgood.model.report import Planned
from lastgood.plan.shortened import shortened
from tests.plans.builders import World, history, planned
from tests.plans.schemas import goes_down, goes_down_with_losses, goes_further_down, stays

WORLD = World(history("sha-bad", "sha-two", "sha-one"))
BOTH = planned(WORLD, schemas=(goes_down(), goes_further_down()))
FIRST = planned(WORLD, schemas=(goes_down_with_losses(), goes_further_down()))
NONE = planned(WORLD, schemas=(stays(), stays("sha-one")))


def digest() -> str:
    assert isinstance(BOTH.plan, LossyPlan)
    short = shortened(BOTH.plan)
    assert short
    return short.digest


def shown(made: Planned, *, terminal: bool, **given: Any) -> Planned:
    return agreeable(cast("Session", SimpleNamespace(interactive=terminal)), made, **given)


def test_whoever_can_type_must_be_shown_everything() -> None:
    assert shown(BOTH, terminal=True) is BOTH


@pytest.mark.parametrize(
    ("terminal", "given"),
    [(False, {}), (False, {"yes": True}), (True, {"yes": True}), (True, {"approval": digest()[:19]})],
    ids=["no terminal", "no terminal, --yes", "--yes", "the digest of what loses nothing"],
)
def test_whoever_cannot_accept_a_loss_must_be_shown_what_loses_nothing(terminal: bool, given: dict[str, Any]) -> None:  # noqa: FBT001 - a parameter of the test
    found = shown(BOTH, terminal=terminal, **given)
    assert isinstance(found.plan, ReversiblePlan)
    assert [attempt.name for attempt in found.plan.attempts] == ["sha-two"]
    assert found.digest == found.plan.digest == digest()
    assert set(found.commands) <= {step.id for step in found.plan.steps()}
    assert "1.down" in found.commands


def test_what_was_approved_whole_must_not_be_shortened_by_a_program() -> None:
    assert shown(BOTH, terminal=False, approval=BOTH.digest) is BOTH


@pytest.mark.parametrize("made", [FIRST, NONE])
@pytest.mark.parametrize("terminal", [False, True])
def test_a_plan_whose_first_release_loses_or_none_does_must_stay_as_it_is(made: Planned, *, terminal: bool) -> None:
    assert shown(made, terminal=terminal) is made
