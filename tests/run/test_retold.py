"""Post-mortems of runs as they really go: what serves, what was put back, and what is in quarantine by which commit."""

import re
from datetime import timedelta, timezone

from fault_words import shipped

from lastgood.journal.fold import fold
from lastgood.model.errors import Exit
from lastgood.record.incident import incident
from lastgood.record.next_time import questions
from lastgood.record.postmortem import document, written
from lastgood.record.prose import Html, plain
from lastgood.record.sources import Sources
from tests.standin.fate import ANSWERS_500, GOOD
from tests.standin.world import World

SOURCES = Sources("git@github.com:acme/deploy.git")


def retold(world: World) -> tuple[str, list[str]]:
    """The page as a reader sees it, and its open questions."""
    entries = world.entries()
    found = incident(fold(entries), entries, "")
    page = written(document(found, SOURCES, timezone(timedelta(hours=8))), Html(), "html", None, {})
    return " ".join(re.sub(r"<(?!a )[^>]*>", "", page).split()), [plain(one) for one in questions(found)]


def test_a_run_that_was_aborted_must_never_be_called_resolved(bad: World) -> None:
    bad.outside.faults.by_verb["ps"] = ["fine"] * 3 + ["hangs"] * 40
    assert bad.rollback().exit is Exit.IN_DOUBT
    bad.outside.faults.by_verb.clear()
    assert bad.resume(aborting=True).exit is Exit.DONE
    text, asked = retold(bad)
    assert "statusaborted; what was before is back" in text
    assert "was to go fromlocalhost:5000/shop:v3 to localhost:5000/shop:v2" in text
    assert "What ran before, v3, was put back and runs again. Status: aborted" in text
    assert "resolved" not in text.partition("Impact")[0]
    assert "Files that it was to change:" in text
    assert "What ran before is back. Who looks after it?" in asked


def test_where_nothing_passed_what_was_put_back_must_be_said(world: World) -> None:
    shipped(world, ANSWERS_500, ANSWERS_500, ANSWERS_500)
    assert world.rollback().exit is Exit.FAILED_RESTORED
    text, asked = retold(world)
    assert "No release was proven to serve in it. What ran before, v3, was put back and runs again." in text
    assert "Files in git that the rollback changed" not in text
    assert "What ran before is back. Who looks after it?" in asked


def test_the_plan_for_a_new_deployment_must_name_first_what_was_left_and_link_what_keeps_it_out(world: World) -> None:
    shipped(world, GOOD, ANSWERS_500, ANSWERS_500)
    assert world.rollback().exit is Exit.DONE
    text, _ = retold(world)
    plan = text.partition("Before the bad release may come back")[2].partition("Action items")[0]
    assert plan.index("shop:v3@") < plan.index("shop:v2@")
    commit = world.git("rev-parse", "main", at="remote.git").strip()
    assert f'href="https://github.com/acme/deploy/commit/{commit}"' in plan
    assert "lastgood quarantine list shop prod" in plan


def test_a_run_that_was_settled_later_must_tell_both_times(bad: World) -> None:
    bad.remote_goes_away()
    assert bad.rollback().exit is Exit.MITIGATED
    assert "once the rollback is in git" in retold(bad)[0]
    bad.remote_comes_back()
    bad.outside.clock.sleep(4000)
    assert bad.resume().exit is Exit.DONE
    text, asked = retold(bad)
    assert "to resolve, since the decision1 h 6 min" in text
    assert re.search(r"to mitigate, since the decision[0-9.]+ s", text)
    assert not [one for one in asked if "What stopped the run half-way?" in one]


def test_a_local_time_of_another_day_must_say_so(bad: World) -> None:
    assert bad.rollback().exit is Exit.DONE
    assert re.search(r"2026-09-21 18:\d\d:\d\d2026-09-22 02:\d\d:\d\d0\.0 s", retold(bad)[0])
