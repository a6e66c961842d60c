"""What watches from outside may hang or break: a rollback goes on all the same, and keeps what it was given."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fault_words import shipped, state

from lastgood.model.errors import Exit
from lastgood.model.event import Kept
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.telemetry import Figure, Reading, Series, Span
from lastgood.ports import Tools
from tests.standin.fate import ANSWERS_500, GOOD
from tests.standin.held import LONG, not_held
from tests.standin.world import World


class Source:
    """`does`: answers, hangs, or raises; spans that it was asked for."""

    def __init__(self, does: str) -> None:
        self.does = does
        self.spans: list[Span] = []

    def look(self, span: Span) -> Reading:
        self.spans.append(span)
        if self.does == "hangs":
            threading.Event().wait(LONG)
        if self.does == "raises":
            raise RuntimeError("password=hunter22")
        series = Known(Series("per second", 15, ((span.begin, 1.0), (span.end, 2.0))))
        raw = {
            "requests.json": json.dumps({"metric": {"api_token": "hunter22"}}).encode(),
            "lines.txt": b"pwd=hunter22",
        }
        return Reading({Figure.REQUESTS: series, Figure.ERRORS: Unknown("there is no data")}, raw=raw)

    def check(self) -> Fact[str]:
        return Known("fine")


class WatchedWorld(World):
    """A world with sources of telemetry; None: they cannot even be made."""

    sources: dict[str, Source] | None

    @contextmanager
    def tools(self) -> Iterator[Tools]:
        def telemetry(_seconds: float) -> Any:
            if self.sources is None:
                raise ModuleNotFoundError("no such module")
            return self.sources

        with super().tools() as made:
            yield replace(made, telemetry=telemetry)


@pytest.fixture
def watched(tmp_path: Path) -> WatchedWorld:
    world = WatchedWorld(tmp_path)
    world.sources = {}
    shipped(world, GOOD, ANSWERS_500)
    return world


def kept(world: World) -> dict[str, set[str]]:
    """The names of telemetry's files by step."""
    events = [entry.event for entry in world.entries() if isinstance(entry.event, Kept)]
    return {
        one.step: names
        for one in events
        if (names := {file.name for file in one.files if file.name.startswith(("telemetry", "log-"))})
    }


def test_before_and_at_the_end_what_was_seen_must_be_kept_without_secrets(watched: WatchedWorld) -> None:
    source = Source("answers")
    watched.sources = {"metrics": source}
    assert watched.rollback().exit is Exit.DONE
    before, after = source.spans
    run = watched.run()
    assert run
    assert before.begin == after.begin == run.started // 10**9 - 1800
    assert before.begin < before.end <= after.end
    found = kept(watched)
    assert [step.partition(".")[0] for step in found] == ["capture", "1"]
    for step, names in found.items():
        assert names == {
            f"telemetry-{step}-metrics.json",
            f"telemetry-{step}-metrics-requests.json",
            f"log-{step}-metrics-lines.txt",
        }
    folder = watched.root / "own/evidence" / run.id
    assert not [file for file in folder.iterdir() if b"hunter22" in file.read_bytes()]


@pytest.mark.parametrize("does", ["hangs", "raises", "cannot be made"])
def test_one_that_hangs_or_breaks_must_not_delay_or_fail_a_rollback(watched: WatchedWorld, does: str) -> None:
    watched.sources = None if does == "cannot be made" else {"metrics": Source(does), "other": Source("answers")}
    with not_held():
        assert watched.rollback().exit is Exit.DONE
    assert state(watched) == (["v1"], "v1", False)
    assert len(kept(watched)) == (0 if does == "cannot be made" else 2)


def test_where_nothing_passes_each_failure_must_be_kept_as_well(watched: WatchedWorld) -> None:
    source = Source("answers")
    watched.sources = {"metrics": source}
    watched.ship("v3", ANSWERS_500)
    assert watched.rollback().exit is Exit.DONE  # past v2, which fails as well
    assert len(source.spans) == 3


def test_a_check_must_ask_nobody(watched: WatchedWorld) -> None:
    source = Source("answers")
    watched.sources = {"metrics": source}
    watched.check()
    assert source.spans == []
