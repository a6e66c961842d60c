"""How a run goes on whose schema goes down, from its journal alone: what comes next, and what is put back."""

from itertools import count

import msgspec
import pytest
from plan_values import CONSENT, GROUP, TARGET, container, drafted, history, image, observed, release, runnable, view

from lastgood.journal.fold import fold
from lastgood.model.descent import Descent, Loss, Undo
from lastgood.model.errors import Exit
from lastgood.model.event import Entry, Event, Failure, Resumed, Run, RunStarted, StepDone, StepFailed, StepStarted
from lastgood.model.facts import Unknown
from lastgood.model.observed import Observed
from lastgood.model.plan import AnyPlan, FileChange, LossyPlan, ReversiblePlan
from lastgood.model.release import Evidence
from lastgood.model.schema import What
from lastgood.model.step import DownStep, LossyDownStep, RenderStep, SalvageStep, SwitchStep
from lastgood.model.target import Group, Unreachable
from lastgood.plan.choose import Candidate
from lastgood.plan.draft import Extra, Round, Schema, Tree
from lastgood.plan.moves import Do, End
from lastgood.plan.planner import make
from lastgood.plan.walk import next_move

PATH = "/backups/shop-1.dump"
WAY = Descent("golang-migrate", '"m"', "", "3", "2", (Undo("3", "3.down.sql", "00", "DROP TABLE notes;\n"),))
LOSS = Loss(What.TABLE, "public.notes", 7, 20, Unknown("nobody noted it"), "the table is dropped", '"public"."notes"')
ABORT, AGAIN = Resumed("ada", aborting=True, lease="t"), Resumed("ada", aborting=False, lease="t")
DETAILS = {"1.backup": {"path": PATH, "sha256": "00"}, "1.pin": {"commit": "c1"}, "restore.pin": {"commit": "c2"}}
RESTORED_BY_HAND = f"lastgood db restore shop prod {PATH}"
STARTED_BY_HAND = "on local: docker start shop-api-1"


def world(hosts: int) -> Observed:
    return observed(history("v3", "v2", "v1"), *(view((container("v3"),)) for _ in range(hosts)))


def descending(  # noqa: PLR0913 - what a plan may be like
    *losses: Loss,
    hosts: int = 1,
    scripted: bool = False,
    known: bool = True,
    group: Group = GROUP,
    further: tuple[Schema, ...] = (),
    first: Schema | None = None,
) -> AnyPlan:
    """A plan to leave v3 for v2, whose schema has to go down first; `further` is for v1 and v0."""
    schema = first or Schema("goes down", (), WAY, losses, "local", "/backups")
    draft = drafted(world(hosts), group.first, pin_first=scripted)
    rounds = tuple(
        Round(
            (Candidate(release(tag, 0), Evidence(), runnable(tag), ()),),
            (Tree(tag, image(tag), ("api",), (FileChange("values.yaml", ("-a", "+b")),)),),
            (each,),
        )
        for tag, each in zip(("v2", "v1", "v0"), (schema, *further), strict=False)
    )
    before = (Tree("before", image("v3"), ("api",), ()),) if known else None
    return make(group, (draft,), rounds, before, (), Extra())


def run(made: AnyPlan, *events: Event) -> Run:
    begun = RunStarted(made, CONSENT, "/deploy", "token", "", "0")
    return fold([Entry("R1", seq, seq, event) for seq, event in zip(count(1), (begun, *events), strict=False)])


def told(step: str, ends: Failure | None) -> list[Event]:
    """A step that ends well, or like that."""
    if ends is None:
        return [StepStarted(step), StepDone(step, f"{step} seen", DETAILS.get(step, {}))]
    return [StepStarted(step), StepFailed(step, f"{step} failed", ends)]


def goes(made: AnyPlan, *events: Event, **ends: Failure) -> tuple[list[str], End]:
    """Every step that is taken from there on, in order, until the run ends. Steps named in `ends` end like that."""
    journal, taken = list(events), list[str]()
    for _ in range(60):
        move = next_move(run(made, *journal), 0)
        if isinstance(move, End):
            return taken, move
        assert isinstance(move, Do)
        for step in move.steps:
            taken.append(step.id)
            journal += told(step.id, ends.get(step.id.replace(".", "_").replace("-", "_")))
    raise AssertionError(taken)


def until(made: AnyPlan, step: str, *, begun: bool = True) -> list[Event]:
    """The journal of a run that went well until that step, which was begun, or is the next."""
    journal: list[Event] = []
    for one in (*made.before, *made.attempts[0].steps):
        if one.id == step:
            return [*journal, StepStarted(step)] if begun else journal
        journal += told(one.id, None)
    raise AssertionError(step)


