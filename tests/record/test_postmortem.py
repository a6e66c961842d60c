"""A run told for people: facts from the record, questions from its gaps, and nothing made up."""

import re
import xml.etree.ElementTree as ET
from datetime import UTC, timedelta, timezone

import msgspec
import pytest

from lastgood.journal.fold import fold
from lastgood.model.chain import digest
from lastgood.model.errors import Exit
from lastgood.model.event import (
    Entry,
    Event,
    Failure,
    Judged,
    Kept,
    KeptFile,
    Resumed,
    RunEnded,
    RunStarted,
    Said,
    StepDone,
    StepFailed,
    StepStarted,
)
from lastgood.model.plan import FileChange, Member, Part, Restore, Skipped
from lastgood.model.release import Evidence, Grade, Image, Release
from lastgood.model.step import Runnable, VerifyStep
from lastgood.record.incident import incident
from lastgood.record.next_time import questions
from lastgood.record.picture import picture
from lastgood.record.postmortem import document, written
from lastgood.record.prose import Html, Markdown, plain
from lastgood.record.sources import Sources
from tests.journal.sample import IMAGE, SECOND, begun
from tests.record.test_prose import HOSTILE, Seen

NOON = 1_795_348_800
BAD = Image("ghcr.io/axinova/home", "sha-9f8e7d6")
GITHUB = Sources("git@github.com:axinova/deploy.git", {"shop-api": "https://github.com/axinova/home.git"})
VERIFY = VerifyStep("1.verify", "shop-api", Runnable(IMAGE), True, ("local",), True, "what is seen proves it")  # noqa: FBT003 - the step's own fields


def started(subject: str = "faster orders", **changes: object) -> RunStarted:
    """A rollback from BAD that was shipped 20 minutes before."""
    first = begun()
    left = Release("b" * 40, BAD, NOON - 1200, subject, "mallory")
    changed = (FileChange("a/values.yaml", ("-x", "+y")),)
    attempt = msgspec.structs.replace(first.plan.attempts[0], steps=(VERIFY,), changes=changed)
    members = (Member("shop-api", BAD, left),)
    plan = msgspec.structs.replace(first.plan, members=members, attempts=(attempt,), **changes)
    return msgspec.structs.replace(first, plan=plan)


def told(*events: Event, every: int = 10) -> tuple[Entry, ...]:
    return tuple(Entry("r", seq, (NOON + (seq - 1) * every) * SECOND, event) for seq, event in enumerate(events, 1))


GOOD = told(
    started(),
    StepStarted("1.verify"),
    Kept("1.verify", "m", (KeptFile("logs.txt", "logs.0.txt", digest(b""), 0, ("known secret",)),)),
    StepDone("1.verify", "every container runs it"),
    Judged("shop-api/prod", BAD, Grade.BAD, "was failing (http 500)"),
    RunEnded(Exit.DONE, "shop-api/prod serves sha-1a2b3c."),
)


def page(entries: tuple[Entry, ...], form: str = "md", detected: float | None = None, theirs: str | None = None) -> str:
    found = incident(fold(entries), entries, "a" * 64, detected)
    made = document(found, GITHUB, timezone(timedelta(hours=1)))
    return written(made, Html() if form == "html" else Markdown(), form, theirs, {})


def seen(entries: tuple[Entry, ...], detected: float | None = None) -> str:
    """All that a reader sees, without markup."""
    found = Seen(page(entries, "html", detected))
    return " ".join("".join((*found.loose, *found.coded)).split())


def plain_page(entries: tuple[Entry, ...]) -> str:
    """The text in its order."""
    return re.sub(r"<[^>]*>", "", page(entries, "html"))


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - it was made a moment ago


def asked(entries: tuple[Entry, ...], detected: float | None = None) -> list[str]:
    return [plain(one) for one in questions(incident(fold(entries), entries, "", detected))]


def test_what_the_record_says_must_be_told_in_numbers() -> None:
    text = seen(GOOD, detected=NOON - 300)
    assert "to detect15 min" in text
    assert "to decide5 min" in text
    assert "to mitigate, since the decision30 s" in text
    assert "to resolve, since the decision50 s" in text
    assert "2026-11-22 12:00:302026-11-22 13:00:30" in text
    assert "UTC+0100" in text
    assert "Status: resolved." in text


def test_what_it_does_not_say_must_be_unknown_and_a_question() -> None:
    assert "to detectunknown" in seen(GOOD)
    assert asked(GOOD)[0].startswith("When was it noticed")
    assert not [one for one in asked(GOOD, detected=NOON - 60) if "noticed" in one]
    nothing = told(begun())
    text = seen(nothing)
    assert "to mitigate, since the decisionunknown" in text
    assert "Nothing was proven." in text
    assert {
        "The run has no end. Is it still going on? lastgood resume r goes on with it.",
        "Evidence is missing. Where else is it to be had?",
    } <= set(asked(nothing))


def test_clocks_that_disagree_must_never_make_a_length() -> None:
    assert "unknown: the clocks disagree" in seen(GOOD, detected=NOON + 5)
    back = tuple(msgspec.structs.replace(one, at=one.at - 3600 * SECOND) if one.seq > 2 else one for one in GOOD)
    assert "unknown: the clocks disagree" in seen(back)


