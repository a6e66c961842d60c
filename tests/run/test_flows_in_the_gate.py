"""User flows decide about a release once its gate has passed, and about nothing else."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest
from fault_words import shipped, state

from lastgood.effects.secrets import LocalSecrets
from lastgood.model.details import FLOWS, UNTRIED
from lastgood.model.errors import Exit
from lastgood.model.flow import FlowRun, failed, passed, untried
from lastgood.model.target import Adapter, FlowSpec
from lastgood.ports import Browser, Declared, Stage, Tools
from tests.standin.fate import ANSWERS_500, GOOD
from tests.standin.world import World


class NoOptions(msgspec.Struct, frozen=True):
    """Of a flow that a test holds in its hands."""


class Shop(World):
    """One target with user flows."""

    flows: tuple[Declared, ...] = ()

    @contextmanager
    def tools(self) -> Iterator[Tools]:
        """A fresh process's tools."""
        with super().tools() as tools:
            stage = partial(Stage, tools.http, tools.process, LocalSecrets(tools.process, {}), tools.clock)
            yield dataclasses.replace(tools, flows=self.flows, stage=lambda image: stage(image, self.target.repo, {}))


Try = Callable[[Shop, Stage], FlowRun]


class Tries:
    """A flow that does what it is told to, and remembers for which release."""

    def __init__(self, world: Shop, does: Try) -> None:
        self._world = world
        self._does = does
        self.tried: list[str] = []

    def missing(self, browser: Browser | None) -> str:  # noqa: ARG002 - the port's signature
        return ""

    def run(self, stage: Stage) -> FlowRun:
        self.tried.append(stage.image.tag)
        return self._does(self._world, stage)


def shop(folder: Path, does: Try, tries: int = 2) -> tuple[Shop, Tries]:
    """v3 fails in production, v2 and v1 are healthy."""
    world = Shop(folder)
    flow = Tries(world, does)
    world.flows = (Declared("buy", flow, tries),)
    spec = FlowSpec("buy", Adapter("http", NoOptions()), tries)
    world.target = msgspec.structs.replace(world.target, flows=(spec,))
    shipped(world, GOOD, GOOD, ANSWERS_500)
    return world, flow


def only(tag: str) -> Try:
    """What works with one release alone."""
    good, bad = passed(("look",)), failed(("look",), "there is no button", "no button")
    return lambda _, stage: good if stage.image.tag == tag else bad


def test_a_healthy_release_in_which_a_flow_fails_must_be_gone_back_beyond(tmp_path: Path) -> None:
    world, flow = shop(tmp_path, only("v1"))
    assert world.rollback().exit is Exit.DONE
    assert state(world) == (["v1"], "v1", False)
    assert world.judged() == {"v1": "verified", "v2": "bad", "v3": "bad"}
    assert flow.tried == ["v2", "v2", "v1"]


def test_a_flow_that_works_the_second_time_must_not_condemn(tmp_path: Path) -> None:
    answers = [failed(("look",), "slow", "slow"), passed(("look",))]
    world, _ = shop(tmp_path, lambda *_: answers.pop(0))
    assert world.rollback().exit is Exit.DONE
    assert state(world) == (["v2"], "v2", False)


def test_a_flow_that_cannot_be_tried_must_be_told_and_say_nothing_about_a_release(tmp_path: Path) -> None:
    world, flow = shop(tmp_path, lambda *_: untried("no browser"))
    assert world.rollback().exit is Exit.DONE
    run = world.run()
    assert run
    details = run.done["1.verify"].details
    assert (details[UNTRIED], FLOWS in details, flow.tried) == ("buy could not be tried: no browser", False, ["v2"])


def test_a_flow_that_is_declared_no_more_must_not_count_as_one_that_works(tmp_path: Path) -> None:
    world, flow = shop(tmp_path, lambda *_: passed(("look",)))
    world.flows = ()  # what was planned stands in the target still
    assert world.rollback().exit is Exit.DONE
    run = world.run()
    assert run
    details = run.done["1.verify"].details
    assert (details[UNTRIED], FLOWS in details, flow.tried) == (
        "buy could not be tried: lastgood.yaml does not declare it any more", False, [],
    )  # fmt: skip


def test_no_release_must_be_blamed_for_a_flow_that_fails_while_its_database_is_down(tmp_path: Path) -> None:
    def breaks(world: Shop, _: Stage) -> FlowRun:
        world.outside.engine.boxes["shop-db-1"].begun = None
        return failed(("pay",), "500", "500")

    world, _ = shop(tmp_path, breaks, tries=1)
    ended = world.rollback()
    assert ended.exit is Exit.NEEDS_HUMAN
    assert "the release is not the cause" in ended.what
    assert "bad" not in world.judged().values()


@pytest.mark.parametrize("works", [True, False])
def test_what_a_flow_brings_down_must_not_be_called_healthy(tmp_path: Path, *, works: bool) -> None:
    def breaks(world: Shop, stage: Stage) -> FlowRun:
        if stage.image.tag == "v2":
            world.outside.engine.boxes["shop-api-1"].begun = None
        return passed(("pay",)) if works or stage.image.tag == "v1" else failed(("pay",), "500", "500")

    world, _ = shop(tmp_path, breaks)
    assert world.rollback().exit is Exit.DONE
    assert (state(world), world.judged()["v2"]) == ((["v1"], "v1", False), "bad")
