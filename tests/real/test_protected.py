"""A rollback where the branch takes no direct push: production first, then a pull request, then git."""

from collections.abc import Iterator

import pytest
from shop import API, ENV, Shop

from lastgood.model.errors import Exit
from sandbox.github.server import GitHub
from sandbox.github.state import Rules

TOKEN = {"GITHUB_TOKEN": "ghp_write"}


@pytest.fixture
def hub(shop: Shop) -> Iterator[GitHub]:
    """GitHub, with the deploy repo and a branch that wants a review."""
    with GitHub(shop.world.remote) as serving:
        shop.ships("good-1", "http-500")
        text = shop.world.show("lastgood.yaml")
        forge = f"{text}\nforge: {{kind: github, url: {serving.url}, repo: shop/deploy}}\n"
        shop.world.commit({"lastgood.yaml": forge}, "forge")
        (shop.world.laptop / "lastgood.yaml").write_text(forge)
        serving.state.protect("main", Rules(classic={}, reviews=1))
        yield serving


def test_a_rollback_must_serve_first_and_reach_a_protected_branch_by_review(shop: Shop, hub: GitHub) -> None:
    tip = shop.world.log()[0][0]
    made = shop.rollback(ends=Exit.MITIGATED, on=TOKEN)
    assert (shop.world.serving(API), shop.runs("good-1")) == (shop.tag("good-1"), True)
    assert shop.world.log()[0][0] == tip
    said = " ".join((*made["because"], *made["next"]))
    assert "/shop/deploy/pull/1" in said
    assert f"lastgood settle {made['run']}" in made["next"]
    drift = shop.does("status", API, ENV, on=TOKEN)["drift"]
    assert drift
    shop.does("settle", ends=Exit.MITIGATED, on=TOKEN)
    assert len(hub.state.pulls) == 1
    hub.state.review(1)
    shop.does("settle", on=TOKEN)
    assert shop.serves("good-1")
    assert shop.does("status", API, ENV, on=TOKEN)["drift"] == ""


def test_without_a_token_production_must_be_served_and_the_branch_be_named(shop: Shop, hub: GitHub) -> None:
    made = shop.rollback(ends=Exit.MITIGATED)
    assert shop.world.serving(API) == shop.tag("good-1")
    said = " ".join((*made["because"], *made["next"]))
    assert f"lastgood/{made['run']}" in said
    assert "no token" in said
    assert hub.state.pulls == []
