"""A machine that never read a release's logs tells what is new in them by what others left on its hosts."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fault_words import state

from lastgood.effects.files import LocalFiles
from lastgood.judge.logs import read
from lastgood.model.details import BEFORE, HOSTS_ALONE, NEW
from lastgood.model.errors import Exit
from lastgood.model.event import Kept, LogErrors, Said, StepDone
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.situation import Log
from lastgood.observe import kinds
from lastgood.observe.kinds import ErrorKinds
from lastgood.ports import Tools
from lastgood.record.watches import LogWatch, watches
from tests.standin.fate import ANSWERS_500
from tests.standin.held import LONG, not_held
from tests.standin.world import World

OLD = "ERROR order # not found"
NEWS = "panic: nil map"


class Held(LocalFiles):
    """Does not come back the first time that it is asked for what other machines left."""

    asked = False

    def read(self, path: str) -> bytes | None:
        if "/errors/" in path and not self.asked:
            self.asked = True
            threading.Event().wait(LONG)
        return super().read(path)


@dataclass
class Watching:
    """A service whose log says what it is told to, and the machines that watch it."""

    world: World
    says: tuple[str, ...] = ()
    machines: int = 1

    @property
    def file(self) -> Path:
        return Path(kinds.path(self.world.target))

    def another_machine(self) -> None:
        """From now on a colleague acts, who has neither this journal nor its evidence."""
        (self.world.root / "own").rename(self.world.root / f"own-{self.machines}")
        self.machines += 1

    def finds(self) -> StepDone:
        """What the newest run's watch over the logs found."""
        done = [one.event for one in self.world.entries() if isinstance(one.event, StepDone)]
        return next(one for one in reversed(done) if one.step.endswith("watch"))

    def evidence(self) -> dict[str, Any]:
        """What the newest run kept of it."""
        run = self.world.run()
        assert run
        kept = [one.event for one in self.world.entries() if isinstance(one.event, Kept)]
        (file,) = [file for one in kept for file in one.files if file.name.startswith("errors-")]
        found: dict[str, Any] = json.loads((self.world.root / "own/evidence" / run.id / file.file).read_bytes())
        return found

    def left(self) -> list[tuple[str, tuple[str, ...]]]:
        """What the host was told, by tag."""
        lines = self.file.read_bytes().splitlines()
        return [(one.image.tag, one.kinds) for one in (msgspec.json.decode(line, type=ErrorKinds) for line in lines)]

    def watches(self) -> tuple[LogWatch, ...]:
        """As programs are told."""
        run = self.world.run()
        assert run
        return watches(run)

    def notes(self) -> list[str]:
        said = [one.event.text for one in self.world.entries() if isinstance(one.event, Said)]
        return [text for text in said if "other machines" in text]


@pytest.fixture
def watching(world: World, monkeypatch: pytest.MonkeyPatch) -> Watching:
    made = Watching(world, ("it starts", "ERROR order 4711 not found"))

    def logs(_tools: object, _hosts: object) -> Fact[tuple[Log, ...]]:
        said = read("shop-api-1", "\n".join(made.says).encode())
        return Known((said,)) if made.says else Unknown("no such container")

    monkeypatch.setattr("lastgood.run.watching.symptoms.logs", logs)
    world.ship("v1")
    return made


def fails(watching: Watching) -> None:
    watching.world.ship("v2", ANSWERS_500)
    watching.says = ("it starts", "ERROR order 12 not found", NEWS)


