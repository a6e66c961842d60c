"""Figure 4: how long commands take to start, as multiples of a Python that does nothing."""

import sys
import time
from pathlib import Path
from statistics import median

from bench.table import Figure, Row, table
from sandbox.releases import API
from sandbox.run import run
from sandbox.world import World

MODULE = (sys.executable, "-m", "lastgood")
BARE = "python -c pass"
COMMANDS = {
    BARE: (sys.executable, "-c", "pass"),
    "lastgood --version": (*MODULE, "--version"),
    "lastgood status --help": (*MODULE, "status", "--help"),
    "lastgood plan (small repo)": (*MODULE, "plan", API, "prod"),
}


def timed(world: World, argv: tuple[str | Path, ...]) -> float:
    """Runs a command on the operator's laptop, which must end well; seconds."""
    begun = time.perf_counter()
    run(argv, cwd=world.laptop, env=world.env)
    return time.perf_counter() - begun


def measure(world: World, rounds: int) -> dict[str, list[float]]:
    """Every command in every round, after one turn that warms caches."""
    found: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(rounds + 1):
        for name, argv in COMMANDS.items():
            took = timed(world, argv)
            if number:
                found[name].append(took)
    return found


def figure(found: dict[str, list[float]]) -> Figure:
    """The table."""
    bare = median(found[BARE])
    rows = [
        Row(name, (f"{median(took) * 1000:.0f}", f"{min(took) * 1000:.0f}-{max(took) * 1000:.0f}", _ratio(took, bare)))
        for name, took in found.items()
    ]
    head = ("median ms", "min-max", "of bare Python")
    return Figure("4 Start-up, whole processes", table(head, rows), {"seconds": found}, ())


def _ratio(took: list[float], bare: float) -> str:
    return f"{median(took) / bare:.1f} x"
