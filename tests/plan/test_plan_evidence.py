import pytest
from plan_values import digest, history, image, judged, release

from lastgood.model.release import Grade, Image, Judgement, Trailers
from lastgood.plan.evidence import from_trailers, known_digests, weigh

BAD, GOOD, LEFT = Grade.BAD, Grade.VERIFIED, Grade.ROLLED_BACK
OUTAGE, NOTHING = Grade.INCONCLUSIVE, Grade.UNPROVEN


@pytest.mark.parametrize(
    ("said", "grade"),
    [
        ([], NOTHING),
        ([(GOOD, 1)], GOOD),
        ([(BAD, 1)], BAD),
        ([(BAD, 1), (GOOD, 2)], GOOD),
        ([(GOOD, 1), (BAD, 2)], BAD),
        ([(GOOD, 1), (LEFT, 2)], LEFT),
        ([(LEFT, 1), (GOOD, 2)], GOOD),
        ([(OUTAGE, 1)], OUTAGE),
        ([(GOOD, 1), (OUTAGE, 2)], GOOD),
        ([(BAD, 1), (OUTAGE, 2)], BAD),
        ([(NOTHING, 2), (OUTAGE, 1)], NOTHING),
    ],
)
def test_the_newest_conclusive_judgement_must_decide(said: list[tuple[Grade, int]], grade: Grade) -> None:
    judgements = [judged("v2", each, at) for each, at in said]
    assert weigh(release("v2", 0), judgements, 300).grade is grade
    assert weigh(release("v2", 0), judgements[::-1], 300).grade is grade


def test_a_judgement_of_another_release_must_not_count() -> None:
    assert weigh(release("v2", 0), [judged("v1", BAD)], 300).grade is NOTHING


def test_a_judgement_of_other_bytes_under_the_tag_must_not_count_where_the_digest_is_pinned() -> None:
    moved = Judgement("shop/prod", Image("reg/shop", "v2", digest("other")), BAD, 1, "R1")
    pinned = release("v2", 0, image=image("v2", pinned=True))
    assert weigh(pinned, [moved], 300).grade is NOTHING
    assert weigh(release("v2", 0), [moved], 300).grade is BAD


def test_the_evidence_must_say_whence_it_is() -> None:
    assert (
        weigh(release("v2", 0), [judged("v2", BAD, because="it answered 500")], 300).because
        == "it answered 500 (run R1)"
    )
    assert weigh(release("v2", 0), [judged("v2", BAD, run="")], 300).because == "bad"


@pytest.mark.parametrize(
    ("until", "hint"),
    [(None, "in service now"), (120, "short-lived: replaced after 2 min"), (3600, "in service for 1 h")],
)
def test_time_in_service_must_be_a_hint_that_decides_nothing(until: int | None, hint: str) -> None:
    found = weigh(release("v2", 0, until=until), [], 300)
    assert (found.grade, found.hints) == (NOTHING, (hint,))


def test_a_rollback_s_trailers_must_tell_other_machines_what_was_learned() -> None:
    trailers = Trailers("R1", image("v4"), image("v2", pinned=True), (image("v3"),))
    found = {(j.image.tag, j.grade) for j in from_trailers("shop/prod", history("v2", "v4", r0=trailers))}
    assert found == {("v2", GOOD), ("v3", BAD), ("v4", LEFT)}


def test_what_a_rollback_left_and_condemned_must_be_bad_only() -> None:
    trailers = Trailers("R1", image("v4"), image("v2"), (image("v4"),))
    found = [(j.image.tag, j.grade) for j in from_trailers("shop/prod", history("v2", r0=trailers))]
    assert found == [("v2", GOOD), ("v4", BAD)]


def test_where_only_configuration_went_back_the_image_must_not_be_rolled_back() -> None:
    trailers = Trailers("R1", image("v4"), image("v4"), ())
    assert [j.grade for j in from_trailers("shop/prod", history("v4", r0=trailers))] == [GOOD]


def test_trailers_without_a_run_must_say_nothing() -> None:
    assert list(from_trailers("shop/prod", history("v2", r0=Trailers("", image("v4"), image("v2"))))) == []
    assert list(from_trailers("shop/prod", history("v2", r0=Trailers("R1")))) == []


def test_known_digests_must_be_newest_first_and_once_each() -> None:
    moved = Judgement("shop/prod", Image("reg/shop", "v2", digest("moved")), GOOD, 300, "R3")
    said = [judged("v2", GOOD, 100), moved, judged("v2", BAD, 200), judged("v1", GOOD), judged("v2", GOOD, known=False)]
    assert known_digests(image("v2"), said) == (digest("moved"), digest("v2"))
