"""`python -m sandbox`: prepares the machine, brings worlds up and takes them down by hand."""

import argparse
import sys
from collections.abc import Sequence

from sandbox import engine, images, leftovers, paths, prepare
from sandbox.run import SandboxError
from sandbox.world import World


def main(argv: Sequence[str] | None = None) -> int:
    """Does what the command line says; what cannot be done ends in one sentence."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    ready = commands.add_parser("prepare", help="set up engine, Compose, images and releases")
    ready.add_argument("--servers", action="store_true", help="and what simulated servers need (needs root)")
    up = commands.add_parser("up", help="bring a world up that stays, with good-1 and good-2 shipped")
    up.add_argument("name", nargs="?", default="play")
    commands.add_parser("down", help="take a world down").add_argument("name", nargs="?", default="play")
    commands.add_parser("clean", help="remove everything the sandbox made for this clone")
    args = parser.parse_args(argv)
    try:
        _do(args)
    except SandboxError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    return 0


def _do(args: argparse.Namespace) -> None:
    match args.command:
        case "prepare":
            (prepare.ensure_servers if args.servers else prepare.ensure)()
        case "up":
            _up(args.name)
        case "down":
            leftovers.take_down(args.name)
        case _:
            _clean()


def _up(name: str) -> None:
    world = World.up(name, web=True, keep=True)
    for service, release in (("shop-web", "good-1"), ("shop-api", "good-1"), ("shop-api", "good-2")):
        world.ship(service, release)
    print(f"production: {world.url}\noperator:   cd {world.laptop}\nthe end:    python -m sandbox down {name}")
    for key in ("PATH", "DOCKER_HOST", "HOME"):
        print(f"export {key}={world.env[key]}")


def _clean() -> None:
    if engine.answers():
        for name in leftovers.remove_all(paths.ROOT):
            print(f"sandbox: removed world {name}")
        if not engine.others():
            images.remove()
    reason = engine.leave()
    if reason:
        print(f"sandbox: something stays: {reason}")


if __name__ == "__main__":
    sys.exit(main())
