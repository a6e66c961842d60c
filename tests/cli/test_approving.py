"""The command that approves a plan is one that makes this very plan again."""

import pytest

from lastgood.cli.asking import approving
from lastgood.cli.session import Session


@pytest.mark.parametrize(
    ("words", "approves"),
    [
        (("plan", "shop-api", "prod"), "lastgood rollback shop-api prod --plan D"),
        (("rollback", "shop-api", "prod", "--yes", "--down"), "lastgood rollback shop-api prod --down --plan D"),
        (("db", "plan", "shop-api", "prod", "--to", "41"), "lastgood db down shop-api prod --to 41 --plan D"),
        (("db", "down", "shop-api", "prod", "--plan", "E"), "lastgood db down shop-api prod --plan D"),
        (("db", "down", "shop-api", "prod", "--plan=E", "--yes"), "lastgood db down shop-api prod --plan D"),
    ],
)
def test_what_approves_a_plan_must_ask_for_the_same(words: tuple[str, ...], approves: str) -> None:
    assert approving(Session(words, json=False, repo=None, no_color=True, quiet=True), "D") == approves