def test_a_length_over_which_the_clock_was_set_back_must_not_be_told_as_if_it_were_right() -> None:
    last = len(GOOD)
    back = tuple(msgspec.structs.replace(one, at=one.at - 40 * SECOND) if one.seq == last else one for one in GOOD)
    text = seen(back)
    assert "to mitigate, since the decision30 s; the clock was set back during the run" in text
    assert "to resolve, since the decision10 s; the clock was set back during the run" in text
    assert "After 30 s" not in text
    assert "Later the release that was put back was proven to serve." in text


def test_gaps_failures_and_warnings_must_become_questions() -> None:
    entries = told(
        started(warnings=("the remote is away",), skipped=(Skipped(Release("c" * 40, IMAGE, 1), "it is gone"),)),
        StepStarted("1.record"),
        StepFailed("1.record", "the push did not go through", Failure.UNSETTLED),
        Resumed("bob@laptop", aborting=False, lease="t"),
        RunEnded(Exit.MITIGATED, "mitigated"),
        every=400,
    )
    found = asked(entries)
    for part in ("6 min 40 s went by after line 1", "Why did 1.record fail", "What stopped the run half-way?",
                 "the remote is away", "Who settles it? lastgood settle r"):  # fmt: skip
        assert [one for one in found if part in one], part
    text = seen(entries)
    assert "taken up again by bob@laptop" in text
    assert "it is gone" in text
    assert "(6 min 40 s without a line)" in text
    assert "mitigated, not resolved" in text


def test_a_cdn_that_did_not_follow_must_be_asked_about_and_git_only_where_it_is_behind() -> None:
    stale = (StepStarted("1.fresh"), StepFailed("1.fresh", "the old page", Failure.STALE))
    behind = (StepStarted("1.record"), StepFailed("1.record", "no push", Failure.UNSETTLED))
    for events, git in ((stale, False), ((*behind, *stale), True)):
        found = asked(told(started(), *events, RunEnded(Exit.MITIGATED, "mitigated")))
        assert [one for one in found if "from the CDN. Who sees to it? lastgood resume r" in one]
        assert bool([one for one in found if "Git does not say yet" in one]) is git


def test_a_run_that_was_only_settled_must_not_be_said_to_have_stopped() -> None:
    settled = Resumed("bob@laptop", aborting=False, lease="t")
    assert "What stopped the run half-way?" not in asked(told(started(), RunEnded(Exit.MITIGATED, "m"), settled))
    assert "What stopped the run half-way?" in asked(told(started(), RunEnded(Exit.IN_DOUBT, "d"), settled))


def test_what_changed_must_have_links_where_the_host_is_known_and_none_made_up() -> None:
    text = page(GOOD)
    assert f"](<https://github.com/axinova/deploy/compare/{'c' * 40}...{'b' * 40}>)" in text
    assert "](<https://github.com/axinova/home/compare/1a2b3c..." not in text  # six characters are no commit
    found = incident(fold(GOOD), GOOD, "", None)
    unknown = written(document(found, Sources("/srv/deploy.git"), UTC), Markdown(), "md", None, {})
    assert "](<" not in unknown
    assert "No address is known" in unknown


def test_what_changes_in_git_must_be_told_without_the_lines_around_it() -> None:
    diff = ("@@ -1,7 +1,7 @@", " image:", "-  tag: a|b", "+  tag: <b>", *(f"+  x{at}" for at in range(9)))
    first = started()
    attempt = msgspec.structs.replace(first.plan.attempts[0], changes=(FileChange("a/values.yaml", diff),))
    first = msgspec.structs.replace(first, plan=msgspec.structs.replace(first.plan, attempts=(attempt,)))
    text = seen(told(first, *(one.event for one in GOOD[1:])))
    assert "a/values.yaml" in text
    assert "@@" not in text
    assert "image:" not in text
    assert "tag: a|b" in text
    assert "5 more lines" in text


def test_a_service_that_stayed_must_not_be_said_to_have_been_left() -> None:
    first = started()
    web = Release("d" * 40, Image("ghcr.io/axinova/web", "sha-7777777"), NOON - 60, "a new page", "mallory")
    near = first.plan.attempts[0]
    stays = Part("shop-web", web, Evidence(), Runnable(web.image), moves=False)
    goes = Part("shop-web", msgspec.structs.replace(web, commit="e" * 40), Evidence(), Runnable(web.image))
    attempts = (
        msgspec.structs.replace(near, parts=(*near.parts, stays)),
        msgspec.structs.replace(near, number=2, parts=(*near.parts, goes), steps=()),
    )
    members = (*first.plan.members, Member("shop-web", web.image, web))
    plan = msgspec.structs.replace(first.plan, members=members, attempts=attempts)
    for rest in (GOOD[1:], GOOD[1:2]):
        entries = told(msgspec.structs.replace(first, plan=plan), *(one.event for one in rest))
        text = seen(entries)
        assert "a new page" not in text
        assert "the release that was left was committed2026-11-22 11:40:00" in text
        assert "lastgood check shop-web" not in text


