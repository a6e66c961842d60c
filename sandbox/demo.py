"""The demo: an ordinary incident, taken back by lastgood, on real parts. `make demo` runs it."""

import subprocess
import sys
import time
from dataclasses import dataclass, field

from sandbox import prepare
from sandbox.run import SandboxError
from sandbox.world import World

API, WEB = "shop-api", "shop-web"


@dataclass
class Tour:
    """Tells what happens, with the seconds since the start."""

    began: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """Says one step."""
        bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
        print(f"\n{bold}[{time.monotonic() - self.began:5.1f} s] {text}{plain}", flush=True)

    def lastgood(self, world: World, *args: str) -> int:
        """Runs lastgood where the operator would, and shows what it prints."""
        self.say(f"$ lastgood {' '.join(args)}")
        command = [sys.executable, "-m", "lastgood", *args]
        return subprocess.run(command, cwd=world.laptop, env=world.env, check=False, timeout=300).returncode


def main() -> int:
    """Gives the tour; returns 0 only if production ends on the last good release."""
    tour = Tour()
    tour.say("A world of its own: registry, proxy, PostgreSQL, Git remote (the first time takes a minute or so)")
    try:
        prepare.ensure()
        with World.up(web=True) as world:
            return _incident(tour, world)
    except SandboxError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def _incident(tour: Tour, world: World) -> int:
    _ship(tour, world)
    tour.lastgood(world, "status")
    code = tour.lastgood(world, "rollback", API, "prod", "--yes")
    _production(tour, world)
    for args in (("history", API, "prod"), ("runs",), ("show",)):
        tour.lastgood(world, *args)
    tour.say("The deploy repository's main says the same, so the next deployment keeps it")
    for commit, subject in world.log():
        print(f"  {commit[:7]} {subject}")
    return _verdict(tour, world, code)


def _ship(tour: Tour, world: World) -> None:
    tour.say(f"CI ships shop-web, then two good releases of {API}")
    world.ship(WEB, "good-1")
    for name in ("good-1", "good-2"):
        shipped = world.ship(API, name)
        print(f"  {API} {name}: {shipped.tag}, commit {shipped.commit[:7]}")
    _production(tour, world)
    tour.say(f"CI ships a third release of {API}, with a bug")
    print(f"  {API} http-500: {world.ship(API, 'http-500').tag}")
    time.sleep(1)
    _production(tour, world)


def _production(tour: Tour, world: World) -> None:
    code, body = world.answer(API)
    tour.say(f"Production answers {code or 'nothing'}")
    print(f"  GET {world.url}/api/health\n  {body.strip()}")


def _verdict(tour: Tour, world: World, code: int) -> int:
    wanted = world.tag(API, "good-2")
    serving, pinned = world.serving(API), world.pinned(API)
    good = code == 0 and serving == wanted == pinned
    ending = "is back on" if good else "is NOT back on"
    tour.say(f"Production {ending} good-2 ({wanted}): serving {serving}, pinned {pinned}. Taking the world down.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
