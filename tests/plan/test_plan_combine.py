"""What an app goes back to: the pins of all its services as of one commit of the branch."""

from typing import Any

import msgspec
import pytest
from plan_values import TARGET, container, digest, drafted, image, judged, local, observed, release, view

from lastgood.model.errors import Refused
from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import Observed
from lastgood.model.quarantine import Quarantined
from lastgood.model.release import Grade, Release, Trailers
from lastgood.plan.combine import Combinations, as_of, at_commit, combine
from lastgood.plan.draft import Draft

API = msgspec.structs.replace(TARGET, service="api")
WEB = msgspec.structs.replace(TARGET, service="web")
# What the branch's commits pinned, newest first: api, web.
ORDER = ("c6", "c5", "c4", "c3", "c2", "c1")
A_PAST = {"c6": "a3", "c4": "a2", "c1": "a1"}
W_PAST = {"c5": "w3", "c3": "w2", "c2": "w1"}


def past(pinned: dict[str, str], **trailers: Trailers) -> tuple[Release, ...]:
    return tuple(
        msgspec.structs.replace(release(tag, int(commit[1:])), commit=commit, trailers=trailers.get(commit, Trailers()))
        for commit, tag in pinned.items()
    )


def draft(target: Any, releases: tuple[Release, ...], runs: str, *, gone: tuple[str, ...] = (), **given: Any) -> Draft:
    """One service: everything it ever pinned is on the host, except what is gone."""
    tags = dict.fromkeys(one.image.tag for one in releases if one.image.tag not in gone)
    host = view((container(runs),), tuple(local(tag) for tag in {**tags, runs: None}))
    return drafted(observed(releases, host, **given), target)


def api(runs: str = "a3", **given: Any) -> Draft:
    return draft(API, past(A_PAST), runs, **given)


def web(runs: str = "w3", **given: Any) -> Draft:
    return draft(WEB, past(W_PAST), runs, **given)


def told(found: Combinations) -> list[tuple[str, ...]]:
    return [(one.commit, *(c.release.image.tag for c in one.candidates)) for one in found.found]


def test_each_combination_must_have_been_there_at_one_commit() -> None:
    found = combine((api(), web()), ORDER, 9)
    assert told(found) == [("c5", "a2", "w3"), ("c4", "a2", "w2"), ("c3", "a1", "w2"), ("c2", "a1", "w1")]
    assert found.skipped == ()


def test_no_more_combinations_than_asked_for_must_be_found() -> None:
    assert told(combine((api(), web()), ORDER, 2)) == [("c5", "a2", "w3"), ("c4", "a2", "w2")]


def test_a_service_may_stay_on_what_it_runs() -> None:
    first = combine((api(), web()), ORDER, 1).found[0]
    assert [candidate.image.image.digest for candidate in first.candidates] == [digest("a2"), digest("w3")]


def test_what_runs_as_a_whole_must_never_be_gone_back_to() -> None:
    assert told(combine((api("a2"), web()), ORDER, 1)) == [("c4", "a2", "w2")]


def test_services_that_were_deployed_apart_must_go_back_to_before_the_newest_that_runs() -> None:
    assert told(combine((api("a1"), web()), ORDER, 1)) == [("c4", "a2", "w2")]


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (judged("a2", Grade.BAD), [("c3", "a1", "w2"), ("c2", "a1", "w1")]),
        (judged("a2", Grade.ROLLED_BACK), [("c3", "a1", "w2"), ("c2", "a1", "w1")]),
        (judged("a2", Grade.INCONCLUSIVE), [("c5", "a2", "w3"), ("c4", "a2", "w2")]),
    ],
)
def test_a_combination_with_a_condemned_release_must_be_passed_over(bad: Any, expected: list[tuple[str, ...]]) -> None:
    condemned = msgspec.structs.replace(bad, target="api/prod")
    found = combine((api(judgements=(condemned,)), web()), ORDER, 2)
    assert told(found) == expected
    assert all(one.service == "api" and one.release.image.tag == "a2" for one in found.skipped)
    assert bool(found.skipped) is (bad.grade is not Grade.INCONCLUSIVE)


def test_a_combination_with_a_release_in_quarantine_must_be_passed_over() -> None:
    held = Quarantined("web", "prod", image("w2"), "it loses orders", "ada", 5, "")
    found = combine((api(), web(quarantine=Known((held,)))), ORDER, 9)
    assert told(found) == [("c5", "a2", "w3"), ("c2", "a1", "w1")]
    assert {(one.service, one.release.image.tag) for one in found.skipped} == {("web", "w2")}


