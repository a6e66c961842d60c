"""Consent to a loss: exactly that loss, from a person on a terminal; and what a plan's digest is over."""

from collections.abc import Callable

import msgspec
import pytest
from plan_values import CONSENT, attempt, plan

from lastgood.model.descent import Accepted, Descent, KeptBackup, Loss, NoBackup, Undo
from lastgood.model.errors import ConsentNeeded, Exit, WorldMoved
from lastgood.model.event import Event, RunStarted
from lastgood.model.facts import Known, Unknown
from lastgood.model.plan import (
    TERMINAL,
    AnyPlan,
    Approved,
    Consent,
    LossyPlan,
    ReversiblePlan,
    auto_approve,
    consent,
    consent_to_loss,
)
from lastgood.model.schema import What
from lastgood.model.step import LossyDownStep

SINCE = Unknown("nobody noted the moment of the deploy")
NOTE = Loss(What.COLUMN, "public.o.note", 7, 20, SINCE, "the column is dropped", '"public"."o"', '"note"')
AUDIT = Loss(What.TABLE, "public.audit", 88, 110, Known(3), "the table is dropped", '"public"."audit"')
WAY = Descent(
    "golang-migrate", '"public"."schema_migrations"', "", "3", "2",
    (Undo("3", "migrations/3_note.down.sql", "aa", "ALTER TABLE o DROP COLUMN note;\n"),),
)  # fmt: skip
EXACT = (Accepted("column public.o.note", 20), Accepted("table public.audit", 110))
REVERSIBLE = plan(attempt(1, "v2"), attempt(2, "v1"))


def lossy(*losses: Loss, way: Descent = WAY, **changed: object) -> LossyPlan:
    """A plan that goes down and loses that."""
    first = attempt(1, "v2")
    down = LossyDownStep("1.lossy-down", "shop", "local", way, losses or (NOTE, AUDIT), KeptBackup("1.backup"), "why")
    made = plan(msgspec.structs.replace(first, steps=(down, *first.steps)))
    told = {name: getattr(made, name) for name in made.__struct_fields__}
    return LossyPlan(**{**told, **changed})


LOSSY = lossy()


def given(*accepted: Accepted, made: LossyPlan = LOSSY, how: str = TERMINAL, by: str = "ada") -> Consent:
    return Consent(by, how, made.digest, accepted)


def test_whoever_accepts_exactly_what_is_lost_must_have_approved_it() -> None:
    approved = consent_to_loss(LOSSY, given(*EXACT))
    assert approved.plan is LOSSY
    assert approved.consent.accepted == EXACT


def test_the_order_in_which_losses_are_accepted_must_not_matter() -> None:
    assert consent_to_loss(LOSSY, given(*reversed(EXACT))).plan is LOSSY


@pytest.mark.parametrize(
    ("accepted", "because"),
    [
        ((), "column public.o.note, up to 20"),
        (EXACT[:1], "table public.audit, up to 110"),
        ((EXACT[0], Accepted("table public.audit", 109)), "table public.audit, up to 110"),
        ((EXACT[0], Accepted("table public.audit", 111)), "table public.audit, up to 110"),
        ((EXACT[0], Accepted("public.audit", 110)), "table public.audit, up to 110"),
        ((EXACT[0], Accepted("table public.Audit", 110)), "table public.audit, up to 110"),
        ((*EXACT, Accepted("table public.o", 1)), "table public.o is not lost by this plan"),
    ],
    ids=["none", "one missing", "a smaller number", "a larger number", "without its kind", "other case", "one more"],
)
def test_anything_but_exactly_what_is_lost_must_be_no_consent(accepted: tuple[Accepted, ...], because: str) -> None:
    with pytest.raises(ConsentNeeded) as refused:
        consent_to_loss(LOSSY, given(*accepted))
    assert because in refused.value.because
    assert refused.value.exit is Exit.CONSENT_NEEDED


@pytest.mark.parametrize("how", ["--yes", "--plan", "", "timer", "Terminal"])
def test_no_flag_agent_or_timer_must_be_able_to_accept_a_loss(how: str) -> None:
    with pytest.raises(ConsentNeeded, match="Only a person on a terminal"):
        consent_to_loss(LOSSY, given(*EXACT, how=how))


def test_what_was_accepted_for_another_plan_must_not_approve_this_one() -> None:
    other = lossy(NOTE, AUDIT, way=msgspec.structs.replace(WAY, to="1"))
    with pytest.raises(WorldMoved) as moved:
        consent_to_loss(LOSSY, given(*EXACT, made=other))
    assert moved.value.because == (f"approved: {other.digest}", f"now: {LOSSY.digest}")


def test_nobody_must_not_be_able_to_accept_a_loss() -> None:
    with pytest.raises(ConsentNeeded, match="Nobody"):
        consent_to_loss(LOSSY, given(*EXACT, by=""))


