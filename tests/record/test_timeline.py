from datetime import timedelta, timezone

from lastgood.model.command import Child
from lastgood.model.errors import Exit
from lastgood.model.event import (
    ChildStarted,
    Entry,
    Failure,
    Judged,
    Resumed,
    RunEnded,
    Said,
    StepDone,
    StepFailed,
    StepStarted,
)
from lastgood.model.release import Grade
from lastgood.record.timeline import lines
from tests.journal.sample import IMAGE, SECOND, begun, lined

NOON = 1_795_348_800 * SECOND


def test_every_event_must_be_told_with_time_elapsed_and_a_sentence() -> None:
    first = "rollback of shop-api/prod to sha-1a2b3c begun, because sha-bad answers 500; approved by ann (--yes), plan "
    told = lines(
        lined(
            begun(),
            StepStarted("1.pull"),
            ChildStarted("1.pull", Child(12, 34, ("docker", "pull", "x"))),
            StepDone("1.pull", "the image is on the host"),
            StepFailed("1.verify", "it answers 500", Failure.RELEASE, next=("docker logs api",)),
            Judged("shop-api/prod", IMAGE, Grade.BAD, "the gate failed"),
            Said("walks on"),
            Resumed("bob", aborting=True, lease="secret-token"),
            Resumed("bob", aborting=False, lease="secret-token"),
            RunEnded(Exit.NEEDS_HUMAN, "Nothing passed.", ("both answer 500",), ("call somebody",)),
        )
    )
    assert [line.elapsed for line in told] == [float(at) for at in range(10)]
    assert [line.text for line in told] == [
        first + begun().plan.digest,
        "1.pull: begun, because it is not on the host yet",
        "1.pull: process 12 runs docker pull x",
        "1.pull: done, the image is on the host",
        "1.verify: the release failed, because it answers 500; next: docker logs api",
        "sha-1a2b3c on shop-api/prod is bad, because the gate failed",
        "walks on",
        "taken up again by bob, to put back the state from before",
        "taken up again by bob, to finish it",
        "ended with exit 8: Nothing passed.; both answer 500; next: call somebody",
    ]


def test_times_must_be_utc_unless_another_zone_is_asked_for() -> None:
    entries = (Entry("r", 1, NOON + 7_000_000, Said("x")),)
    assert lines(entries)[0].at == "2026-11-22T12:00:00.007+00:00"
    assert lines(entries, timezone(timedelta(hours=1)))[0].at == "2026-11-22T13:00:00.007+01:00"


def test_hostile_text_must_be_made_harmless_and_stay_one_line() -> None:
    entries = lined(Said("\x1b[2J\nended with exit 0"), StepFailed("a", "\u202e500\r"))
    assert all(line.text.isprintable() for line in lines(entries))


def test_a_recorded_check_and_no_entries_at_all_must_be_told_too() -> None:
    assert lines(()) == ()
    assert lines(lined(StepStarted("1.pull")))[0].text == "1.pull: begun"