def test_what_became_of_the_schema_must_be_told_up_to_the_release_that_passed() -> None:
    first = started(schema="stays at version 2")
    near = first.plan.attempts[0]
    further = msgspec.structs.replace(near, number=2, schema="goes down to 1", steps=())
    nearer = msgspec.structs.replace(near, steps=(msgspec.structs.replace(VERIFY, id="0.verify"),))
    last = msgspec.structs.replace(further, number=3, schema="goes down to 0")
    passed = msgspec.structs.replace(further, steps=near.steps)
    for attempts, wanted in (
        ((near, further), "stays at version 2"),
        ((nearer, passed, last), "stays at version 2; then goes down to 1"),
    ):
        plan = msgspec.structs.replace(first.plan, attempts=attempts)
        text = page(told(msgspec.structs.replace(first, plan=plan), *(one.event for one in GOOD[1:])))
        assert f"| schema | <code>{wanted}</code> |" in text


def test_what_is_put_back_must_not_be_asked_about_as_if_nobody_knew() -> None:
    restore = Restore((Runnable(BAD),), (msgspec.structs.replace(VERIFY, id="restore.verify"),), "what ran before")
    first = started(restore=restore)
    back = (StepStarted("restore.verify"), StepDone("restore.verify", "it runs again"))
    entries = told(first, *back, RunEnded(Exit.FAILED_RESTORED, "No release passed."))
    asked_for = asked(entries)
    assert "What ran before is back. Who looks after it?" in asked_for
    assert not [one for one in asked_for if "What serves now" in one]
    assert "What it was to leave is back: sha-9f8e7d6" in plain_page(entries)
    assert "keep out" not in plain_page(entries)


@pytest.mark.parametrize("form", ["md", "html"])
def test_questions_that_come_up_later_must_stand_below_their_heading(form: str) -> None:
    quiet = msgspec.structs.replace(GOOD[0].event, signature="http:500")
    judged = Judged("shop-api/prod", BAD, Grade.BAD, "was failing (http 500)")
    calm = told(quiet, *(one.event for one in GOOD[1:4]), judged, GOOD[5].event)
    first = page(calm, form, detected=NOON - 60)
    assert "The record leaves none open." in first
    failed = told(*(one.event for one in calm), Resumed("bob", aborting=False, lease="t"))
    assert page(failed, form, detected=NOON - 60, theirs=first) == page(failed, form, detected=NOON - 60)


def test_the_bad_release_must_not_come_back_without_a_plan() -> None:
    text = seen(GOOD)
    assert "on shop-api/prod was shown to be bad" in plain_page(GOOD)
    assert "lastgood quarantine list shop-api prod" in text
    assert "lastgood quarantine lift shop-api prod sha-9f8e7d6 --because REASON" in text
    assert "has condemned no release" in seen(told(started(), RunEnded(Exit.NEEDS_HUMAN, "x")))


def test_what_only_people_can_judge_must_be_asked_and_not_answered() -> None:
    text = page(GOOD)
    learned = text.split("## What we learned", 1)[1].split("\n## ", 1)[0]
    assert [line[:2] for line in learned.splitlines() if line] == ["> "] * 5


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("form", ["md", "html"])
def test_hostile_text_in_a_record_must_do_nothing_and_break_no_block(hostile: str, form: str) -> None:
    entries = told(
        started(hostile),
        Said(hostile),
        StepStarted("1.verify"),
        StepFailed("1.verify", hostile, Failure.RELEASE, hostile, (hostile,)),
        RunEnded(Exit.NEEDS_HUMAN, hostile, (hostile,), (hostile,)),
    )
    text = page(entries, form)
    assert page(entries, form, theirs=text) == text
    found = Seen(text)
    assert not {"script", "a" if form == "md" else "iframe", "img", "object", "em", "strong"} & set(found.tags)
    assert all(one.strip().startswith("lastgood:") for one in found.comments)


def test_what_people_wrote_must_stay_when_the_run_goes_on() -> None:
    first = page(GOOD[:3]).replace("> What went well?\n", "> What went well?\n\nThe probe saw it. @ada\n")
    later = page(GOOD, theirs=first)
    assert "The probe saw it. @ada" in later
    assert "not over" in first
    assert "not over" not in later
    assert later == page(GOOD).replace("> What went well?\n", "> What went well?\n\nThe probe saw it. @ada\n")


def test_the_picture_must_be_well_formed_small_and_harmless() -> None:
    spans = (("<x onload=1>&", 0.0, 2.0, False), ("b" * 300, 1.0, None, True), ("back", 5.0, -3.0, False))
    root = parsed(picture(spans, 10.0, 4.0))
    texts = "".join(root.itertext())
    assert "<x onload=1>&" in texts
    assert max(len(part) for part in texts.splitlines()) < 100
    bars = [one for one in root.iter() if one.tag.endswith("rect")]
    assert [float(one.attrib["width"]) > 0 for one in bars] == [True] * 3
    assert "39 more tries are not shown" in picture(spans * 33, 1.0, None)
    parsed(picture((), 0.0, None))
