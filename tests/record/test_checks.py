"""A point is done by the record's word or a person's, never by nobody's."""

import msgspec
import pytest

from lastgood.journal.fold import fold
from lastgood.model.checklist import DEFAULT, Checklist, Phase, Point, State
from lastgood.model.descent import Descent, KeptBackup
from lastgood.model.errors import Exit
from lastgood.model.event import (
    Entry,
    Event,
    Failure,
    Judged,
    Kept,
    KeptFile,
    RunEnded,
    RunStarted,
    StepDone,
    StepFailed,
    StepStarted,
    Ticked,
)
from lastgood.model.release import Grade
from lastgood.model.step import (
    AwaitStep,
    BackupStep,
    DownStep,
    Pinned,
    RecordStep,
    Runnable,
    Step,
    SwitchStep,
    VerifyStep,
    WatchStep,
)
from lastgood.record.checks import standing
from lastgood.record.incident import incident
from tests.journal.sample import IMAGE, SECOND, begun, lined

POINTS = tuple(point for phase in Phase for point in DEFAULT[phase])
RUNS = Runnable(IMAGE)
SWITCH = SwitchStep("1.switch", "shop-api", "local", "/r", RUNS, ("api",), (), True, (), "the rollback itself")  # noqa: FBT003 - the step's own fields
VERIFY = VerifyStep("1.verify", "shop-api", RUNS, True, ("local",), True, "proof")  # noqa: FBT003 - as above
RECORD = RecordStep("1.record", "tree", "base" * 10, (Pinned("shop-api", IMAGE),), "", "git has to say it")
DESCENT = Descent("golang-migrate", "schema_migrations", "public", "2", "1", ())
SWITCH_2, VERIFY_2 = (msgspec.structs.replace(step, id=f"2{step.id[1:]}") for step in (SWITCH, VERIFY))
PASSED = (StepDone("1.switch", "it runs"), StepDone("1.verify", "5 looks in a row"))


def started(*steps: Step) -> RunStarted:
    first = begun()
    attempt = msgspec.structs.replace(first.plan.attempts[0], steps=steps or (SWITCH, VERIFY, RECORD))
    return msgspec.structs.replace(first, plan=msgspec.structs.replace(first.plan, attempts=(attempt,)))


def attempts(*several: tuple[Step, ...]) -> RunStarted:
    first = begun()
    made = tuple(msgspec.structs.replace(first.plan.attempts[0], number=n, steps=s) for n, s in enumerate(several, 1))
    return msgspec.structs.replace(first, plan=msgspec.structs.replace(first.plan, attempts=made))


def states(*events: Event, points: tuple[Point, ...] = POINTS) -> dict[str, tuple[State, str]]:
    entries = lined(*events)
    return {one.point.id: (one.state, one.because) for one in standing(points, fold(entries), entries)}


GOOD = (
    started(),
    *PASSED,
    StepDone("1.record", "pushed as 9de0ec51e600 to main"),
    Judged("shop-api/prod", IMAGE, Grade.BAD, "http 500"),
    RunEnded(Exit.DONE, "done"),
)


def test_what_the_record_tells_must_be_done_with_its_words_and_the_rest_wait_for_a_person() -> None:
    found = states(*GOOD)
    assert found["deployed"] == (State.DONE, "it runs")
    assert found["healthy"] == (State.DONE, "5 looks in a row")
    assert found["recorded"] == (State.DONE, "pushed as 9de0ec51e600 to main")
    assert found["quarantined"][0] is State.DONE
    assert found["config-backed-up"] == (State.DONE, "git holds it at basebasebase")
    assert found["database-backed-up"] == (State.DONE, "it is not touched: untouched")
    nobody_told = {"wiki-page", "team-told", "task-updated", "issue"}
    people = {point.id for point in POINTS if not point.check} | nobody_told | {"user-flows", "logs-watched"}
    assert {name for name, (state, _) in found.items() if state is State.OPEN} == people


