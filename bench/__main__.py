"""`python -m bench [--rounds N] [--only FIGURE] [--json FILE]`: medians of one run side by side."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import contest, database, scale, ssh, startup
from bench.bigdata import GIBIBYTE, BigShop
from bench.table import Figure
from sandbox.fleet import FleetWorld
from sandbox.releases import API
from sandbox.run import SandboxError
from sandbox.world import World

LEAST_STARTS = 9
SERVERS = (1, 3)
ONLY = ("contest", "scale", "startup", "ssh", "database")
DATABASE_ROUNDS = 2  # one takes minutes
EARLIER = ("good-1", "good-2", "http-500")


def main() -> int:
    """Measures what was asked for and prints each figure as it is there; 1 where the sandbox cannot be set up."""
    wanted = _arguments()
    found: dict[str, object] = {}
    try:
        for figure in _measured(wanted.only, wanted.rounds, (wanted.servers,) if wanted.servers else SERVERS):
            figure.show()
            found[figure.title] = {"raw": figure.raw, "notes": figure.notes}
    except SandboxError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        if wanted.json:
            wanted.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant (default 5)")
    parser.add_argument("--only", choices=ONLY, help="leave the other figures out")
    parser.add_argument("--servers", type=int, choices=SERVERS, help="figure 5 on so many servers only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write raw numbers there as well")
    return parser.parse_args()


def _measured(only: str | None, rounds: int, servers: Sequence[int]) -> Iterator[Figure]:
    starts = max(rounds, LEAST_STARTS)
    if only not in {"scale", "ssh", "database"}:
        with World.up() as world:
            for name in EARLIER:
                world.ship(API, name)
            if only != "startup":
                _announce("figures 1 and 2")
                yield from contest.figures(contest.measure(world, rounds))
                world.ship(API, "http-500")
            if only != "contest":
                _announce("figure 4")
                yield startup.figure(startup.measure(world, starts))
    if only in {None, "scale"}:
        _announce("figure 3")
        with World.up() as world:
            scale.prepare(world)
            yield scale.figure(scale.measure(world, starts))
    if only in {None, "ssh"}:
        yield from _over_ssh(rounds, servers)
    if only in {None, "database"}:
        _announce("figure 6")
        with World.up() as world:
            shop = BigShop(world)
            shop.prepare(GIBIBYTE)
            yield from database.figures(database.measure(shop, min(rounds, DATABASE_ROUNDS)))


def _over_ssh(rounds: int, servers: Sequence[int]) -> Iterator[Figure]:
    for count in servers:
        _announce(f"figure 5, {count} server{'s' if count > 1 else ''}")
        with FleetWorld.up(hosts=count, engine="compose") as world, ssh.joined(world):
            found = ssh.peers(world)
            yield from ssh.figures(count, ssh.measure(found, rounds))
            yield from ssh.facts(found)


def _announce(what: str) -> None:
    """What comes, and how busy the machine is: with a load beyond its cores, only ratios mean much."""
    print(f"\n{what}, on {os.cpu_count()} cores at load {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
