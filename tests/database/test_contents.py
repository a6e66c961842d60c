"""Where rows are deleted, numbers tell nothing of the others: then what the statements change is lost."""

from lastgood.database.contents import Contents, losses, vacant
from lastgood.database.rehearsal import _altered
from lastgood.model.descent import Descent, Undo

ORDERS = '"public"."orders"'
DOWN = "DELETE FROM orders WHERE id > 4; ALTER TABLE orders ALTER COLUMN note TYPE varchar(3) USING note::varchar(3);"


def held(rows: int, total: str) -> Contents:
    return Contents({ORDERS: rows}, {ORDERS: {"id": (rows, total), "note": (rows, total)}})


def lost(rows: int, sql: str) -> list[tuple[str, int]]:
    way = Descent("golang-migrate", '"public"."schema_migrations"', "", "2", "1", (Undo("2", "2.down.sql", "", sql),))
    first = held(5, "10")
    return [(one.called, one.count) for one in losses(first, held(rows, "7"), way.table, _altered(way, first))]


def test_values_that_a_statement_changes_are_lost_beside_deleted_rows() -> None:
    assert lost(4, DOWN) == [("rows public.orders", 1), ("values public.orders.note", 5)]


def test_deleted_rows_alone_are_no_changed_values() -> None:
    assert lost(4, "DELETE FROM orders WHERE id > 4;") == [("rows public.orders", 1)]


def test_where_no_row_is_gone_the_numbers_tell() -> None:
    assert lost(5, "SELECT 1;") == [("values public.orders.id", 5), ("values public.orders.note", 5)]


def test_what_held_nothing_and_is_taken_away_is_guarded_and_what_stays_is_not() -> None:
    first = Contents(
        {ORDERS: 2, '"public"."gone"': 0, '"public"."full"': 1, '"m"': 0},
        {ORDERS: {"id": (2, "1"), "note": (0, None), "paid": (2, "1"), "kept": (0, None)}, '"public"."gone"': {},
         '"public"."full"': {}, '"m"': {}},
    )  # fmt: skip
    then = Contents({ORDERS: 2}, {ORDERS: {"id": (2, "1"), "kept": (0, None)}})
    found = list(vacant(first, then, '"m"'))
    assert [(one.called, one.most) for one in found] == [("column public.orders.note", 0), ("table public.gone", 0)]