def test_what_runs_and_is_known_to_be_bad_must_not_stay() -> None:
    bad = msgspec.structs.replace(judged("w3", Grade.BAD), target="web/prod")
    found = combine((api(), web(judgements=(bad,))), ORDER, 1)
    assert told(found) == [("c4", "a2", "w2")]


def test_an_image_that_is_gone_must_take_its_combinations_with_it_and_be_named_once_with_its_service() -> None:
    found = combine((api(gone=("a2",)), web()), ORDER, 9)
    assert told(found) == [("c3", "a1", "w2"), ("c2", "a1", "w1")]
    assert [(one.service, one.release.commit) for one in found.skipped] == [("api", "c4")]


def test_the_same_images_must_not_be_tried_twice() -> None:
    twice = past({"c6": "a3", "c4": "a2", "c1": "a2"})
    steady = past({"c5": "w2", "c3": "w2", "c2": "w2"})
    found = combine((draft(API, twice, "a3"), draft(WEB, steady, "w2")), ORDER, 9)
    assert told(found) == [("c5", "a2", "w2")]


def test_what_an_earlier_rollback_put_there_must_count_as_the_release_that_it_went_back_to() -> None:
    mark = Trailers("R0", image("a3"), image("a2"), ())
    rolled = past({"c7": "a2", **A_PAST}, c7=mark)
    found = combine((draft(API, rolled, "a2"), web("w2")), ("c7", *ORDER), 9)
    assert told(found) == [("c3", "a1", "w2"), ("c2", "a1", "w1")]


def test_history_that_ends_early_must_end_the_combinations_and_never_invent_one() -> None:
    short = past({"c5": "w3", "c3": "w2"})
    found = combine((api(), draft(WEB, short, "w3", complete=False)), ORDER, 9)
    assert told(found) == [("c5", "a2", "w3"), ("c4", "a2", "w2"), ("c3", "a1", "w2")]
    assert as_of((api(), draft(WEB, short, "w3")), ORDER, "c2") is None


def test_as_of_must_be_what_each_service_was_pinned_to_then() -> None:
    found = as_of((api(), web()), ORDER, "c4")
    assert found is not None
    assert [one.commit for one in found] == ["c4", "c3"]


def test_where_a_service_runs_nothing_the_newest_of_the_others_must_decide() -> None:
    stopped = drafted(observed(past(W_PAST), view((), tuple(local(t) for t in ("w1", "w2", "w3")))), WEB)
    assert told(combine((api("a2"), stopped), ORDER, 1)) == [("c3", "a1", "w2")]


def test_a_commit_that_a_person_names_must_be_taken_though_a_release_is_known_to_be_bad() -> None:
    bad = msgspec.structs.replace(judged("a2", Grade.BAD), target="api/prod")
    found = at_commit((api(judgements=(bad,)), web()), ORDER, "c4")
    assert [c.release.image.tag for c in found.candidates] == ["a2", "w2"]
    assert found.candidates[0].evidence.grade is Grade.BAD


def test_a_commit_that_a_person_names_must_be_refused_with_a_release_in_quarantine() -> None:
    held = Quarantined("web", "prod", image("w2"), "it loses orders", "ada", 5, "")
    with pytest.raises(Refused, match="cannot be had") as refused:
        at_commit((api(), web(quarantine=Known((held,)))), ORDER, "c4")
    assert "web w2" in refused.value.because[0]


@pytest.mark.parametrize(
    ("commit", "what"), [("c6", "is what runs"), ("c1", "Not every service had a pin"), ("c3", "cannot be had")]
)
def test_a_named_commit_that_leads_nowhere_must_be_refused_with_the_reason(commit: str, what: str) -> None:
    with pytest.raises(Refused, match=what):
        at_commit((api(gone=("a1",)), web()), ORDER, commit)


def test_the_registry_s_silence_must_not_make_an_image_of_a_host_unknown() -> None:
    silent: Observed = api().observed
    assert isinstance(silent.registry.get("reg/shop:a2", Unknown("not asked")), Unknown)
    assert told(combine((api(), web()), ORDER, 1)) == [("c5", "a2", "w3")]
