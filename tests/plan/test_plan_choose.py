from typing import Any

import msgspec
import pytest
from plan_values import (
    REPOSITORY,
    container,
    digest,
    history,
    image,
    image_id,
    judged,
    local,
    observed,
    release,
    runnable,
    served,
    view,
)  # fmt: skip

from lastgood.model.errors import Refused, UsageError
from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import Availability, Observed
from lastgood.model.release import Evidence, Grade, Image, Judgement, Trailers
from lastgood.model.step import Runnable
from lastgood.plan.choose import Candidate, Choice, choose, earlier, image_stays, locate, same_bytes
from lastgood.plan.running import identify
from lastgood.plan.wanted import named, refuse_nothing, wanted

PAST = history("v4", "v3", "v2", "v1")
EVERYTHING = tuple(local(tag) for tag in ("v1", "v2", "v3", "v4"))


def chosen(seen: Observed, most: int = 3) -> list[str]:
    return [c.release.image.tag for c in choose("shop/prod", seen, identify(seen), 300, most).candidates]


def reasons(seen: Observed) -> dict[str, str]:
    return {s.release.image.tag: s.because for s in choose("shop/prod", seen, identify(seen), 300, 3).skipped}


def test_the_newest_earlier_releases_must_be_chosen_and_no_more_than_asked_for() -> None:
    seen = observed(PAST, view((container("v4"),), EVERYTHING))
    assert chosen(seen) == ["v3", "v2", "v1"]
    assert chosen(seen, 2) == ["v3", "v2"]


def test_earlier_must_be_counted_from_what_runs_not_from_what_git_pins() -> None:
    assert chosen(observed(PAST, view((container("v3"),), EVERYTHING))) == ["v2", "v1"]


def test_where_nothing_runs_earlier_must_be_counted_from_what_git_pins() -> None:
    assert chosen(observed(PAST, view((), EVERYTHING))) == ["v3", "v2", "v1"]


def test_where_images_are_mixed_earlier_must_be_counted_from_the_newest() -> None:
    mixed = (container("v4"), container("v3", "shop-api-2"))
    assert chosen(observed(PAST, view(mixed, EVERYTHING))) == ["v3", "v2", "v1"]


@pytest.mark.parametrize("grade", [Grade.BAD, Grade.ROLLED_BACK])
def test_what_was_condemned_or_left_must_be_passed_over_with_its_reason(grade: Grade) -> None:
    seen = observed(PAST, view((container("v4"),), EVERYTHING), judgements=(judged("v3", grade, because="it hurt"),))
    assert chosen(seen) == ["v2", "v1"]
    assert reasons(seen) == {"v3": f"{grade}: it hurt (run R1)"}


@pytest.mark.parametrize("grade", [Grade.VERIFIED, Grade.UNPROVEN, Grade.INCONCLUSIVE])
def test_what_was_not_condemned_must_be_chosen(grade: Grade) -> None:
    seen = observed(PAST, view((container("v4"),), EVERYTHING), judgements=(judged("v3", grade),))
    assert chosen(seen) == ["v3", "v2", "v1"]


def test_further_must_go_further_back_than_a_rollback_did() -> None:
    past = history(
        "v2", "v4", "v3", "v2", "v1", r0=Trailers("R1", image("v4"), image("v2"), (image("v4"), image("v3")))
    )
    assert chosen(observed(past, view((container("v2"),), EVERYTHING))) == ["v1"]


def test_the_same_bytes_under_another_tag_must_be_passed_over() -> None:
    again = msgspec.structs.replace(local("v4"), tags=("v4", "v3"))
    seen = observed(PAST, view((container("v4"),), (again, local("v2"))))
    assert chosen(seen) == ["v2"]
    assert reasons(seen)["v3"] == "it is what runs"


def test_a_release_that_was_shipped_twice_must_be_tried_once() -> None:
    past = history("v4", "v3", "v2", "v3", "v1")
    assert chosen(observed(past, view((container("v4"),), EVERYTHING))) == ["v3", "v2", "v1"]


def test_an_empty_history_must_leave_nothing_to_choose() -> None:
    seen = observed((), view(()))
    assert earlier(seen, identify(seen)) == ()
    assert chosen(seen) == []


def test_the_first_release_of_a_new_service_must_leave_nothing_to_choose() -> None:
    seen = observed(history("v1"), view((container("v1"),), EVERYTHING))
    assert chosen(seen) == []
    refused = refuse_nothing("shop/prod", seen, ())
    assert refused.because == ("git has no earlier release of this service",)


def test_nothing_to_go_back_to_must_name_every_release_and_its_reason() -> None:
    seen = observed(PAST, view((container("v4"),)), registry=served(v3=None, v2=None, v1=None), complete=False)
    choice = choose("shop/prod", seen, identify(seen), 300, 3)
    because = refuse_nothing("shop/prod", seen, choice.skipped).because
    assert [line[:2] for line in because] == ["v3", "v2", "v1", "hi"]
    assert all("gone" in line for line in because[:3])


