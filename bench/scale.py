"""Figure 3: `history` and `plan` where the deploy repo has 100,000 commits and 500 services."""

from pathlib import Path
from statistics import median

from bench import bigrepo
from bench.contestants import BAD
from bench.startup import MODULE, Took, cpus, raw, timed, walls
from bench.table import Figure, Row, spread, table
from sandbox.releases import API, RELEASES, release
from sandbox.run import run, wait_until
from sandbox.world import World

GOAL = 0.5
ERROR = 500
RELEASED_AGAIN = 3
COMMANDS = {
    "lastgood history": (*MODULE, "history", API, "prod"),
    "lastgood plan": (*MODULE, "plan", API, "prod"),
}
ONE = "1 service in lastgood.yaml"
ALL = f"{bigrepo.SERVICES} services in lastgood.yaml"
COLD = "cold: first copy of the repo and its index, then the plan"
OTHER = """
  {name}:
    engine: {{kind: compose, project: "{name}"}}
    probes:
      - {{kind: http, url: "{url}/{name}/health", json: {{version: "{{tag}}"}}, timeout: 2s}}
"""
GOOD = "good-4"


def prepare(world: World) -> None:
    """Gives the world the long history in place of its short one, and has the bad release run."""
    known = [one.tag for one in RELEASES if one.service == API and one.name not in {BAD, GOOD}]
    # As many as are read at once, or the registry of older, made-up images would be asked.
    tags = (*known[:RELEASED_AGAIN], *known)
    bigrepo.add_newest(
        world.remote,
        _files(world.laptop),
        world.repository(API),
        (*tags, release(API, GOOD).tag, release(API, BAD).tag),
    )
    for clone in (world.laptop, world.checkout):
        alternates = f"{bigrepo.history() / 'objects'}\n{world.remote / 'objects'}\n"
        (clone / ".git/objects/info/alternates").write_text(alternates)
        run(["git", "fetch", "--quiet", "--force", "origin", "main"], cwd=clone, env=world.env)
        run(["git", "reset", "--quiet", "--hard", "FETCH_HEAD"], cwd=clone, env=world.env)
    world.deploy(API)
    wait_until(lambda: world.answer(API)[0] == ERROR, "the bad release answers 500")


def _files(clone: Path) -> dict[str, tuple[str, bytes]]:
    """What the world's own short history holds."""
    listed = run(["git", "ls-files", "--stage"], cwd=clone).stdout.splitlines()
    named = [(line.split()[0], line.partition("\t")[2]) for line in listed]
    return {name: (mode, (clone / name).read_bytes()) for mode, name in named}


def measure(world: World, rounds: int) -> dict[str, list[Took]]:
    """The plan once without any copy of the repo, then both commands in every round, with few and many services."""
    found = {COLD: [timed(world, COMMANDS["lastgood plan"])]}
    config = world.laptop / "lastgood.yaml"
    alone = config.read_text()
    many = alone + "".join(OTHER.format(name=name, url=world.url) for name in bigrepo.OTHERS)
    for label, text in ((ONE, alone), (ALL, many)):
        config.write_text(text)
        for _ in range(rounds):
            for name, argv in COMMANDS.items():
                found.setdefault(f"{name}, {label}", []).append(timed(world, argv))
    config.write_text(alone)
    _check(world)
    return found


def _check(world: World) -> None:
    """What was measured has to be a real plan to the right release."""
    said = run(COMMANDS["lastgood plan"], cwd=world.laptop, env=world.env).stdout
    if world.tag(API, GOOD) not in said:
        raise AssertionError(f"the plan does not lead to {GOOD}:\n{said}")


def figure(found: dict[str, list[Took]]) -> Figure:
    """The table, with the goal."""
    rows = [
        Row(name, (*spread(walls(took)), f"{median(cpus(took)):.2f}", _verdict(name, took)))
        for name, took in found.items()
    ]
    title = f"3 A deploy repo of {bigrepo.COMMITS:,} commits and {bigrepo.SERVICES} services, seconds, whole processes"
    head = ("median", "min-max", "CPU", f"goal {GOAL}")
    return Figure(title, table(head, rows), {"goal": GOAL, "seconds": raw(found)}, ())


def _verdict(name: str, took: list[Took]) -> str:
    if name == COLD:
        return "no goal"
    return "met" if median(walls(took)) < GOAL else "MISSED"