def test_what_another_machine_read_before_must_not_be_new_and_the_rest_must(watching: Watching) -> None:
    assert watching.world.check().exit is Exit.DONE
    first = watching.finds()
    assert first.details == {NEW: "1", BEFORE: "unknown"}
    assert first.seen.endswith("ERROR order 4711 not found (1 x) (what it showed earlier is not known)")
    assert watching.world.check().exit is Exit.DONE
    again = watching.finds()
    assert again.seen == "logs read: no new error messages (what it showed earlier is known from this machine)"
    assert again.details == {NEW: "0", BEFORE: "this machine"}
    assert watching.left() == [("v1", (OLD,))]

    watching.another_machine()
    fails(watching)
    assert watching.world.rollback().exit is Exit.DONE
    found = watching.finds()
    assert found.seen == (
        "logs read: 1 new error message: panic: nil map (1 x)"
        " (what it showed earlier is known from local; 1 kind of it from hosts alone)"
    )
    assert found.details == {NEW: "1", BEFORE: "local", HOSTS_ALONE: "1"}
    kept = watching.evidence()
    assert (kept["before"], kept["before_by_hosts"]["local"]["kinds"], kept["hosts_silent"]) == (None, [OLD], {})
    assert [[one["signature"] for one in kept[name]] for name in ("after", "from_hosts_alone", "new")] == [
        [OLD, NEWS],
        [OLD],
        [NEWS],
    ]
    assert watching.left()[1:] == [("v1", (OLD, NEWS))]
    assert watching.notes() == []

    watching.another_machine()
    assert watching.world.check().exit is Exit.DONE
    assert watching.finds().details == {NEW: "0", BEFORE: "local", HOSTS_ALONE: "2"}
    assert watching.watches() == (LogWatch("shop", 0, ("local",), 2),)


def test_logs_that_nobody_could_read_must_be_left_to_nobody_and_count_as_unknown(watching: Watching) -> None:
    watching.says = ()
    assert watching.world.check().exit is Exit.DONE
    assert watching.finds().seen == "the logs cannot be read: no such container"
    assert watching.watches() == (LogWatch("shop", None, (), 0),)
    assert not watching.file.exists()


def test_what_is_forged_must_hide_an_error_at_most_and_say_whose_word_that_is(watching: Watching) -> None:
    fails(watching)
    image = watching.world.image("v1")
    forged = ErrorKinds("shop/prod", image, watching.world.outside.clock.at // 10**9, "20260101-000000-beef", (NEWS,))
    watching.file.parent.mkdir(parents=True)
    watching.file.write_bytes(b"rm -rf /\n" * 5 + msgspec.json.encode(forged) + b"\n" + b'{"target":"shop/pr')
    assert watching.world.rollback().exit is Exit.DONE
    assert state(watching.world) == (["v1"], "v1", False)
    assert watching.finds().details == {NEW: "1", BEFORE: "local", HOSTS_ALONE: "1"}
    assert watching.evidence()["before_by_hosts"]["local"] == {"kinds": [NEWS], "runs": ["20260101-000000-beef"]}
    (read_here,) = [one.event for one in watching.world.entries() if isinstance(one.event, LogErrors)]
    assert [one.signature for one in read_here.found] == [OLD, NEWS]  # it is in the record all the same


def test_where_hosts_take_and_tell_nothing_that_must_be_said_and_the_run_be_done(watching: Watching) -> None:
    fails(watching)
    watching.file.parent.parent.mkdir(parents=True, exist_ok=True)
    watching.file.parent.write_text("no folder")
    assert watching.world.rollback().exit is Exit.DONE
    assert state(watching.world) == (["v1"], "v1", False)
    assert watching.finds().seen.endswith("(what it showed earlier is not known; local does not tell: Not a directory)")
    assert watching.finds().details == {NEW: "2", BEFORE: "unknown"}
    assert watching.evidence()["hosts_silent"] == {"local": "Not a directory"}
    assert watching.notes() == ["the error messages are not known to other machines: local: Not a directory"]


def test_a_host_that_does_not_come_back_must_not_hold_a_run_up(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(watching)
    held, made = Held(), watching.world.tools

    @contextmanager
    def tools() -> Iterator[Tools]:
        with made() as tools:
            yield replace(tools, files=lambda _: held)

    monkeypatch.setattr(watching.world, "tools", tools)
    with not_held():
        assert watching.world.rollback().exit is Exit.DONE
    assert watching.finds().seen.endswith(
        "(what it showed earlier is not known; local does not tell: no answer in time)"
    )
    assert watching.left() == [("v1", (OLD, NEWS))]