MOVED = Judgement("shop/prod", image("v3", pinned=True), Grade.VERIFIED, 1, "R1")


@pytest.mark.parametrize(
    ("pin", "images", "registry", "said", "expected"),
    [
        (image("v3", pinned=True), (local("v3"),), {}, (), runnable("v3")),
        (image("v3", pinned=True), (), served(v3="v3"), (), runnable("v3", here=False)),
        (image("v3"), (local("v3"),), {}, (), runnable("v3")),
        (image("v3"), (), served(v3="v3"), (), runnable("v3", here=False)),
        (image("v3"), (local("v3", known=False),), {}, (), Runnable(image("v3"), image_id("v3"))),
        (image("v3"), (local("v3"),), served(v3="other"), (), runnable("v3")),
        (image("v3"), (local("v3", tagged=False),), served(v3="other"), (MOVED,), runnable("v3")),
        (image("v3"), (), {**served(v3="other"), **served(x="v3")}, (MOVED,), runnable("v3", here=False)),
    ],
    ids=[
        "pinned, here", "pinned, to pull", "here", "to pull", "only here, digest unknown",
        "moved in the registry, here", "moved, ran under its digest, here", "moved, ran under its digest, to pull",
    ],
)  # fmt: skip
def test_a_release_must_stand_for_the_bytes_that_ran(
    pin: Image, images: Any, registry: dict[str, Any], said: tuple[Judgement, ...], expected: Runnable
) -> None:
    found = locate(pin, observed(PAST, view((), images), registry=registry), said)
    assert isinstance(found, Known)
    assert found.value[0] == expected


@pytest.mark.parametrize(
    ("images", "registry", "because"),
    [
        ((), {}, "registry was not asked"),
        ((), {f"{REPOSITORY}:v3": Unknown("401")}, "cannot be asked: 401"),
        ((), served(v3=None), "gone: neither on the host nor in the registry"),
        (Unknown("no answer"), served(v3=None), "gone"),
    ],
)
def test_bytes_that_cannot_be_had_must_be_unknown_with_the_reason(
    images: Any, registry: dict[str, Any], because: str
) -> None:
    found = locate(image("v3"), observed(PAST, view((), images), registry=registry), ())
    assert isinstance(found, Unknown)
    assert because in found.reason


def test_a_digest_that_is_gone_must_not_be_replaced_by_what_its_tag_means_now() -> None:
    registry = {**served(v3="other"), f"{REPOSITORY}@{digest('v3')}": Known(Availability(None))}
    found = locate(image("v3"), observed(PAST, view(()), registry=registry), (MOVED,))
    assert isinstance(found, Unknown)
    assert "gone" in found.reason


def test_a_digest_whose_registry_does_not_answer_must_be_unknown_not_gone() -> None:
    registry = {f"{REPOSITORY}@{digest('v3')}": Unknown("connection refused")}
    found = locate(image("v3"), observed(PAST, view(()), registry=registry), (MOVED,))
    assert isinstance(found, Unknown)
    assert "connection refused" in found.reason


def test_hosts_that_disagree_about_a_tag_must_not_decide_what_it_means() -> None:
    here, there = view((), (local("v3"),)), view((), (msgspec.structs.replace(local("other"), tags=("v3",)),))
    found = locate(image("v3"), observed(PAST, here, there, registry=served(v3="v3")), ())
    assert isinstance(found, Known)
    assert found.value[0].image.digest == digest("v3")


def test_a_moved_tag_must_be_told() -> None:
    found = locate(image("v3"), observed(PAST, view((), (local("v3"),)), registry=served(v3="other")), ())
    assert isinstance(found, Known)
    assert "is what ran and is used" in found.value[1][0]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (runnable("v2"), runnable("v2"), True),
        (runnable("v2"), runnable("v3"), False),
        (runnable("v2", here=False), runnable("v2"), True),
        (Runnable(image("v2")), Runnable(image("v2")), False),
        (Runnable(image("v2"), image_id("v2")), Runnable(image("v9"), image_id("v2")), True),
    ],
)
def test_bytes_must_be_compared_by_id_then_by_digest_and_never_by_tag(
    one: Runnable, other: Runnable, *, same: bool
) -> None:
    assert same_bytes(one, other) is same


@pytest.mark.parametrize(
    ("to", "commit", "at"),
    [("v2", None, 2), (digest("v1"), None, 3), ("abc", "v3-3000", 1), ("v9", None, None)],
)
def test_a_release_must_be_found_by_tag_digest_or_commit(to: str, commit: str | None, at: int | None) -> None:
    seen = observed(PAST, view(()), judgements=(judged("v1", Grade.VERIFIED),))
    assert named(to, commit, seen) == (None if at is None else PAST[at])


def test_a_pinned_digest_must_be_found_by_itself() -> None:
    past = (release("v2", 2, image=image("v2", pinned=True)), *PAST)
    assert named(digest("v2"), None, observed(past, view(()))) == past[0]


