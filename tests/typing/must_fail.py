"""What must not type-check: each line below has the error that mypy has to give for it, and no other."""

from typing import assert_never

from lastgood.model.descent import Descent, KeptBackup, Loss
from lastgood.model.event import RunEnded
from lastgood.model.plan import (
    Approved,
    Consent,
    LossyPlan,
    NothingToDo,
    ReversiblePlan,
    auto_approve,
    consent,
    consent_to_loss,
)
from lastgood.model.step import LossyDownStep, RenderStep, Step, SwitchStep
from lastgood.model.target import Group
from lastgood.run.desk import Desk
from lastgood.run.executor import start
from lastgood.service import Service, Teller


def executing_what_nobody_approved(plan: ReversiblePlan, desk: Desk) -> RunEnded:
    return start(plan, desk, facts=lambda: (plan.facts, {}), signature="", take_over=False)  # must fail: arg-type


def losing_what_nobody_accepted(plan: LossyPlan, desk: Desk) -> RunEnded:
    return start(plan, desk, facts=lambda: (plan.facts, {}), signature="", take_over=False)  # must fail: arg-type


def rolling_back_what_nobody_approved(service: Service, group: Group, plan: ReversiblePlan, tell: Teller) -> None:
    service.rollback(group, plan, "", tell, take_over=False)  # must fail: arg-type


def approving_without_the_mint(plan: ReversiblePlan, given: Consent) -> Approved:
    return Approved(plan, given)  # must fail: call-arg


def approving_a_loss_without_a_person(plan: LossyPlan) -> Approved:
    return auto_approve(plan, "timer", "at night")  # must fail: arg-type


def approving_that_there_is_nothing_to_do(nothing: NothingToDo) -> Approved:
    return auto_approve(nothing, "timer", "at night")  # must fail: arg-type


def consenting_to_a_loss_by_the_reversible_door(plan: LossyPlan, given: Consent) -> Approved:
    return consent(plan, given)  # must fail: arg-type


def accepting_a_loss_where_there_is_none(plan: ReversiblePlan, given: Consent) -> Approved:
    return consent_to_loss(plan, given)  # must fail: arg-type


def losing_without_a_name(descent: Descent, kept: KeptBackup) -> LossyDownStep:
    return LossyDownStep(id="", service="", host="", descent=descent, backup=kept, because="")  # must fail: call-arg


def losing_without_a_word_on_the_backup(descent: Descent, losses: tuple[Loss, ...]) -> LossyDownStep:
    return LossyDownStep(id="", service="", host="", descent=descent, losses=losses, because="")  # must fail: call-arg


def losing_with_none_for_a_backup(descent: Descent, losses: tuple[Loss, ...]) -> LossyDownStep:
    return LossyDownStep("1", "s", "h", descent, losses, None, "because")  # must fail: arg-type


def changing_a_plan_after_it_was_made(plan: ReversiblePlan) -> None:
    plan.attempts = ()  # must fail: misc


def forgetting_a_kind_of_step(step: Step) -> str:
    match step:
        case SwitchStep():
            return "switch"
        case RenderStep():
            return "render"
        case _:
            assert_never(step)  # must fail: arg-type
