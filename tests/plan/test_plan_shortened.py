"""What is left of a plan for whoever cannot accept a loss, and how losses of several ways down are accepted."""

import pytest
from msgspec.structs import replace
from test_plan_walk_descent import LOSS, WAY, descending

from lastgood.model.descent import Accepted
from lastgood.model.errors import ConsentNeeded
from lastgood.model.facts import Unknown
from lastgood.model.plan import TERMINAL, Consent, LossyPlan, ReversiblePlan, consent_to_loss
from lastgood.model.schema import What
from lastgood.model.step import LossyDownStep, ReloadStep, StartStep
from lastgood.plan.draft import Schema
from lastgood.plan.shortened import shortened

FURTHER = replace(WAY, before="2", to="1")
ORDERS = replace(LOSS, name="public.orders", relation='"public"."orders"')
LAST = Schema("goes further down", (), FURTHER, (ORDERS,), "local", "/backups")


def test_attempts_that_lose_data_must_be_left_out_and_that_be_said() -> None:
    whole = descending(further=(LAST,))
    short = shortened(whole)
    assert isinstance(whole, LossyPlan)
    assert isinstance(short, ReversiblePlan)
    assert [attempt.name for attempt in short.attempts] == ["v2"]
    assert short.warnings[-1] == "v1 is not tried: table public.orders would be lost"
    assert short.budget_releases == 1
    assert short.digest != whole.digest


def test_what_is_left_must_be_the_plan_that_never_had_the_rest() -> None:
    short, alone = shortened(descending(further=(LAST,))), descending()
    assert short
    assert short.restore == alone.restore
    assert short.digest == alone.digest
    ids = {step.id for step in short.steps()}
    assert all(step.backup in ids for step in short.steps() if isinstance(step, ReloadStep))
    assert all(step.stop in ids for step in short.steps() if isinstance(step, StartStep))


@pytest.mark.parametrize("made", [descending(), descending(LOSS), descending(LOSS, further=(LAST,))])
def test_a_plan_without_loss_or_whose_first_attempt_loses_must_stay_whole(made: ReversiblePlan | LossyPlan) -> None:
    assert shortened(made) is None


def test_a_loss_of_a_way_that_stands_in_several_attempts_must_be_accepted_once() -> None:
    made = descending(LOSS, further=(LAST,))
    assert isinstance(made, LossyPlan)
    assert [step.id for step in made.steps() if isinstance(step, LossyDownStep)] == [
        "1.lossy-down", "2.lossy-down-1", "2.lossy-down",
    ]  # fmt: skip
    assert [(loss.called, loss.most) for loss in made.losses] == [
        ("table public.notes", 20),
        ("table public.orders", 20),
    ]


def test_what_two_ways_take_from_the_same_table_must_be_accepted_as_a_sum() -> None:
    rows = replace(LOSS, what=What.ROWS, count=3, most=14, since=Unknown("-"))
    made = descending(rows, further=(replace(LAST, losses=(replace(rows, count=4, most=15),)),))
    assert isinstance(made, LossyPlan)
    (loss,) = made.losses
    assert (loss.called, loss.count, loss.most) == ("rows public.notes", 7, 29)
    agreed = Consent("ada", TERMINAL, made.digest, (Accepted("rows public.notes", 29),))
    assert consent_to_loss(made, agreed).plan == made
    with pytest.raises(ConsentNeeded):
        consent_to_loss(made, replace(agreed, accepted=(Accepted("rows public.notes", 15),)))
