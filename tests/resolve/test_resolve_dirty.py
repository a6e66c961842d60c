"""A dirty version is resolved to what was really applied, by the schema itself."""

import pytest
from resolveworld import SHOP, Database, golang

from lastgood.database.resolve import choose, look, settle
from lastgood.model.errors import Refused
from lastgood.model.standing import Truth

ONE, TWO, THREE = (up for up, _ in SHOP)
NO_THREE = SHOP[2][1]
FILES = golang(*SHOP)

# What is in the database, what the table says, what is to be set, what the table then has, and what is said of it.
DIRTY = {
    "a failed up of which nothing is there": (
        (ONE, TWO),
        "3, true",
        "2",
        "2|f",
        "the step up to version 3 failed, and nothing of it is there",
    ),
    "an up that was applied and not noted": (
        (ONE, TWO, THREE),
        "3, true",
        "3",
        "3|f",
        "the step to version 3 was applied wholly, and only its end was not noted: it was the step up from version 2",
    ),
    "a failed down of which nothing was done": (
        (ONE, TWO, THREE),
        "2, true",
        "3",
        "3|f",
        "the step down from 3 to version 2 failed, and nothing of it was done",
    ),
    "a step that may have been up or down": (
        (ONE, TWO),
        "2, true",
        "2",
        "2|f",
        "it was the step up from version 1 or down from version 3, which leave the same schema",
    ),
    "a first down that failed": (
        (ONE,),
        "-1, true",
        "1",
        "1|f",
        "the step down from 1 to no version failed, and nothing of it was done",
    ),
    "a first down that was applied and not noted": (
        (),
        "-1, true",
        "",
        "",
        "the step to no version was applied wholly, and only its end was not noted: it was the step down from version",
    ),
    "a first up of which nothing is there": (
        (),
        "1, true",
        "",
        "",
        "the step up to version 1 failed, and nothing of it is there: the schema is that of no version",
    ),
    "a schema that no step explains": (
        (ONE, TWO, THREE),
        "1, true",
        "3",
        "3|f",
        "the schema is that of version 3, which no single step to version 1 explains",
    ),
}


@pytest.mark.parametrize("about", DIRTY)
def test_what_was_applied_is_found_and_set(db: Database, about: str) -> None:
    applied, says, to, rows, said = DIRTY[about]
    db.lives(*applied, says=says)
    before = db.print()
    here = db.case(FILES)
    looked = look(here)
    found = looked.resolution
    assert (found.truth, found.to, found.matches, found.done) == (Truth.WRONG, to, (to,), False)
    assert said in "\n".join(found.said)
    assert db.rows() == says.replace(", ", "|").replace("true", "t")
    done = settle(here, looked)
    assert (done.done, db.rows()) == (True, rows)
    assert (db.says().version, db.says().dirty) == (to, False)
    assert db.print() == before


def test_a_file_applied_in_part_is_shown_and_nothing_is_set(db: Database) -> None:
    db.lives(ONE, TWO, THREE.split("\n\n")[0], says="3, true")
    here = db.case(FILES)
    looked = look(here)
    found = looked.resolution
    assert (found.truth, found.to, found.matches) == (Truth.DIFFERENT, None, ())
    assert found.said == (
        "the step up to 3 was applied in part: 1 of 2 statements of 0003_step.up.sql are there",
        "the next one stands in line 3",
    )
    assert found.nearest == "3"
    assert [(one.said, one.path, one.line) for one in found.differences] == [
        ("index public.orders_note_idx is missing", "0003_step.up.sql", 3)
    ]
    assert "0003_step.up.sql by hand, from line 3 on" in found.next[0]
    with pytest.raises(Refused):
        settle(here, looked)
    with pytest.raises(Refused):
        choose(here, looked, "3")
    assert db.rows() == "3|t"
    db.sql(THREE.split("\n\n")[1])  # what the person was told to do
    assert db.resolved(FILES).to == "3"
    assert db.rows() == "3|f"