def test_user_flows_that_worked_must_be_done_and_one_that_could_not_be_tried_wait_for_a_person() -> None:
    verify = msgspec.structs.replace(VERIFY, flows=("sign in", "pay"))

    def flows(**details: str) -> tuple[State, str]:
        proof = StepDone("1.verify", "it works", details)
        return states(started(SWITCH, verify), StepDone("1.switch", "it runs"), proof)["user-flows"]

    assert flows(flows="sign in, pay") == (State.DONE, "these work: sign in, pay")
    assert flows(flows="sign in", untried="pay could not be tried: no browser") == (
        State.OPEN, "pay could not be tried: no browser",
    )  # fmt: skip
    said = Ticked("user-flows", "Critical user flows tested", "ada@laptop", "terminal")
    assert states(*GOOD, said)["user-flows"][0] is State.DONE


@pytest.mark.parametrize(
    ("details", "state"),
    [({"new": "0"}, State.DONE), ({"new": "2"}, State.FAILED), ({"unread": "docker logs: gone"}, State.OPEN)],
)
def test_watched_logs_must_be_done_only_where_they_were_read_and_hold_nothing_new(
    details: dict[str, str], state: State
) -> None:
    watch = WatchStep("1.watch", "shop-api", RUNS, ("local",), 30.0, "what the gate does not see")
    run = (started(SWITCH, VERIFY, watch), *PASSED, StepDone("1.watch", "what was seen", details))
    assert states(*run)["logs-watched"] == (state, "what was seen")
    ticked = Ticked("logs-watched", "Logs watched", "ada@laptop", "terminal")
    assert states(*run, ticked)["logs-watched"][0] is (State.DONE if state is State.OPEN else state)
    skipped = Ticked("logs-watched", "Logs watched", "ada@laptop", "terminal", skipped=True, because="known noise")
    assert states(*run, skipped)["logs-watched"][0] is State.SKIPPED


def test_what_the_record_contradicts_must_fail_and_what_it_does_not_tell_be_unknown() -> None:
    failed = states(started(), StepDone("1.switch", "it runs"), StepStarted("1.verify"), StepFailed("1.verify", "500"))
    assert [failed[name][0] for name in ("deployed", "healthy", "recorded")] == [State.FAILED] * 3
    assert failed["quarantined"][0] is State.OPEN
    pushed = states(started(), *PASSED, StepFailed("1.record", "no push", Failure.UNSETTLED))
    assert pushed["recorded"] == (State.FAILED, "no push")
    assert pushed["deployed"][0] is State.DONE
    assert states(begun())["config-backed-up"][0] is State.UNKNOWN


def test_a_database_that_is_touched_must_have_its_backup() -> None:
    down = DownStep("1.down", "shop-api", "local", DESCENT, KeptBackup("1.backup"), "the older one needs it")
    backup = BackupStep("1.backup", "shop-api", "local", "/backups", "2", "it can be put back")
    assert states(started(down, VERIFY), *PASSED)["database-backed-up"][0] is State.FAILED
    assert states(started(backup, down, VERIFY), *PASSED)["database-backed-up"] == (State.FAILED, "not done: 1.backup")
    done = states(started(backup, down, VERIFY), *PASSED, StepDone("1.backup", "42 rows in /backups"))
    assert done["database-backed-up"] == (State.DONE, "42 rows in /backups")


def test_a_release_that_the_run_did_not_condemn_may_be_quarantined_by_a_person() -> None:
    added = Ticked("quarantined", "Bad release in quarantine", "ada@laptop", "--done")
    run = (started(), *PASSED, StepDone("1.record", "pushed"))
    assert states(*run, added)["quarantined"][0] is State.DONE
    failed = (started(), *PASSED, Judged("shop-api/prod", IMAGE, Grade.BAD, "http 500"))
    assert states(*failed, added)["quarantined"][0] is State.FAILED


def test_the_backup_of_a_release_tried_before_must_count_for_the_one_that_passed() -> None:
    down = DownStep("1.down", "shop-api", "local", DESCENT, KeptBackup("1.backup"), "the older one needs it")
    backup = BackupStep("1.backup", "shop-api", "local", "/backups", "2", "it can be put back")
    again = (msgspec.structs.replace(backup, id="2.backup"), msgspec.structs.replace(down, id="2.down"))
    passed = (StepDone("2.switch", "it runs"), StepDone("2.verify", "5 looks in a row"))
    tried = (StepDone("1.backup", "42 rows"), StepDone("1.down", "version 1"), StepFailed("1.verify", "http 500"))
    first = attempts((backup, down, VERIFY), (*again, SWITCH_2, VERIFY_2))
    assert states(first, *tried, *passed)["database-backed-up"] == (State.DONE, "42 rows")
    assert states(first, *tried[1:], *passed)["database-backed-up"] == (State.FAILED, "not done: 2.backup")