@pytest.mark.parametrize(
    "given",
    [
        {"registry": served(v2="v2")},
        {"judgements": (judged("v2", Grade.BAD),)},
        {"images": (local("v2"),)},
    ],
    ids=["by the registry", "by the journal", "by a host"],
)
def test_a_digest_must_be_found_by_whoever_knows_it(given: dict[str, Any]) -> None:
    images = given.pop("images", ())
    assert named(digest("v2"), None, observed(PAST, view((), images), **given)) == PAST[2]


def test_a_digest_must_be_found_by_the_trailers_of_another_machine() -> None:
    past = history("v2", "v3", "v2", r0=Trailers("R1", image("v3"), image("v2", pinned=True)))
    assert named(digest("v2"), None, observed(past, view(()))) == past[0]


def test_a_named_digest_must_be_the_bytes_that_run_whatever_else_its_tag_means() -> None:
    newer = Judgement("shop/prod", Image(REPOSITORY, "v3", digest("newer")), Grade.VERIFIED, 9, "R9")
    here = (local("v3", tagged=False), msgspec.structs.replace(local("newer"), tags=("v3",)))
    seen = observed(PAST, view((), here), judgements=(newer, judged("v3", Grade.BAD)))
    choice = wanted("shop/prod", named(digest("v3"), None, seen), digest("v3"), seen, 300)
    assert choice.candidates[0].image == runnable("v3")


def test_a_person_may_name_a_release_that_is_known_to_be_bad() -> None:
    seen = observed(PAST, view((), EVERYTHING), judgements=(judged("v3", Grade.BAD),))
    choice = wanted("shop/prod", PAST[1], "v3", seen, 300)
    assert choice.candidates[0].evidence.grade is Grade.BAD


def test_a_name_that_never_was_must_be_a_usage_error_that_lists_what_there_is() -> None:
    with pytest.raises(UsageError) as raised:
        wanted("shop/prod", None, "v9", observed(PAST, view(()), complete=False), 300)
    assert "v4, v3, v2, v1" in raised.value.because[0]
    assert len(raised.value.because) == 2


def test_a_named_release_that_cannot_be_had_must_be_refused() -> None:
    with pytest.raises(Refused, match="cannot be had"):
        wanted("shop/prod", PAST[1], "v3", observed(PAST, view(()), registry=served(v3=None)), 300)


def test_where_only_configuration_goes_back_the_running_image_must_stay() -> None:
    seen = observed(PAST, view((container("v4"),), EVERYTHING), judgements=(judged("v3", Grade.VERIFIED),))
    choice = image_stays("shop/prod", choose("shop/prod", seen, identify(seen), 300, 3), identify(seen))
    assert {c.image.image.tag for c in choice.candidates} == {"v4"}
    assert [c.evidence.grade for c in choice.candidates] == [Grade.UNPROVEN] * 3
    assert [c.release.commit for c in choice.candidates] == [r.commit for r in PAST[1:]]


def test_configuration_alone_must_not_go_back_where_no_single_image_runs() -> None:
    seen = observed(PAST, view(()))
    candidate = Candidate(PAST[1], Evidence(), runnable("v3"), ())
    with pytest.raises(Refused, match="No single image"):
        image_stays("shop/prod", Choice((candidate,), ()), identify(seen))


INDEX = {f"{REPOSITORY}:v2": Known(Availability(digest("v2"), index=True, platforms=("linux/amd64", "linux/arm/v7")))}


@pytest.mark.parametrize(
    ("platform", "fits"),
    [
        ("linux/amd64", True),
        ("linux/arm64", True),
        ("linux/arm", True),
        ("linux/s390x", False),
        ("windows/amd64", False),
    ],
)
def test_a_release_without_an_image_for_the_hosts_platform_must_be_passed_over(platform: str, *, fits: bool) -> None:
    here = (local("v3"), local("v1"))
    seen = observed(history("v3", "v2", "v1"), view((container("v3"),), here, platform=platform), registry=INDEX)
    assert chosen(seen) == (["v2", "v1"] if fits else ["v1"])
    if not fits:
        assert reasons(seen) == {"v2": f"not on the host, and the registry has no image for {platform}"}


def test_an_image_that_is_on_the_host_must_not_be_judged_by_its_platform() -> None:
    seen = observed(PAST[1:], view((container("v3"),), EVERYTHING, platform="linux/s390x"), registry=INDEX)
    assert chosen(seen) == ["v2", "v1"]


def test_an_unknown_platform_must_say_nothing() -> None:
    seen = observed(history("v3", "v2"), view((container("v3"),), (local("v3"),)), registry=INDEX)
    assert chosen(seen) == ["v2"]


@pytest.mark.parametrize(
    ("to", "said"),
    [("hotfix", "hotfix exists in the registry, but git never pinned it"), ("v2-rc", "git never pinned it: v2-rc1")],
)
def test_an_unknown_tag_must_be_compared_with_what_the_registry_has(to: str, said: str) -> None:
    seen = observed(PAST, view((container("v4"),), EVERYTHING))
    with pytest.raises(UsageError) as error:
        wanted("shop/prod", None, to, seen, 300, ("hotfix", "v2-rc1", "v1"))
    assert said in " ".join(error.value.because)