def failing(step: str, kind: Failure) -> dict[str, Failure]:
    return {step.replace(".", "_").replace("-", "_"): kind}


ONE, TWO = descending(), descending(hosts=2)
LOSSY, SCRIPTED = descending(LOSS), descending(scripted=True)
PREPARED = ["capture.local", "1.pull.local", "1.render.local"]
DOWN = ["1.stop.local", "1.backup", "1.down", "1.trial"]
SERVED = ["1.switch.local", "1.verify", "1.record"]
WATCHED = ["1.watch"]
ALL = [*PREPARED, *DOWN, *SERVED, *WATCHED]
STARTED = ["restore.start.local", "restore.verify"]
RELOADED = ["restore.reload", *STARTED]


def test_nobody_must_write_when_it_is_backed_up_and_no_traffic_come_before_the_trial() -> None:
    assert goes(ONE)[0] == ALL
    assert goes(ONE)[1].exit is Exit.DONE


def test_everybody_must_be_stopped_everywhere_before_the_backup() -> None:
    taken, ended = goes(TWO)
    assert taken[6:] == [
        "1.stop.local", "1.stop.second", "1.backup", "1.down", "1.trial",
        "1.switch.local", "1.verify.local", "1.switch.second", "1.verify", "1.record", "1.watch",
    ]  # fmt: skip
    assert ended.exit is Exit.DONE


def test_with_the_team_s_script_the_pin_must_come_after_the_trial() -> None:
    assert goes(SCRIPTED)[0] == [
        "capture.local", "1.pull.local", *DOWN, "1.pin", "1.checkout.local", *SERVED, "1.sync.local", *WATCHED,
    ]  # fmt: skip


def test_a_way_down_with_a_loss_must_be_a_lossy_plan_and_one_without_must_not() -> None:
    assert isinstance(LOSSY, LossyPlan)
    assert isinstance(ONE, ReversiblePlan)
    assert [step.id for step in LOSSY.steps() if isinstance(step, LossyDownStep)] == ["1.lossy-down"]
    assert not any(isinstance(step, DownStep) for step in LOSSY.steps())


def test_what_was_switched_must_have_no_steps_that_put_it_back() -> None:
    assert ONE.restore is not None
    assert not any(isinstance(step, SwitchStep | RenderStep) for step in ONE.restore.steps)


@pytest.mark.parametrize(
    ("step", "back"),
    [
        ("1.stop.local", STARTED),
        ("1.backup", STARTED),
        ("1.down", RELOADED),
        ("1.trial", RELOADED),
    ],
)
@pytest.mark.parametrize("kind", [Failure.RELEASE, Failure.PREPARE])
def test_what_fails_before_any_traffic_must_be_put_back_as_far_as_it_went(
    step: str, back: list[str], kind: Failure
) -> None:
    taken, ended = goes(ONE, **failing(step, kind))
    assert taken == [*ALL[: ALL.index(step) + 1], *back]
    assert ended.exit is Exit.FAILED_RESTORED
    assert f"{step} failed" in ended.because[0]


def test_what_will_be_lost_must_be_kept_after_the_backup_and_before_the_way_down_and_nothing_else() -> None:
    taken, ended = goes(LOSSY)
    assert taken[taken.index("1.stop.local") :] == [
        "1.stop.local", "1.backup", "1.salvage", "1.lossy-down", "1.trial", *SERVED, *WATCHED,
    ]  # fmt: skip
    assert ended.next == ("after the next roll-forward: lastgood db salvage put-back shop prod R1",)
    assert not any(isinstance(step, SalvageStep) for step in ONE.steps())
    assert goes(ONE)[1].next == ()


def test_where_nothing_can_be_kept_nothing_must_be_lost_and_the_writers_must_run_again() -> None:
    taken, ended = goes(LOSSY, **failing("1.salvage", Failure.PREPARE))
    assert (taken[-3:], ended.exit) == (["1.salvage", *STARTED], Exit.FAILED_RESTORED)
    assert goes(LOSSY, *until(LOSSY, "1.salvage"), ABORT)[0] == STARTED
    assert ended.next == ("lastgood history shop prod",)


@pytest.mark.parametrize("step", ["1.lossy-down", "1.trial"])
def test_what_was_lost_before_any_traffic_must_come_back_with_the_backup(step: str) -> None:
    taken, ended = goes(LOSSY, **failing(step, Failure.RELEASE))
    assert taken[taken.index(step) + 1 :] == RELOADED
    assert ended.exit is Exit.FAILED_RESTORED


