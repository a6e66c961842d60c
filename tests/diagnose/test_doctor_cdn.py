"""`doctor` tells before the incident whether a CDN would follow a rollback."""

from pathlib import Path

import msgspec
import pytest

from lastgood.diagnose.caches import checks
from lastgood.diagnose.case import Case
from lastgood.model.errors import LastgoodError
from lastgood.model.report import Check, Mark
from tests.standin.fronted import Fronted


@pytest.fixture
def shop(tmp_path: Path) -> Fronted:
    """v1 runs, and customers have been there."""
    world = Fronted(tmp_path)
    world.ship("v1")
    world.visited()
    return world


def checked(world: Fronted) -> list[Check]:
    with world.tools() as tools:
        return list(checks(Case(world.target, tools, LastgoodError("not looked at"))))


def test_a_cdn_that_follows_must_be_told_by_purge_and_page(shop: Fronted) -> None:
    assert [(one.name, one.mark) for one in checked(shop)] == [
        ("shop/prod: CDN", Mark.OK),
        ("shop/prod: CDN page", Mark.OK),
    ]
    assert shop.behind.shelf.purged == 0
    shop.target = msgspec.structs.replace(shop.target, cdn=None)
    assert checked(shop) == []


def test_what_would_not_follow_must_be_a_warning_with_its_reason(shop: Fronted) -> None:
    shop.behind.refuses = "api.cdn.example refused the login (401)"
    shop.ship("v2")
    purge, page = checked(shop)
    assert (purge.mark, page.mark) == (Mark.WARN, Mark.WARN)
    assert "refused the login" in purge.said
    assert "app-v1.js" in page.said


def test_what_cannot_be_seen_must_be_unknown(shop: Fronted) -> None:
    shop.behind.shelf.ignores_query = True
    _, page = checked(shop)
    assert page.mark is Mark.UNKNOWN
    assert "name the origin" in page.said