def test_only_consent_must_be_able_to_approve() -> None:
    with pytest.raises(TypeError, match="only consent"):
        Approved(LOSSY, given(*EXACT), _mint=object())


def test_consent_to_what_loses_nothing_must_be_bound_to_its_plan_and_to_somebody() -> None:
    assert auto_approve(REVERSIBLE, "timer", "at night").consent.how == "at night"
    with pytest.raises(WorldMoved):
        consent(REVERSIBLE, Consent("ada", TERMINAL, LOSSY.digest))
    with pytest.raises(ConsentNeeded):
        consent(REVERSIBLE, Consent("", TERMINAL, REVERSIBLE.digest))


@pytest.mark.parametrize("door", [consent, lambda made, _: auto_approve(made, "timer", "at night")])
def test_a_plan_that_loses_data_must_not_pass_the_door_of_those_that_do_not(door: Callable[..., Approved]) -> None:
    with pytest.raises(ConsentNeeded, match="Only a person on a terminal"):
        door(LOSSY, given(*EXACT))


def test_a_step_must_not_lose_what_it_does_not_name() -> None:
    with pytest.raises(ValueError, match="names its losses"):
        LossyDownStep("1", "shop", "local", WAY, (), NoBackup("the disk is full"), "why")


def test_a_plan_must_name_every_loss_of_its_steps() -> None:
    assert LOSSY.losses == (NOTE, AUDIT)


def replaced(loss: Loss, **changed: object) -> Loss:
    return msgspec.structs.replace(loss, **changed)


@pytest.mark.parametrize(
    "made",
    [
        lossy(replaced(NOTE, count=19), AUDIT),
        lossy(NOTE, replaced(AUDIT, since=Known(4))),
        lossy(replaced(NOTE, since=Known(7)), replaced(AUDIT, since=Unknown("why not"))),
        lossy(rehearsed=("backed up in 3.1 s",)),
        lossy(warnings=("the git remote does not answer",)),
    ],
    ids=["count", "since", "since known", "rehearsed", "warnings"],
)
def test_what_was_only_counted_measured_or_said_must_not_make_it_another_plan(made: LossyPlan) -> None:
    assert made != LOSSY
    assert made.digest == LOSSY.digest
    assert consent_to_loss(made, given(*EXACT)).plan is made


@pytest.mark.parametrize(
    "made",
    [
        lossy(replaced(NOTE, most=30), AUDIT),
        lossy(replaced(NOTE, name="public.o.remark"), AUDIT),
        lossy(replaced(NOTE, what=What.VALUES), AUDIT),
        lossy(replaced(NOTE, column='"other"'), AUDIT),
        lossy(NOTE),
        lossy(way=msgspec.structs.replace(WAY, to="1")),
        lossy(way=msgspec.structs.replace(WAY, before="4")),
        lossy(way=msgspec.structs.replace(WAY, table='"m"')),
        lossy(way=msgspec.structs.replace(WAY, undone=(msgspec.structs.replace(WAY.undone[0], sql="DROP TABLE o;"),))),
        lossy(way=msgspec.structs.replace(WAY, undone=(msgspec.structs.replace(WAY.undone[0], sha256="bb"),))),
        lossy(schema="goes down"),
    ],
    ids=["most", "name", "kind", "column", "fewer", "to", "before", "table", "sql", "file", "schema"],
)
def test_what_would_be_done_otherwise_must_be_another_plan(made: LossyPlan) -> None:
    assert made.digest != LOSSY.digest


def test_a_loss_must_be_part_of_the_digest_wherever_it_stands() -> None:
    assert lossy(AUDIT, NOTE).digest != LOSSY.digest


@pytest.mark.parametrize("made", [REVERSIBLE, LOSSY], ids=["reversible", "lossy"])
def test_a_plan_must_survive_its_way_through_json(made: AnyPlan) -> None:
    again: AnyPlan = msgspec.json.decode(msgspec.json.encode(made), type=ReversiblePlan | LossyPlan)
    assert again == made
    assert type(again) is type(made)
    assert again.digest == made.digest


@pytest.mark.parametrize(
    ("made", "consented"), [(REVERSIBLE, CONSENT), (LOSSY, given(*EXACT))], ids=["reversible", "lossy"]
)
def test_the_journal_s_first_line_must_survive_its_way_through_json(made: AnyPlan, consented: Consent) -> None:
    begun = RunStarted(made, consented, "/deploy", "token", "http 500", "0")
    again: Event = msgspec.json.decode(msgspec.json.encode(begun), type=Event)
    assert again == begun
    assert isinstance(again, RunStarted)
    assert type(again.plan) is type(made)
    assert again.consent.accepted == consented.accepted