def test_a_database_that_only_a_release_not_tried_needs_must_not_be_missed() -> None:
    down = DownStep("2.down", "shop-api", "local", DESCENT, KeptBackup("2.backup"), "the older one needs it")
    backup = BackupStep("2.backup", "shop-api", "local", "/backups", "2", "it can be put back")
    first = attempts((SWITCH, VERIFY), (backup, down, SWITCH_2, VERIFY_2))
    untouched = (State.DONE, "it was not touched")
    assert states(first, *PASSED)["database-backed-up"] == untouched
    assert states(first, StepFailed("1.verify", "http 500"))["database-backed-up"] == untouched


def test_a_deploy_that_was_not_waited_for_must_fail() -> None:
    wait = AwaitStep("await", "shop-api", "local", False, "a deploy runs")  # noqa: FBT003 - the step's own field
    assert states(started(wait, SWITCH, VERIFY), *PASSED)["deployment-stopped"] == (State.FAILED, "not done: await")
    done = states(started(wait, SWITCH, VERIFY), *PASSED, StepDone("await", "no deploy runs any more"))
    assert done["deployment-stopped"] == (State.DONE, "no deploy runs any more")


def test_a_person_s_newest_word_must_count_with_name_and_time() -> None:
    said = (
        Ticked("team-told", "Team told", "ada@laptop", "--skip", skipped=True, because="asleep"),
        Ticked("team-told", "Team told", "bob@laptop", "terminal"),
    )
    entries = lined(*GOOD, *said)
    one = next(one for one in standing(POINTS, fold(entries), entries) if one.point.id == "team-told")
    assert (one.state, one.by, one.at, one.because) == (
        State.DONE,
        "bob@laptop (terminal)",
        "1970-01-01T00:00:08+00:00",
        "",
    )


def test_a_person_may_skip_what_is_checked_but_never_say_that_it_is_done() -> None:
    by_hand = Ticked("healthy", "Health verified", "ada", "--done")
    assert states(started(), by_hand)["healthy"][0] is State.FAILED
    skipped = Ticked("healthy", "Health verified", "ada", "--skip", skipped=True, because="no probe")
    assert states(started(), skipped)["healthy"] == (State.SKIPPED, "no probe")


def test_evidence_must_count_where_it_was_kept() -> None:
    point = Point(Phase.AFTER, "kept", "Evidence kept", "evidence-kept")
    kept = Kept("capture", "m", (KeptFile("a", "a.1", "0", 1),))
    assert states(started(), kept, points=(point,))["kept"] == (State.DONE, "1 files")
    assert states(started(), points=(point,))["kept"][0] is State.UNKNOWN


def test_a_list_must_be_over_only_when_nothing_is_left() -> None:
    entries = lined(*GOOD)
    listed = standing(POINTS, fold(entries), entries)
    assert Checklist("r", "t", listed).exit is Exit.NEEDS_HUMAN
    assert Checklist("r", "t", tuple(one for one in listed if one.state is State.DONE)).exit is Exit.DONE


def test_what_people_say_after_the_end_must_not_make_the_run_longer() -> None:
    late = Entry("r", 7, 9_000 * SECOND, Ticked("team-told", "Team told", "ada", "--done"))
    entries = (*lined(*GOOD), late)
    found = incident(fold(entries), entries, "")
    assert (found.times.resolved, found.gaps, found.took) == (6.0, (), 5.0)


@pytest.mark.parametrize("phase", Phase)
def test_the_runbook_s_own_list_must_have_points_of_different_names(phase: Phase) -> None:
    names = [point.id for point in POINTS]
    assert len(names) == len(set(names))
    assert all(point.phase is phase for point in DEFAULT[phase])
