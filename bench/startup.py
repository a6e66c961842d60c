"""Figure 4: how long commands take to start, as multiples of a Python that does nothing."""

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Took:
    """What a command took, in seconds: on the clock, and of processors, the programs it called included."""

    wall: float
    cpu: float


def timed(world: World, argv: tuple[str | Path, ...]) -> Took:
    """Runs a command on the operator's laptop, which must end well."""
    begun, used = time.perf_counter(), _used()
    run(argv, cwd=world.laptop, env=world.env)
    return Took(time.perf_counter() - begun, _used() - used)


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(world: World, rounds: int) -> dict[str, list[Took]]:
    """Every command in every round, after one turn that warms caches."""
    found: dict[str, list[Took]] = {name: [] for name in COMMANDS}
    for number in range(rounds + 1):
        for name, argv in COMMANDS.items():
            took = timed(world, argv)
            if number:
                found[name].append(took)
    return found


def figure(found: dict[str, list[Took]]) -> Figure:
    """The table. Processor time is less disturbed by what else the machine does."""
    bare, bare_cpu = (median(walls(found[BARE])), median(cpus(found[BARE])))
    rows = []
    for name, took in found.items():
        wall, cpu = walls(took), median(cpus(took))
        times = (f"{median(wall) * 1000:.0f}", f"{min(wall) * 1000:.0f}-{max(wall) * 1000:.0f}")
        rows.append(Row(name, (*times, f"{median(wall) / bare:.1f} x", f"{cpu * 1000:.0f}", f"{cpu / bare_cpu:.1f} x")))
    head = ("median ms", "min-max", "of bare Python", "CPU ms", "of bare Python")
    return Figure("4 Start-up, whole processes", table(head, rows), {"seconds": raw(found)}, ())


def walls(took: Sequence[Took]) -> list[float]:
    """The times on the clock."""
    return [one.wall for one in took]


def cpus(took: Sequence[Took]) -> list[float]:
    """The times of processors."""
    return [one.cpu for one in took]


def raw(found: dict[str, list[Took]]) -> dict[str, dict[str, list[float]]]:
    """For the JSON file."""
    return {name: {"wall": walls(took), "cpu": cpus(took)} for name, took in found.items()}
