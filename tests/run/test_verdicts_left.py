"""A verdict that cannot be left on a host is this machine's alone, which is said, and fails nothing."""

from pathlib import Path

import pytest
from fault_words import shipped, state

from lastgood.model.errors import Exit
from lastgood.model.event import Said
from lastgood.model.release import Grade
from lastgood.observe import verdicts
from tests.standin.fate import ANSWERS_500, GOOD
from tests.standin.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    shipped(world, GOOD, ANSWERS_500)
    return world


def said(world: World) -> list[str]:
    return [one.event.text for one in world.entries() if isinstance(one.event, Said)]


def test_what_a_run_has_judged_must_lie_on_the_host_once_it_is_over(world: World) -> None:
    assert world.rollback().exit is Exit.DONE
    left = Path(verdicts.path(world.target)).read_bytes().splitlines()
    assert [grade for line in left for grade in (Grade.VERIFIED, Grade.BAD) if f'"{grade}"'.encode() in line] == [
        Grade.VERIFIED,
        Grade.BAD,
    ]
    assert not [text for text in said(world) if "other machines" in text]


def test_where_it_cannot_be_left_that_must_be_said_and_the_run_be_done_all_the_same(world: World) -> None:
    folder = Path(verdicts.path(world.target)).parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("no folder")
    assert world.rollback().exit is Exit.DONE
    assert state(world) == (["v1"], "v1", False)
    assert [text for text in said(world) if "other machines" in text] == [
        "the verdict is not known to other machines: local: Not a directory"
    ]
