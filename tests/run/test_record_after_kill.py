"""A run that was killed at any moment and taken up again leaves a record that is whole, and known on its host."""

import pytest

from lastgood.effects.files import LocalFiles
from lastgood.journal.store import Journal
from lastgood.model import chain
from lastgood.model.verified import Verdict
from lastgood.run import trail
from tests.run.test_witnesses import verified
from tests.standin.fate import ANSWERS_500
from tests.standin.world import Photo, World


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, list[Photo]]:
    world = World(tmp_path_factory.mktemp("killed"))
    world.ship("v1")
    world.ship("v2")
    world.ship("v3", ANSWERS_500)
    return world, world.photographed(world.rollback)


def test_after_a_kill_at_any_moment_the_record_must_be_whole_here_and_on_the_host(
    told: tuple[World, list[Photo]],
) -> None:
    world, photos = told
    wrong, looked_at = [], 0
    for photo in photos[1::3]:
        world.restore(photo)
        run = world.run()
        if run is None or run.ended:
            continue
        world.resume()
        looked_at += 1
        with Journal(str(world.root / "own/journal.db")) as journal:
            here = journal.lines(run.id)
        there = trail.read(LocalFiles(), str(world.root / "host"), run.id)
        found = verified(world)
        if there != here or chain.misfit(here) or found.verdict is not Verdict.WHOLE:
            wrong.append(f"{photo.name}: {found.verdict} {found.faults} {found.limits}")
    assert wrong == []
    assert looked_at > 6
