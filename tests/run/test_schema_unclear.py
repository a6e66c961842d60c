"""What becomes of a database where its schema is not what its migrations make, is dirty, or cannot be told."""

from typing import Any

import pytest
from copied import STARTS, TABLE, Copy, decided, untouched

from lastgood.database.choices import ALONE
from lastgood.model.database import Difference
from lastgood.model.errors import Exit, NeedsHuman, Refused
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.plan import Scope
from lastgood.model.schema import SchemaState
from tests.plans.builders import World, container, history

DRIFTS = Known(Difference(("index public.by_hand is there and was not",), ("columns of x stand in another order",)))


@pytest.mark.parametrize("down", [False, True])
def test_a_schema_that_is_not_what_its_migrations_make_must_not_go_down(copy: Copy, *, down: bool) -> None:
    copy.drift = DRIFTS
    with pytest.raises(Refused, match="is not what migrations of sha-bad make") as refused:
        decided(down=down)
    assert refused.value.because == ("index public.by_hand is there and was not",)
    assert [choice.partition("   # ")[0] for choice in refused.value.next] == [
        "lastgood db status shop-api prod --drift",
        "undo by hand what was done by hand, as told above",
        "lastgood rollback shop-api prod --image-only",
        "lastgood db restore shop-api prod BACKUP",
    ]
    assert len(copy.rehearsed) == (0 if down else 1)  # where it is needed in any case, nothing is copied


@pytest.mark.parametrize("how", ["starts", "only the image"])
def test_drift_must_not_matter_where_nothing_goes_down(copy: Copy, how: str) -> None:
    copy.drift, copy.before = DRIFTS, STARTS
    assert untouched(decided(scope=Scope.DEFAULT if how == "starts" else Scope.IMAGE_ONLY))
    assert copy.replayed == 0


@pytest.mark.parametrize(
    ("drift", "said"),
    [
        (Known(Difference(("extension pg_trgm is there and was not",))), "the schema is what its migrations make"),
        (Unknown("1_a cannot be applied"), "whether the schema is what its migrations make is unknown: 1_a cannot be"),
    ],
    ids=["an extension", "unknown"],
)
def test_what_is_no_drift_or_cannot_be_told_must_be_said(copy: Copy, drift: Fact[Difference], said: str) -> None:
    copy.drift = drift
    found = decided()
    assert found.descent is not None
    assert found.rehearsed[0].startswith(said)
    assert copy.replayed == 1


def test_a_version_that_the_release_which_runs_does_not_know_must_be_refused(copy: Copy) -> None:
    copy.state = SchemaState(TABLE, "9")
    with pytest.raises(Refused, match="does not know") as refused:
        decided()
    assert "9" in refused.value.because[0]


def test_downs_that_cannot_be_had_must_be_refused(copy: Copy) -> None:
    copy.known["sha-bad"] = None
    with pytest.raises(Refused, match="downs of the release that runs cannot be had"):
        decided()


@pytest.mark.usefixtures("copy")
def test_where_no_single_image_runs_no_down_must_be_gone() -> None:
    mixed = World(history("sha-bad", "sha-two"), containers=(container("sha-bad"), container("sha-two", 2)))
    with pytest.raises(Refused, match="no single image runs"):
        decided(world=mixed)


def test_a_database_that_cannot_be_asked_must_be_left_and_that_be_said(copy: Copy) -> None:
    copy.tool = Refused("The database cannot be asked.", because=("connection refused",))
    found = decided()
    assert untouched(found)
    assert found.said == (
        "database schema untouched; whether this release works with it is unproven: "
        "The database cannot be asked. connection refused"
    )


def test_an_older_release_whose_migrations_cannot_be_had_must_leave_the_schema_and_say_so(copy: Copy) -> None:
    copy.known["sha-two"] = None
    found = decided()
    assert untouched(found)
    assert "unproven: which migrations it knows is not known: it is not known which commit sha-two" in found.said
    assert copy.rehearsed == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"dirty": True}, "dirty at version 3"),
        ({"doubt": "the table has two rows"}, "at a version that cannot be believed"),
    ],
    ids=["dirty", "doubt"],
)
@pytest.mark.parametrize("down", [False, True])
def test_a_dirty_schema_must_call_a_human(copy: Copy, given: dict[str, Any], said: str, *, down: bool) -> None:
    copy.state = SchemaState(TABLE, "3", **given)
    with pytest.raises(NeedsHuman, match=said) as needed:
        decided(down=down)
    assert needed.value.exit is Exit.NEEDS_HUMAN
    assert [choice.partition("   # ")[0] for choice in needed.value.next] == [
        "lastgood db status shop-api prod",
        "lastgood db resolve shop-api prod",
        "lastgood rollback shop-api prod --image-only",
    ]


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("which", ["tool", "state"], ids=["ambiguous", "unreadable"])
def test_a_state_that_nobody_can_tell_must_call_a_human(copy: Copy, which: str, *, down: bool) -> None:
    setattr(copy, which, NeedsHuman("It cannot be told.", because=("permission denied",), next=(ALONE,)))
    with pytest.raises(NeedsHuman, match="cannot be told") as needed:
        decided(down=down)
    assert needed.value.next == ("lastgood rollback shop-api prod --image-only   # leaves the schema as it is",)
    if not down:
        assert untouched(decided(scope=Scope.IMAGE_ONLY))
