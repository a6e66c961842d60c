"""The page of a bad release kept as evidence: it is there, and it is in no rollback's way."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import msgspec
import pytest
from fault_words import state

from lastgood.model.duration import Duration
from lastgood.model.errors import Exit
from lastgood.model.event import Kept
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.visit import Errand, Fault, Visit
from lastgood.ports import Tools
from tests.standin.held import LONG, not_held
from tests.standin.world import World

URL = "https://shop.example/"
PNG = b"\x89PNG\r\n\x1a\n" + b"password=hunter2-xyz" * 4
SEEN = Visit(URL, 200, "Shop", blank=True, console=(Fault("login with password=hunter2-xyz", URL),), picture=PNG)


class Screen:
    """A browser that does what it is told to."""

    def __init__(self, visit: Callable[[], Fact[Visit]], before: Visit | None = None, ago: float = 90.04) -> None:
        self._visit = visit
        self._before = before
        self._ago = ago
        self.asked: list[Errand] = []

    def missing(self) -> str:
        return ""

    def visit(self, errand: Errand) -> Fact[Visit]:
        self.asked.append(errand)
        return self._visit()

    def last(self, url: str) -> tuple[float, Visit] | None:
        return (self._ago, self._before) if self._before and url == URL else None


@pytest.fixture(autouse=True)
def page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lastgood.observe.visits.place", lambda _: Known(URL))
    monkeypatch.setattr("lastgood.observe.visits.addresses", lambda _: iter((URL,)))


def shown_on(world: World, screen: Screen) -> World:
    """The world, whose operators have that browser."""
    original = world.tools

    @contextmanager
    def tools() -> Iterator[Tools]:
        with original() as found:
            yield replace(found, browser=screen)

    world.tools = tools  # type: ignore[method-assign]
    return world


def kept(world: World) -> dict[str, bytes]:
    """The evidence about the page, by name."""
    run = world.run()
    assert run
    folder = world.root / "own/evidence" / run.id
    files = [file for e in world.entries() if isinstance(e.event, Kept) for file in e.event.files]
    return {one.name: (folder / one.file).read_bytes() for one in files if one.name.startswith("page-")}


def test_how_the_bad_release_s_page_looked_must_be_kept_without_secrets(bad: World) -> None:
    screen = Screen(lambda: Known(SEEN))
    assert shown_on(bad, screen).rollback().exit is Exit.DONE
    assert state(bad) == (["v2"], "v2", False)
    found = kept(bad)
    assert found["page-before.png"] == PNG
    told = msgspec.json.decode(found["page-before.json"])
    assert (told["seconds_before"], told["visit"]["blank"]) == (0, True)
    assert told["visit"]["console"][0]["said"] == "login with password=<redacted>"
    assert all(one.seconds <= 2 for one in screen.asked)


def test_a_browser_that_hangs_must_not_hold_a_rollback_up_and_what_was_seen_before_be_kept(bad: World) -> None:
    over = threading.Event()
    screen = Screen(lambda: Unknown(str(over.wait(LONG))), before=SEEN)
    with not_held():
        assert shown_on(bad, screen).rollback().exit is Exit.DONE
    over.set()
    assert state(bad) == (["v2"], "v2", False)
    assert kept(bad)["page-before.png"] == PNG
    assert msgspec.json.decode(kept(bad)["page-before.json"])["seconds_before"] == 90.0


def test_a_browser_that_fails_in_any_way_must_not_fail_a_rollback(bad: World) -> None:
    def fails() -> Fact[Visit]:
        raise RuntimeError("a defect")

    assert shown_on(bad, Screen(fails)).rollback().exit is Exit.DONE
    assert state(bad) == (["v2"], "v2", False)
    assert kept(bad) == {}


def test_what_the_diagnosis_saw_a_moment_ago_must_be_kept_without_another_look(bad: World) -> None:
    screen = Screen(lambda: Unknown("late"), before=SEEN, ago=5.0)
    assert shown_on(bad, screen).rollback().exit is Exit.DONE
    assert kept(bad)["page-before.png"] == PNG
    assert screen.asked == []


def test_how_the_release_put_back_looks_must_be_kept_while_its_logs_are_watched(bad: World) -> None:
    bad.target = msgspec.structs.replace(bad.target, watch=Duration(5))
    answers = iter((Known(SEEN), Known(msgspec.structs.replace(SEEN, blank=False, text="Shop"))))
    assert shown_on(bad, Screen(lambda: next(answers))).rollback().exit is Exit.DONE
    after = msgspec.json.decode(kept(bad)["page-after.json"])
    assert (after["visit"]["blank"], after["visit"]["text"], kept(bad)["page-after.png"]) == (False, "Shop", PNG)


def test_an_older_look_must_not_pass_for_the_release_put_back(bad: World) -> None:
    bad.target = msgspec.structs.replace(bad.target, watch=Duration(1))
    assert shown_on(bad, Screen(lambda: Unknown("late"), before=SEEN, ago=5.0)).rollback().exit is Exit.DONE
    assert set(kept(bad)) == {"page-before.png", "page-before.json"}
