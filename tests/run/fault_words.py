"""What scenarios of a run have in common."""

from tests.standin.fate import Fate
from tests.standin.world import World


def shipped(world: World, *fates: Fate) -> World:
    for number, fate in enumerate(fates, 1):
        world.ship(f"v{number}", fate)
    return world


def state(world: World) -> tuple[list[str], str, bool]:
    """What runs, what git pins, and whether the lease is held."""
    return world.versions(), world.pinned(), world.lease()
