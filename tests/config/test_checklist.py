import pytest

from lastgood.config.load import load
from lastgood.model.checklist import DEFAULT, Phase, Point
from lastgood.model.errors import ConfigError

BASE = "environments: {prod: {}}\nservices: {api: {}}\n"


def points(text: str) -> tuple[Point, ...]:
    return load((BASE + text).encode(), "lastgood.yaml").checklist


def test_without_one_the_list_must_be_the_runbook_s_own() -> None:
    assert points("") == tuple(point for phase in Phase for point in DEFAULT[phase])


def test_a_list_that_is_given_must_replace_that_of_its_phase_only() -> None:
    found = points("checklist: {during: [Call the shop, {text: 'It serves', check: healthy, id: serves}]}")
    assert [point for point in found if point.phase is Phase.BEFORE] == list(DEFAULT[Phase.BEFORE])
    assert [point for point in found if point.phase is Phase.DURING] == [
        Point(Phase.DURING, "call-the-shop", "Call the shop"),
        Point(Phase.DURING, "serves", "It serves", "healthy"),
    ]
    assert not [point for point in points("checklist: {after: []}") if point.phase is Phase.AFTER]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("checklist: {before: [Told, Told]}", "a point told already"),
        ("checklist: {before: ['']}", "one line of text"),
        ('checklist: {before: ["a\\nb"]}', "one line of text"),
        ('checklist: {before: ["\\u202egnp"]}', "one line of text"),
        ("checklist: {before: ['日本']}", "its id"),
        ("checklist: {before: [{text: x, id: 'A B'}]}", "its id"),
        ("checklist: {before: [{text: x, check: magic}]}", "check"),
        ("checklist: {before: [{txt: x}]}", "txt"),
        ("checklist: {later: [x]}", "later"),
        ("checklist: {before: [{check: healthy}]}", "text"),
    ],
)
def test_a_point_that_cannot_be_used_must_be_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"lastgood\.yaml:3") as told:
        points(text)
    assert said in " ".join((told.value.what, *told.value.because))
