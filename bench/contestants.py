"""The ways to get from a bad release to a good one that are compared. Each is called with the bad one running."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench import phases
from sandbox import leftovers, paths
from sandbox.registry import free_port
from sandbox.releases import API
from sandbox.run import SandboxError, docker, run, status, wait_until
from sandbox.world import World

HERE = Path(__file__).parent
GOOD = "good-2"
BAD = "http-500"
OK = 200


@dataclass(frozen=True)
class Turn:
    """What a contestant says of itself; times in Unix nanoseconds."""

    begun: int
    """When its process was started."""
    consent: int
    """When the decision was made; the same, but for lastgood, which has to decide first."""
    ended: int
    """When it said that it was done."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """Where lastgood's time went, in seconds."""
    served: int = 0
    """When it served, where the contestant had to look for itself; otherwise the prober tells."""


def lastgood(world: World) -> Turn:
    """`lastgood rollback shop-api prod --yes`."""
    mark = world.root / "consent"
    mark.unlink(missing_ok=True)
    begun = time.time_ns()
    argv: list[str | Path] = [sys.executable, HERE / "consented.py", mark, "rollback", API, "prod", "--yes"]
    said = run(argv, cwd=world.laptop, env=world.env, timeout=180).stdout
    ended = time.time_ns()
    if world.pinned(API) != world.tag(API, GOOD):
        raise SandboxError(f"lastgood went elsewhere than to {GOOD}:\n{said}")
    consent = int(mark.read_text())
    lines = phases.entries(Path(world.env["XDG_STATE_HOME"]))
    return Turn(begun, consent, ended, phases.phases(lines, consent))


def runbook(world: World) -> Turn:
    """(a) The runbook as scripts: edit, deploy, look every two seconds."""
    begun = time.time_ns()
    run([HERE / "runbook.sh", world.tag(API, GOOD)], cwd=world.checkout, env=world.env)
    ended = time.time_ns()
    run(["git", "checkout", "--quiet", "--", "."], cwd=world.checkout, env=world.env)
    return Turn(begun, begun, ended)


def compose(world: World) -> Turn:
    """(b) Bare `docker compose up -d` with the right variables: the least a Compose tool can do."""
    variables = {
        "IMAGE_REPOSITORY": world.repository(API),
        "IMAGE_TAG": world.tag(API, GOOD),
        "CONFIG_GREETING": "hello",
    }
    begun = time.time_ns()
    argv = ["docker", "compose", "--file", f"envs/prod/apps/{API}/compose.yaml", "up", "--detach"]
    run(argv, cwd=world.checkout, env={**world.env, **variables})
    return Turn(begun, begun, time.time_ns())


def floor(world: World) -> Turn:
    """(c) `docker run` of the image that is present, beside the service, until its own port answers 200."""
    port = free_port()
    name = f"{leftovers.NETWORK}{world.name}-floor"
    labels = ("--label", f"{leftovers.WORLD}={world.name}", "--label", f"{paths.LABEL}=1")
    network = ("--network", f"{leftovers.NETWORK}{world.name}", "--publish", f"127.0.0.1:{port}:8080")
    settings = ("--env", "DATABASE_URL=postgresql://shop:shop@db:5432/shop", "--env", "GREETING=hello")
    image = f"{world.repository(API)}:{world.tag(API, GOOD)}"
    begun = time.time_ns()
    argv = ["docker", "run", "--detach", "--rm", "--name", name, *labels, *network, *settings, image]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, env={**os.environ, **world.env}) as client:
        url = f"http://127.0.0.1:{port}/api/health"
        # A connection made before the container listens hangs for a second, until it is tried again.
        wait_until(lambda: status(url, timeout=0.1) == OK, "the lone container answers", every=0.005)
        served = time.time_ns()
    if client.returncode:
        raise subprocess.CalledProcessError(client.returncode, argv)
    docker("rm", "--force", name)
    return Turn(begun, begun, served, served=served)


CONTESTANTS: dict[str, Callable[[World], Turn]] = {
    "lastgood rollback": lastgood,
    "(a) runbook by hand": runbook,
    "(b) bare compose up -d": compose,
    "(c) docker run, the floor": floor,
}
LASTGOOD, RUNBOOK, COMPOSE, FLOOR = CONTESTANTS