def test_what_fails_before_anybody_is_stopped_must_have_touched_nothing() -> None:
    taken, ended = goes(ONE, **failing("1.render.local", Failure.PREPARE))
    assert taken == PREPARED
    assert ended.exit is Exit.REFUSED


def test_a_host_on_which_nobody_could_be_stopped_must_be_started_like_the_other() -> None:
    taken, ended = goes(TWO, **failing("1.stop.second", Failure.PREPARE))
    assert taken[6:] == ["1.stop.local", "1.stop.second", "restore.start.local", "restore.start.second", STARTED[-1]]
    assert ended.exit is Exit.FAILED_RESTORED


def test_a_host_that_was_never_stopped_must_not_be_started() -> None:
    taken, ended = goes(TWO, *until(TWO, "1.stop.second", begun=False), ABORT)
    assert taken == STARTED
    assert ended.exit is Exit.DONE


@pytest.mark.parametrize("step", ["1.stop.local", "1.backup", "1.down", "1.trial"])
def test_where_git_was_given_nothing_no_pin_must_be_put_back(step: str) -> None:
    taken, ended = goes(SCRIPTED, **failing(step, Failure.PREPARE))
    assert not [one for one in taken if "pin" in one or "checkout" in one]
    assert ended.exit is Exit.FAILED_RESTORED


@pytest.mark.parametrize("step", ["1.pin", "1.checkout.local"])
def test_where_the_pin_was_pushed_it_must_be_put_back_after_the_database(step: str) -> None:
    taken, ended = goes(SCRIPTED, *until(SCRIPTED, step), ABORT)
    assert taken == ["restore.reload", "restore.start.local", "restore.pin", "restore.checkout.local", STARTED[-1]]
    assert ended.exit is Exit.DONE


def test_a_checkout_that_cannot_follow_must_put_back_database_writers_and_pin() -> None:
    taken, ended = goes(SCRIPTED, **failing("1.checkout.local", Failure.PREPARE))
    assert taken[taken.index("1.checkout.local") + 1 :] == [
        "restore.reload", "restore.start.local", "restore.pin", "restore.checkout.local", "restore.verify",
    ]  # fmt: skip
    assert ended.exit is Exit.FAILED_RESTORED


def test_a_pin_that_the_remote_did_not_take_must_not_be_put_back() -> None:
    unpushed = {"1.pin": {"commit": ""}}
    events = [
        StepDone(one.step, one.seen, unpushed[one.step]) if isinstance(one, StepDone) and one.step in unpushed else one
        for one in until(SCRIPTED, "1.checkout.local")
    ]
    assert goes(SCRIPTED, *events, ABORT)[0] == RELOADED


@pytest.mark.parametrize("made", [ONE, TWO, LOSSY, SCRIPTED])
@pytest.mark.parametrize("step", ["1.switch.local", "1.verify"])
@pytest.mark.parametrize("kind", [Failure.RELEASE, Failure.PREPARE, Failure.ELSEWHERE])
def test_once_traffic_may_have_come_the_backup_must_be_left_to_a_human(made: AnyPlan, step: str, kind: Failure) -> None:
    taken, ended = goes(made, **failing(step, kind))
    assert not [one for one in taken if one.startswith("restore.")]
    assert ended.exit is Exit.NEEDS_HUMAN
    assert "lose what was written" in ended.because[0]
    assert ended.next[0] == RESTORED_BY_HAND
    assert f"{step} failed" in " ".join(ended.because)


def test_a_host_that_fails_between_the_hosts_must_be_left_to_a_human_too() -> None:
    taken, ended = goes(TWO, **failing("1.verify.local", Failure.RELEASE))
    assert taken[-1] == "1.verify.local"
    assert (ended.exit, ended.next[0]) == (Exit.NEEDS_HUMAN, RESTORED_BY_HAND)
    assert "second: was not switched" in ended.because


@pytest.mark.parametrize(
    ("step", "back"),
    [
        ("capture.local", []),
        ("1.pull.local", []),
        ("1.render.local", []),
        ("1.stop.local", STARTED),
        ("1.backup", STARTED),
        ("1.down", RELOADED),
        ("1.trial", RELOADED),
    ],
)
def test_an_abort_in_any_step_before_the_switch_must_put_everything_back(step: str, back: list[str]) -> None:
    taken, ended = goes(ONE, *until(ONE, step), ABORT)
    assert (taken, ended.exit) == (back, Exit.DONE)
    assert ended.what == "Aborted: shop/prod is as it was before."