def test_a_way_down_applied_in_part_is_told_from_a_way_up(db: Database) -> None:
    db.lives(ONE, TWO, THREE, NO_THREE.split("\n")[0], says="2, true")
    found = db.look(FILES).resolution
    assert (
        found.said[0] == "the step down from 3 was applied in part: 1 of 2 statements of 0003_step.down.sql are there"
    )
    assert found.said[1] == "the next one stands in line 2"
    assert found.to is None
    assert db.rows() == "2|t"


def test_an_index_that_was_begun_without_a_transaction_is_named(db: Database) -> None:
    """CREATE INDEX CONCURRENTLY that fails leaves an invalid index, and no version has one."""
    concurrent = "\nCREATE UNIQUE INDEX CONCURRENTLY orders_item_idx ON orders (item);"
    files = golang(*SHOP, (concurrent, "DROP INDEX CONCURRENTLY orders_item_idx;"))
    db.lives(ONE, TWO, THREE, "INSERT INTO orders (item) VALUES ('tea'), ('tea');", says="4, true")
    db.sql(concurrent, check=False)
    found = db.look(files).resolution
    assert (found.truth, found.to, found.nearest) == (Truth.DIFFERENT, None, "4")
    (one,) = found.differences
    assert one.said.endswith('(invalid)"')
    assert (one.path, one.line) == ("0004_step.up.sql", 2)
    db.sql("DELETE FROM orders; REINDEX INDEX orders_item_idx")
    assert db.resolved(files).to == "4"


def test_a_file_outside_of_a_transaction_that_stops_half_way_is_followed(db: Database) -> None:
    one = "CREATE INDEX CONCURRENTLY a ON orders (item);"
    files = golang(*SHOP[:2], (f"{one}\nCREATE INDEX CONCURRENTLY b ON nowhere (item);", "DROP INDEX a;"))
    db.lives(ONE, TWO, says="3, true")
    db.sql(one)
    found = db.look(files).resolution
    assert found.truth is Truth.DIFFERENT
    assert "the step up to 3 was applied in part: 1 of 2 statements of 0003_step.up.sql are there" in found.said
    assert 'it fails on an empty database, too: relation "nowhere" does not exist' in found.said
    assert db.rows() == "3|t"


def test_a_migration_that_can_nowhere_be_applied_is_known_to_have_failed(db: Database) -> None:
    files = golang(*SHOP[:2], ("ALTER TABLE ordres ADD oops text;", "SELECT 1;"))
    db.lives(ONE, TWO, says="3, true")
    found = db.look(files).resolution
    assert (found.to, found.matches) == ("2", ("2",))
    why = '0003_step.up.sql cannot be applied to an empty database: relation "ordres" does not exist'
    assert why in found.said
    assert db.resolved(files).done
    assert db.rows() == "2|f"


def test_without_any_match_a_migration_that_cannot_be_replayed_leaves_it_unknown(db: Database) -> None:
    files = golang(*SHOP[:2], ("INSERT INTO orders (item) SELECT 1 / count(*) FROM orders;", "SELECT 1;"), SHOP[2])
    db.lives(ONE, TWO, THREE, says="4, true")
    found = db.look(files).resolution
    assert (found.truth, found.to) == (Truth.UNKNOWN, None)
    assert "0003_step.up.sql cannot be applied to an empty database: division by zero" in found.said
    assert db.rows() == "4|t"


def test_a_migration_that_changes_data_only_is_for_a_person_to_decide(db: Database) -> None:
    files = golang(*SHOP[:2], ("UPDATE orders SET note = '';", "SELECT 1;"), SHOP[2])
    db.lives(ONE, TWO, says="3, true")
    here = db.case(files)
    looked = look(here)
    found = looked.resolution
    assert (found.truth, found.matches, found.to) == (Truth.AMBIGUOUS, ("2", "3"), None)
    assert "versions 2, 3 have the same schema: 3 change none" in found.said
    assert found.next == ("lastgood db resolve shop-api prod --set 2", "lastgood db resolve shop-api prod --set 3")
    with pytest.raises(Refused) as refused:
        choose(here, looked, "4")
    assert refused.value.because == ("it is that of: 2, 3",)
    assert db.rows() == "3|t"
    settle(here, choose(here, looked, "3"))
    assert db.rows() == "3|f"
