"""How losses are brought out where the way down cannot be gone to see what goes."""

import pytest

from lastgood.model.descent import Loss
from lastgood.model.facts import Unknown
from lastgood.model.schema import What
from lastgood.postgres._seats import Cell, Seat
from lastgood.postgres._taking import shaped, taking

ORDERS = "public.orders"
SEAT = Seat(
    partitioned=False,
    size=1,
    columns=tuple(
        Cell(name, "text", generated=False, always=False, default=None, missing=None) for name in ("id", "note")
    ),
    keys=(("id",),),
    sequences=(),
    parents=(),
    spelled=ORDERS,
)


def lost(what: What, column: str = "") -> Loss:
    return Loss(what, f"{ORDERS}.{column}".rstrip("."), 1, 2, Unknown("not asked"), "gone", ORDERS, column)


@pytest.mark.parametrize(("what", "column"), [(What.ROWS, ""), (What.VALUES, '"note"')])
def test_where_only_the_way_down_shows_what_goes_all_rows_are_brought_out_without_going_it(
    what: What, column: str
) -> None:
    (shape,) = shaped([lost(what, column)], {ORDERS: SEAT}, sifting=False)
    assert [one.name for one in shape.columns] == ["id", "note"]
    assert not shape.keys  # so it is not put back by itself
    said = taking((shape,), {ORDERS: SEAT}, "", schema="", wait=1, secret="")
    assert "READ ONLY" in said
    assert "ROLLBACK" not in said


def test_a_column_that_is_dropped_is_brought_out_with_its_key_all_the_same() -> None:
    (shape,) = shaped([lost(What.COLUMN, "note")], {ORDERS: SEAT}, sifting=False)
    assert shape.keys == ("id",)
    assert not shape.sifted