@pytest.mark.parametrize(
    ("step", "back"), [("1.stop.local", []), ("1.backup", STARTED), ("1.down", STARTED), ("1.trial", RELOADED)]
)
def test_an_abort_between_two_steps_must_put_back_what_was_done_only(step: str, back: list[str]) -> None:
    taken, ended = goes(ONE, *until(ONE, step, begun=False), ABORT)
    assert (taken, ended.exit) == (back, Exit.DONE)


@pytest.mark.parametrize("step", ["1.switch.local", "1.verify", "1.record"])
def test_an_abort_once_traffic_may_have_come_must_be_left_to_a_human(step: str) -> None:
    taken, ended = goes(ONE, *until(ONE, step), ABORT)
    assert (taken, ended.exit, ended.next[0]) == ([], Exit.NEEDS_HUMAN, RESTORED_BY_HAND)


@pytest.mark.parametrize("made", [ONE, LOSSY, SCRIPTED])
def test_in_doubt_at_any_step_nothing_must_be_done_until_somebody_asked_reality(made: AnyPlan) -> None:
    whole = goes(made)[0]
    for step in whole[whole.index("1.stop.local") :]:
        taken, ended = goes(made, **failing(step, Failure.IN_DOUBT))
        assert (taken[-1], ended.exit) == (step, Exit.IN_DOUBT)
        assert ended.next == ("lastgood resume R1", "lastgood abort R1")


@pytest.mark.parametrize("made", [ONE, LOSSY, SCRIPTED])
def test_taken_up_again_anywhere_it_must_go_on_where_it_was(made: AnyPlan) -> None:
    whole = goes(made)[0]
    for step in whole:
        taken, ended = goes(made, *until(made, step), AGAIN)
        assert (taken, ended.exit) == (whole[whole.index(step) :], Exit.DONE)


@pytest.mark.parametrize("step", RELOADED)
def test_in_doubt_on_the_way_back_it_must_be_asked_again_and_finished(step: str) -> None:
    failed = [*until(ONE, "1.trial"), StepFailed("1.trial", "exits with 1", Failure.PREPARE)]
    back, doubt = goes(ONE, *failed, **failing(step, Failure.IN_DOUBT))
    assert (back[-1], doubt.exit) == (step, Exit.IN_DOUBT)
    so_far = [event for one in back[:-1] for event in told(one, None)]
    taken, ended = goes(ONE, *failed, *so_far, *told(step, Failure.IN_DOUBT), AGAIN)
    assert (taken, ended.exit) == (RELOADED[RELOADED.index(step) :], Exit.FAILED_RESTORED)


def test_a_database_that_cannot_be_put_back_must_call_a_human_and_start_nobody() -> None:
    taken, ended = goes(ONE, **failing("1.trial", Failure.PREPARE), **failing("restore.reload", Failure.PREPARE))
    assert taken[-1] == "restore.reload"
    assert (ended.exit, ended.next[:2]) == (Exit.NEEDS_HUMAN, (RESTORED_BY_HAND, STARTED_BY_HAND))


def test_writers_that_cannot_be_started_must_call_a_human_who_starts_them_and_no_more() -> None:
    ended = goes(ONE, **failing("1.trial", Failure.PREPARE), **failing("restore.start.local", Failure.PREPARE))[1]
    assert (ended.exit, ended.next[0]) == (Exit.NEEDS_HUMAN, STARTED_BY_HAND)
    assert RESTORED_BY_HAND not in ended.next


def test_where_it_is_not_known_which_commit_runs_what_was_stopped_must_be_started_all_the_same() -> None:
    taken, ended = goes(descending(known=False), **failing("1.trial", Failure.PREPARE))
    assert (taken[-3:], ended.exit) == (RELOADED, Exit.FAILED_RESTORED)


def test_where_what_was_pinned_cannot_be_put_back_a_human_must_get_the_commands() -> None:
    made = descending(known=False, scripted=True)
    ended = goes(made, **failing("1.trial", Failure.PREPARE))[1]
    assert (ended.exit, ended.next[:2]) == (Exit.NEEDS_HUMAN, (RESTORED_BY_HAND, STARTED_BY_HAND))
    assert goes(made, **failing("1.backup", Failure.PREPARE))[1].next[0] == STARTED_BY_HAND


def test_a_host_must_never_be_left_out_while_a_schema_goes_down() -> None:
    lenient = Group.of(msgspec.structs.replace(TARGET, unreachable=Unreachable.GO_ON))
    assert descending(hosts=2, group=lenient).alone is False
    stays = make(
        lenient,
        (drafted(world(2), lenient.first),),
        (Round((Candidate(release("v2", 0), Evidence(), runnable("v2"), ()),), (Tree("t", image("v2"), (), ()),)),),
        None,
        (),
        Extra(),
    )
    assert stays.alone is True
