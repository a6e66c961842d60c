import pytest
from plan_values import (
    container,
    database,
    digest,
    history,
    image,
    image_id,
    judged,
    local,
    observed,
    release,
    served,
    view,
)

from lastgood.model.errors import Refused
from lastgood.model.facts import Unknown
from lastgood.model.observed import Container, LocalImage, State
from lastgood.model.release import Grade, Image, Trailers
from lastgood.plan.running import identify, origin

PAST = history("v3", "v2", "v1")


def by_digest(tag: str, **given: str) -> Container:
    """As lastgood switches: the reference names no tag."""
    return container(tag, image=f"reg/shop@{digest(tag)}", **given)


def test_what_runs_must_be_recognised_by_the_tag_it_was_created_from() -> None:
    seen = identify(observed(PAST, view((container("v2"), database()))))
    assert seen.release == PAST[1]
    assert seen.image
    assert (seen.image.image, seen.image.image_id) == (image("v2", pinned=True), image_id("v2"))
    assert [c.service for c in seen.containers] == ["api"]
    assert not seen.mixed


@pytest.mark.parametrize(
    "given",
    [
        {"registry": served(v2="v2")},
        {"judgements": (judged("v2", Grade.VERIFIED),)},
    ],
    ids=["by the registry", "by the journal"],
)
def test_what_was_switched_by_digest_must_be_recognised(given: dict[str, object]) -> None:
    assert identify(observed(PAST, view((by_digest("v2"),)), **given)).release == PAST[1]


def test_what_was_switched_by_digest_must_be_recognised_by_the_host_s_tags() -> None:
    assert identify(observed(PAST, view((by_digest("v2"),), (local("v2"),)))).release == PAST[1]


def test_what_was_switched_by_digest_must_be_recognised_by_trailers_where_nobody_else_answers() -> None:
    past = history("v2", "v3", "v2", r0=Trailers("R1", image("v3"), image("v2", pinned=True)))
    seen = identify(observed(past, view((by_digest("v2", run="R1"),), Unknown("no answer"))))
    assert (seen.release, seen.run) == (past[0], "R1")


def test_a_tag_that_was_moved_on_the_host_must_not_hide_what_ran_under_it() -> None:
    moved = local("other", tagged=False)
    host = view((by_digest("v2"),), (LocalImage(moved.image_id, ("v2",), moved.digests),))
    assert identify(observed(PAST, host)).release is None
    assert identify(observed(PAST, host, judgements=(judged("v2", Grade.VERIFIED),))).release == PAST[1]


def test_a_pinned_digest_must_decide_over_the_tag() -> None:
    past = (release("v3", 1, image=image("v3", pinned=True)), release("v2", 0))
    foreign = container("v3", digests=(digest("moved"),))
    assert identify(observed(past, view((foreign,)))).release is None
    assert identify(observed(past, view((container("v3"),)))).release == past[0]


def test_what_git_does_not_know_must_have_no_release() -> None:
    seen = identify(observed(PAST, view((container("hotfix"),))))
    assert seen.release is None
    assert seen.image
    assert seen.image.image.tag == "hotfix"


def test_nothing_that_runs_must_be_nothing() -> None:
    for host in (view(()), view((database(),)), view((container("v3", state=State.EXITED),))):
        seen = identify(observed(PAST, host))
        assert (seen.image, seen.release, seen.mixed) == (None, None, False)


def test_different_images_must_be_mixed_with_the_newest_release() -> None:
    seen = identify(observed(PAST, view((container("v2"), container("v3", "shop-api-2")))))
    assert (seen.image, seen.mixed, seen.release) == (None, True, PAST[0])


def test_different_images_over_two_hosts_must_be_mixed() -> None:
    assert identify(observed(PAST, view((container("v2"),)), view((container("v3"),)))).mixed


def test_a_half_done_rollback_must_count_as_older_than_what_it_leaves() -> None:
    past = history("v1", "v3", "v1", r0=Trailers("R1", image("v3"), image("v1")))
    assert identify(observed(past, view((container("v1"), container("v3", "shop-api-2"))))).release == past[1]


@pytest.mark.parametrize(
    ("first", "second", "run"), [("R1", "R1", "R1"), ("R1", "", ""), ("", "", ""), ("R1", "R2", "")]
)
def test_a_run_must_have_put_all_containers_there_to_be_named(first: str, second: str, run: str) -> None:
    host = view((container("v2", run=first), container("v2", "shop-api-2", run=second)))
    assert identify(observed(PAST, host)).run == run


def test_a_host_that_cannot_be_seen_must_refuse() -> None:
    with pytest.raises(Refused) as refused:
        identify(observed(PAST, view((container("v3"),)), view(Unknown("no route to host"))))
    assert "second" in refused.value.what
    assert refused.value.because == ("no route to host",)


def test_the_same_image_released_again_must_be_the_newest_of_the_two() -> None:
    past = history("v1", "v2", "v1")
    assert identify(observed(past, view((container("v1"),)))).release == past[0]


@pytest.mark.parametrize(
    ("tags", "trailers", "at"),
    [
        (("v3", "v2", "v1"), {}, 0),
        (("v1", "v2", "v1"), {}, 0),
        (("v1", "v2", "v1"), {"r0": Trailers("R1")}, 2),
        (("v1", "v2", "v3", "v2", "v1"), {"r0": Trailers("R2"), "r1": Trailers("R1")}, 4),
        (("v1", "v3", "v1", "v2", "v1"), {"r0": Trailers("R2"), "r2": Trailers("R1")}, 4),
        (("v0", "v2", "v1"), {"r0": Trailers("R1")}, 0),
    ],
)
def test_a_rollback_must_stand_for_the_release_it_went_back_to(
    tags: tuple[str, ...], trailers: dict[str, Trailers], at: int
) -> None:
    past = history(*tags, **trailers)
    assert origin(past[0], past) == at


def test_an_image_without_a_digest_must_be_known_by_its_id_alone() -> None:
    seen = identify(observed(PAST, view((container("v2", digests=()),))))
    assert seen.image
    assert seen.image.image == Image("reg/shop", "v2")
    assert seen.image.image_id == image_id("v2")
