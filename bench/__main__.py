"""`python -m bench [--rounds N] [--only FIGURE] [--json FILE]`: medians of one run side by side."""

import argparse
import json
import os
import sys
from pathlib import Path

from bench import contest, scale, startup
from bench.table import Figure
from sandbox.releases import API
from sandbox.run import SandboxError
from sandbox.world import World

LEAST_STARTS = 9
EARLIER = ("good-1", "good-2", "http-500")


def main() -> int:
    """Measures what was asked for and prints it; 1 where the sandbox cannot be set up."""
    wanted = _arguments()
    try:
        figures = _measured(wanted.only, wanted.rounds)
    except SandboxError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(f"\nmedians on {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for figure in figures:
        figure.show()
    if wanted.json:
        content = {figure.title: {"raw": figure.raw, "notes": figure.notes} for figure in figures}
        wanted.json.write_text(json.dumps(content, indent=1) + "\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant (default 5)")
    parser.add_argument("--only", choices=("contest", "scale", "startup"), help="leave the other figures out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write raw numbers there as well")
    return parser.parse_args()


def _measured(only: str | None, rounds: int) -> list[Figure]:
    found: list[Figure] = []
    starts: list[Figure] = []
    if only != "scale":
        with World.up() as world:
            for name in EARLIER:
                world.ship(API, name)
            if only != "startup":
                print("figures 1 and 2", flush=True)
                found += contest.figures(contest.measure(world, rounds))
                world.ship(API, "http-500")
            if only != "contest":
                print("figure 4", flush=True)
                starts.append(startup.figure(startup.measure(world, max(rounds, LEAST_STARTS))))
    if only in {None, "scale"}:
        print("figure 3", flush=True)
        with World.up() as world:
            scale.prepare(world)
            found.append(scale.figure(scale.measure(world, max(rounds, LEAST_STARTS))))
    return found + starts


if __name__ == "__main__":
    sys.exit(main())
