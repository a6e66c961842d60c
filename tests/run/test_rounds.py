"""What becomes of databases over several rounds, and of the one that several services use."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from copied import BLIND, FAILS, FILES, SPEC, STARTS, TABLE, Copy, files
from msgspec.structs import replace

from lastgood.database.desk import DatabaseDesk
from lastgood.model.errors import NeedsHuman, Refused
from lastgood.model.plan import Scope
from lastgood.model.release import Evidence
from lastgood.model.schema import SchemaState
from lastgood.model.step import Runnable
from lastgood.model.target import DatabaseSpec, Target
from lastgood.plan.choose import Candidate
from lastgood.plan.draft import UNTOUCHED, Draft, Schemas
from lastgood.plan.running import identify
from lastgood.run.rounds import decide_all
from tests.plans.builders import TARGET, World, container, history, image, image_id

RELEASES = history("sha-bad", "sha-two", "sha-one")
THREE, TWO, ONE = files(*FILES), files("1_orders", "2_index"), files("1_orders")


@pytest.fixture(autouse=True)
def knowing(copy: Copy) -> Copy:
    copy.known = {"sha-bad": THREE, "sha-two": TWO, "sha-one": ONE, "sha-none": files()}
    return copy


def drafted(service: str = "shop-api", spec: DatabaseSpec | None = SPEC) -> Draft:
    seen = World(RELEASES, containers=(container("sha-bad"),)).observed()
    target = replace(TARGET, service=service, database=spec)
    return Draft(target, seen, identify(seen), Scope.DEFAULT)


def to(tag: str) -> Candidate:
    release = next((one for one in RELEASES if one.image.tag == tag), RELEASES[1])
    wanted = Runnable(image(tag, pinned_digest=True), image_id(tag))
    return Candidate(replace(release, image=replace(release.image, tag=tag)), Evidence(), wanted, ())


def desk(target: Target) -> DatabaseDesk:
    spec = target.database
    assert spec
    return DatabaseDesk(target, spec, cast("Any", SimpleNamespace(process=None)), cast("Any", None), cast("Any", None))


def decided(*rounds: tuple[str, ...], drafts: tuple[Draft, ...] = (), others: tuple[Target, ...] = ()) -> Schemas:
    """Each round as the tags that the services go to."""
    every = drafts or (drafted(),)
    candidates = [tuple(to(tag) for tag in one) for one in rounds]
    return decide_all(desk, every, candidates, lambda _: None, down=False, others=others)


def ways(found: Schemas, at: int = 0) -> list[tuple[str, str] | None]:
    descents = [one[at].descent for one in found.rounds]
    return [(way.before, way.to) if way else None for way in descents]


def test_each_release_must_go_down_from_where_the_one_before_leaves_the_schema(copy: Copy) -> None:
    found = decided(("sha-two",), ("sha-one",))
    assert ways(found) == [("3", "2"), ("2", "1")]
    assert [one.version for each in found.rounds for way in (each[0].descent,) if way for one in way.undone] == [
        "3",
        "2",
    ]
    assert len({it.run for it in copy.rehearsed}) == 1
    assert found.rounds[1][0].rehearsed[0].startswith("the older release with the schema as it is")


def test_a_release_that_knows_the_lower_schema_must_not_be_tried_on_a_copy(copy: Copy) -> None:
    copy.known["sha-one"] = TWO
    found = decided(("sha-two",), ("sha-one",))
    assert ways(found) == [("3", "2"), None]
    assert found.rounds[1][0].said == "stays at version 2, where the attempt before leaves it, which this release knows"
    assert len(copy.rehearsed) == 1


def test_a_release_that_starts_with_the_schema_must_leave_it_to_the_next_to_go_down(copy: Copy) -> None:
    copy.before = STARTS
    assert ways(decided(("sha-two",), ("sha-one",))) == [None, None]
    copy.known["sha-two"], copy.before = THREE, FAILS
    assert ways(decided(("sha-two",), ("sha-one",))) == [None, ("3", "1")]


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"sha-bad": files(*FILES, _2=None)}, "Migration 2 index cannot be undone by lastgood. it has no down file"),
        ({"sha-one": None}, "not known which migrations the older release knows"),
    ],
    ids=["a down is missing", "migrations unknown"],
)
def test_what_a_further_release_needs_and_cannot_have_must_end_the_rounds(
    copy: Copy,
    change: dict[str, dict[str, bytes] | None],
    because: str,
) -> None:
    copy.known.update(change)
    found = decided(("sha-two",), ("sha-one",), ("sha-none",))
    assert ways(found) == [("3", "2")]
    assert found.ends.startswith("only 1 release is tried, and not sha-one: ")
    assert because in found.ends


def test_what_the_first_release_needs_and_cannot_have_must_be_refused(copy: Copy) -> None:
    copy.known["sha-bad"] = files(*FILES, _3=None)
    with pytest.raises(Refused, match="Migration 3 note cannot be undone"):
        decided(("sha-two",), ("sha-one",))
    copy.state = SchemaState(TABLE, "3", dirty=True)
    with pytest.raises(NeedsHuman):
        decided(("sha-two",), ("sha-one",))


def test_a_large_database_must_not_be_copied_for_a_release_that_may_never_be_tried(copy: Copy) -> None:
    copy.known["sha-two"], copy.size = THREE, 40_000_000_000
    found = decided(("sha-two",), ("sha-one",))
    assert (ways(found), copy.rehearsed) == ([None], [])
    assert "only to find that out beforehand. it has 40000 MB" in found.ends
    assert ways(decided(("sha-one",))) == [("3", "1")]


def test_a_database_that_cannot_be_asked_must_leave_every_release_unproven(copy: Copy) -> None:
    copy.tool = Refused("The database cannot be asked.")
    found = decided(("sha-two",), ("sha-one",))
    assert (ways(found), found.ends) == ([None, None], "")
    assert all("unproven" in one[0].said for one in found.rounds)


def test_services_with_databases_of_their_own_must_each_go_their_way(copy: Copy) -> None:
    other = drafted("shop-web", replace(SPEC, container="web-db-1"))
    found = decided(("sha-two", "sha-one"), ("sha-one", "sha-one"), drafts=(drafted(), other))
    assert ways(found) == [("3", "2"), ("2", "1")]
    assert ways(found, 1) == [("3", "1"), None]
    assert len({it.run for it in copy.rehearsed}) == 2


def test_a_service_that_nobody_moves_must_not_be_looked_at(copy: Copy) -> None:
    copy.state = SchemaState(TABLE, "3", dirty=True)
    drafts = (drafted(spec=None), drafted("shop-web"))
    (found,) = decided(("sha-two", "sha-bad"), drafts=drafts).rounds
    assert (found[0], found[1].said) == (UNTOUCHED, "stays: nobody who uses it moves")


def test_services_that_share_a_database_must_go_where_the_newest_of_them_needs_it(copy: Copy) -> None:
    drafts = (drafted(), drafted("shop-worker"))
    found = decided(("sha-one", "sha-two"), ("sha-one", "sha-one"), drafts=drafts)
    assert ways(found) == [("3", "2"), ("2", "1")]
    assert ways(found, 1) == [None, None]
    assert {schema.database for one in found.rounds for schema in one} == {"shop-api"}
    assert [len(it.others) for it in copy.rehearsed] == [1, 1]


def test_services_that_share_a_database_and_know_other_migrations_must_be_refused(copy: Copy) -> None:
    copy.known["sha-one"] = files("3_note")
    with pytest.raises(Refused, match="know different migrations") as refused:
        decided(("sha-two", "sha-one"), drafts=(drafted(), drafted("shop-worker")))
    assert refused.value.because[0] == "shop-worker sha-one has 3"
    other = drafted("shop-worker", replace(SPEC, schema="other"))
    with pytest.raises(Refused, match="shop-worker, which uses the same database and has different migrations in it"):
        decided(("sha-two", "sha-two"), drafts=(drafted(), other))
    copy.known["sha-two"] = THREE
    assert ways(decided(("sha-two", "sha-two"), drafts=(drafted(), other))) == [None]


def test_a_service_that_needs_the_schema_under_which_another_does_not_start_must_be_refused() -> None:
    with pytest.raises(Refused, match="sha-two does not start with version 3, which sha-bad needs"):
        decided(("sha-two", "sha-bad"), drafts=(drafted(), drafted("shop-worker")))


def test_a_schema_must_not_go_down_under_a_service_that_stays(copy: Copy) -> None:
    worker = replace(TARGET, service="shop-worker", database=SPEC)
    with pytest.raises(Refused, match="go down under shop-worker, which uses the same database"):
        decided(("sha-two",), others=(worker,))
    copy.known["sha-two"] = THREE
    found = decided(("sha-two",), ("sha-one",), others=(worker,))
    assert (ways(found), "go down under shop-worker" in found.ends) == ([None], True)
    elsewhere = replace(worker, env="staging")
    assert ways(decided(("sha-one",), others=(elsewhere,))) == [("3", "1")]


def test_where_a_release_cannot_be_tried_it_must_go_down_and_the_next_from_there(copy: Copy) -> None:
    copy.before = copy.after = BLIND
    assert ways(decided(("sha-two",), ("sha-one",))) == [("3", "2"), ("2", "1")]
