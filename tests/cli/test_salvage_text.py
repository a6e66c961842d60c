"""What people read of a salvage: what is kept, what came back, and what did not and why."""

from lastgood.cli.text_salvage import putting_text, salvages_text
from lastgood.model.database import Column
from lastgood.model.errors import Exit
from lastgood.model.salvage import Done, Part, PutBack, PuttingBack, Salvage, Salvages
from lastgood.model.schema import What

COLUMNS = (Column("id", "integer"), Column("note", "text"))
NOTE = Part(
    What.COLUMN, "public.orders.note", '"public"."orders"', "note", COLUMNS, ("id",), 7, 2_000_000, "00", "1.copy"
)
HEAP = Part(What.TABLE, "public.heap", '"public"."heap"', "", COLUMNS, (), 2, 12, "00", "2.copy", "it has no key")
FATE = PutBack("column public.orders.note", 4, 0, 2, 1)


def test_what_is_kept_must_be_told_with_whether_it_was_put_back() -> None:
    done = Done(1_700_000_600, "ada", (FATE,))
    one = Salvage("R1", "shop/prod", "shop", "local", "/b/salvage/R1", "3", "", 1_700_000_000, (NOTE, HEAP), done)
    text = salvages_text(Salvages("shop/prod", "shop on local", "/b/salvage", (one,), ("/b/x",)), 1_700_000_060)
    assert text == (
        "shop/prod: shop on local, salvages of it: 1",
        "  folder     /b/salvage",
        "",
        "  R1: down from 3 to none, 2023-11-14 22:13 UTC (1 min ago)",
        "  put back   2023-11-14 22:23 UTC by ada",
        "  in         /b/salvage/R1 on local",
        "  kept       column public.orders.note: 7 values, 2.0 MB",
        "             table public.heap: 2 rows, 12 B; not put back by lastgood: it has no key",
        "  ! /b/x cannot be read",
    )


def test_what_came_back_must_be_told_with_what_did_not_and_what_to_do_about_it() -> None:
    because, hand, after = ("table public.heap: it has no key",), ("psql < 2.copy",), ("lastgood db salvage …",)
    found = PuttingBack(
        "shop/prod", "R1", Exit.NEEDS_HUMAN, happened=True, what="4 of 9 rows and values of run R1 put back.",
        because=because, parts=(FATE,), by_hand=hand, next=after,
    )  # fmt: skip
    assert putting_text(found) == (
        "shop/prod: 4 of 9 rows and values of run R1 put back.",
        "  because    table public.heap: it has no key",
        "  column public.orders.note: 4 put back; 2 newer, and kept; 1 without a row now",
        "  by hand    psql < 2.copy",
        "  next       lastgood db salvage …",
    )
