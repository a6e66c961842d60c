"""The measure itself: no situation may be answered with a wrong change of production, nearly all must be right."""

from collections import Counter

import pytest

from lastgood.model.diagnosis import Action, Destructive, Scenario
from tests.judge.__main__ import LEAST, Answer, Outcome, outcome, recorded, report
from tests.judge.corpus import cases

LEAST_SITUATIONS = 60


def test_no_situation_may_be_answered_with_a_wrong_change_and_nearly_all_must_be_right() -> None:
    found = [outcome(*each) for each in recorded()]
    assert [each.name for each in found if each.dangerous] == []
    assert sum(each.right for each in found) >= LEAST * len(found)


def test_one_wrong_change_among_a_hundred_must_fail_the_measure(capsys: pytest.CaptureFixture[str]) -> None:
    rollback = Answer(Scenario.API_ERRORS, Action.ROLLBACK, "", changes=True)
    good = Outcome("a", "it fails", Scenario.API_ERRORS, (Action.ROLLBACK,), "", rollback)
    bad = Outcome("a", "a full disk", Scenario.DISK_FULL, (Action.HUMAN,), "", rollback)
    assert report([good] * 100) == 0
    assert report([good] * 100 + [bad]) == 1
    assert "WRONG CHANGE: a: a full disk" in capsys.readouterr().out


def test_too_many_misses_must_fail_the_measure_although_they_are_harmless() -> None:
    missed = Answer(Scenario.UNKNOWN, Action.HUMAN, "", changes=False)
    assert report([Outcome("a", "it fails", Scenario.API_ERRORS, (Action.ROLLBACK,), "", missed)]) == 1


def test_every_scenario_must_be_in_the_corpus_and_names_must_differ() -> None:
    found = cases()
    assert len(found) >= LEAST_SITUATIONS
    assert {case.scenario for case in found} == set(Scenario)
    assert [name for name, count in Counter(case.name for case in found).items() if count > 1] == []


def test_a_change_must_never_be_advised_against_contradictions() -> None:
    changes = [said for _, said in recorded() if isinstance(said.recommendation, Destructive)]
    assert changes
    assert all(said.contradictions == () for said in changes)
