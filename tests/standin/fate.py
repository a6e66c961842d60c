"""How the containers of a release fare over time. A fate is a value; a life is a fate at an age."""

from dataclasses import dataclass

RETRIES = 3
START_PERIOD = 5


@dataclass(frozen=True)
class Fate:
    """What becomes of a container; times in seconds since its start, None for never.

    `status` is what it answers over HTTP once it is up, `falls` when that becomes 500. `exits` is when it ends for
    good, `loops` how often it ends and is started again by the engine. `checked` is whether it has a HEALTHCHECK.
    """

    status: int = 200
    up: float = 0.0
    falls: float | None = None
    exits: float | None = None
    loops: float | None = None
    exit_code: int = 1
    checked: bool = True


@dataclass(frozen=True)
class Life:
    """A fate at an age, as the engine would show it."""

    state: str
    health: str
    restarts: int
    answer: int | None


GOOD = Fate()
ANSWERS_500 = Fate(status=500)
EXITS = Fate(exits=0.0)
CRASH_LOOP = Fate(up=9.0, loops=1.0)
FAILS_LATER = Fate(falls=1.5)
SLOW = Fate(up=4.0)


def life(fate: Fate, age: float) -> Life:
    """Where a container with this fate is at that age."""
    if fate.exits is not None and age >= fate.exits:
        return Life("exited", "unhealthy", 0, None)
    restarts = int(age / fate.loops) if fate.loops else 0
    since_start = age - restarts * fate.loops if fate.loops else age
    failed_for = _failed_for(fate, since_start)
    answer = (
        None if since_start < fate.up else 500 if fate.falls is not None and since_start >= fate.falls else fate.status
    )
    if failed_for is None:
        return Life("running", "healthy", restarts, answer)
    patience = RETRIES if fate.falls is not None else START_PERIOD + RETRIES
    health = "unhealthy" if failed_for >= patience else "healthy" if fate.falls is not None else "starting"
    return Life("running", health, restarts, answer)


def _failed_for(fate: Fate, age: float) -> float | None:
    """For how long its own HEALTHCHECK has failed; None while it passes."""
    if fate.status != 200 or age < fate.up:
        return age
    return age - fate.falls if fate.falls is not None and age >= fate.falls else None
