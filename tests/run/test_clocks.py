"""Clocks that jump in the middle of a run: what is done stays right, and what is told never makes up a length."""

import re
from collections.abc import Callable
from datetime import UTC
from itertools import pairwise

import pytest
from fault_words import shipped, state

from lastgood.journal.fold import fold
from lastgood.model.errors import Exit
from lastgood.model.verified import Verdict
from lastgood.record.incident import incident
from lastgood.record.next_time import questions
from lastgood.record.postmortem import document, written
from lastgood.record.prose import Html, plain
from lastgood.record.sources import Sources
from lastgood.record.verify import verify
from tests.standin.clock import NANO
from tests.standin.fate import ANSWERS_500, GOOD
from tests.standin.world import World

HOUR = 3600 * NANO
JUMPS = {
    "ahead": lambda at: HOUR * (at > 0),
    "back": lambda at: -HOUR * (at > 0),
    "back and forth": lambda at: (-HOUR, 7 * HOUR)[at // (3 * NANO) % 2] * (at > 0),
    "years back": lambda at: -30 * 365 * 24 * HOUR * (at > 0),
}


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
def test_a_walk_must_go_on_as_if_the_clock_had_not_jumped(world: World, jump: Callable[[int], int]) -> None:
    shipped(world, GOOD, ANSWERS_500, ANSWERS_500)
    after = world.outside.clock.at + 4 * NANO
    world.outside.clock.wrong = lambda at: jump(at - after)
    assert world.rollback().exit is Exit.DONE
    assert state(world) == (["v1"], "v1", False)
    assert world.judged() == {"v1": "verified", "v2": "bad", "v3": "bad"}
    with world.desk() as desk:
        (run,) = desk.journal.runs()
        entries, lines = desk.journal.entries(run), desk.journal.lines(run)
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert verify(run, "", lines, (), alone=True).verdict is Verdict.WHOLE
    found = incident(fold(entries), entries, "")
    page = written(document(found, Sources("", {}), UTC), Html(), "html", None, {})
    lengths, _, timeline = page.partition("<h2>Timeline")
    assert not re.search(r"-\d+(?:\.\d)? (?:s|min|h|d)\b", lengths)
    assert not re.search(r'(?:width|x|x1)="-', timeline)
    back = [one for one in questions(found) if "set back" in plain(one)]
    assert bool(back) == any(later.at < before.at for before, later in pairwise(entries))
