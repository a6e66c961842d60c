"""Situations made on a real engine, registry, proxy, database and git remote, one after the other in one world."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from subprocess import CompletedProcess
from typing import NamedTuple

from lastgood.model.diagnosis import Action, Scenario
from sandbox.containers import Member
from sandbox.releases import API, WEB
from sandbox.run import SandboxError, docker, run, wait_until
from sandbox.world import World

COMPOSE = f"envs/prod/apps/{API}/compose.yaml"


class Live(NamedTuple):
    """What the world is now, and what is to be said of it."""

    name: str
    service: str
    scenario: Scenario
    action: Action
    key: str = ""


def diagnosed(world: World, service: str) -> CompletedProcess[str]:
    """What the command says of a service of the world; no browser of the operator's own is taken."""
    return patiently(world.laptop, {**world.env, "LASTGOOD_CHROMIUM": ""}, service, "prod")


def patiently(clone: Path, env: Mapping[str, str], *target: str) -> CompletedProcess[str]:
    """A diagnosis that is given time: on a busy machine some looks would be late, and what is late is unknown."""
    patient = (
        "import sys, lastgood.cli.verbs.diagnose as d, lastgood.observe.visits as v; d.SECONDS, v.SECONDS = 60, 40; "
    )
    patient += "from lastgood.cli.app import run; sys.exit(run(sys.argv[1:]))"
    return run([sys.executable, "-c", patient, "diagnose", *target, "--json"], check=False, cwd=clone, env=env)


def situations(world: World) -> Iterator[Live]:
    """Make one after the other; the world stays as it is until the next is asked for."""
    for make in (_healthy, _frontend, _errors, _configuration, _loop, _migrations, _names, _images, _surroundings):
        yield from make(world)


def _healthy(world: World) -> Iterator[Live]:
    world.ship(API, "good-1")
    world.ship(WEB, "good-1")
    wait_until(lambda: _well(world), "every HEALTHCHECK passes")
    yield Live("an api that works", API, Scenario.HEALTHY, Action.NOTHING)
    yield Live("a page that works", WEB, Scenario.HEALTHY, Action.NOTHING)


def _well(world: World) -> bool:
    """Whether every HEALTHCHECK passes: what is starting is not known to be healthy."""
    return all(one.health in {"", "healthy"} for service in (API, WEB) for one in world.running(service))


def _frontend(world: World) -> Iterator[Live]:
    world.ship(WEB, "blank")
    wait_until(lambda: world.answer(WEB)[0] == 200, "the page answers")
    yield Live("a script of the page is missing", WEB, Scenario.FRONTEND, Action.ROLLBACK)
    world.ship(WEB, "good-2")
    _script(world, "shop.start();")
    yield Live("a script of the page stops at an error", WEB, Scenario.FRONTEND, Action.ROLLBACK)
    _script(world, "document.body.textContent = 'shop'; fetch('http://127.0.0.1:9/t.js')")
    yield Live("only what others serve is missing", WEB, Scenario.HEALTHY, Action.NOTHING)


def _script(world: World, text: str) -> None:
    """Put another script in place of the page's own."""
    container, writes = (
        Member(world.project(WEB), "web").ids()[0],
        'for at in /srv/assets/*.js; do echo "$0" >$at; done',
    )
    docker("exec", container, "sh", "-c", writes, text)


def _errors(world: World) -> Iterator[Live]:
    world.ship(API, "http-500")
    wait_until(lambda: world.answer(API)[0] == 500, "production answers 500")
    yield Live("an exception in every request", API, Scenario.API_ERRORS, Action.ROLLBACK)


def _configuration(world: World) -> Iterator[Live]:
    world.ship(API, "config-error")
    _loops(world)
    yield Live("a key is missing", API, Scenario.CONFIGURATION, Action.ROLLBACK, "SHOP_GREETING")


def _loop(world: World) -> Iterator[Live]:
    world.ship(API, "crash-loop")
    _loops(world)
    yield Live("it exits a second after it answered", API, Scenario.API_ERRORS, Action.ROLLBACK)


def _migrations(world: World) -> Iterator[Live]:
    _psql(world, "UPDATE schema_migrations SET version = 9")
    world.ship(API, "strict-1", wait=False)
    _loops(world)
    yield Live("the database is ahead of the release", API, Scenario.MIGRATION, Action.HUMAN)


def _psql(world: World, sql: str) -> None:
    docker("exec", world.database.ids()[0], "psql", "-U", "shop", "-c", sql)


def _names(world: World) -> Iterator[Live]:
    world.ship(API, "good-2")
    text = world.show(COMPOSE)
    _deploy(world, text.replace("@db:5432", "@db-nowhere:5432"), "database: another host")
    wait_until(lambda: world.answer(API)[0] == 503, "production answers 503")
    yield Live("the database's host was mistyped", API, Scenario.CONFIGURATION, Action.CONFIG_ROLLBACK)
    _deploy(world, text, "database: the host as before")
    world.wait_serving(API, world.tag(API, "good-2"))
    world.database.stop()
    wait_until(lambda: world.answer(API)[0] == 503, "production answers 503")
    yield Live("the database was stopped", API, Scenario.DEPENDENCY, Action.HUMAN)
    world.database.start()
    world.wait_serving(API, world.tag(API, "good-2"))


def _images(world: World) -> Iterator[Live]:
    world.registry.delete(API, world.tag(API, "good-3"))
    world.forget_image(API, "good-3")
    world.ship(API, "good-3", deploy=False)
    yield Live("the pinned image was never pushed", API, Scenario.IMAGE_MISSING, Action.HUMAN)


def _surroundings(world: World) -> Iterator[Live]:
    world.ship(API, "good-4")
    text = world.show(COMPOSE)
    port = f'    ports: ["127.0.0.1:{world.registry.port}:8080"]\n    restart:'
    with contextlib.suppress(SandboxError):  # the deploy fails, as it does for the team
        _deploy(world, text.replace("    restart:", port, 1), "api: published on a port")
    yield Live("the port is another container's", API, Scenario.PORT_TAKEN, Action.HUMAN)
    _deploy(world, text, "api: no port")
    world.wait_serving(API, world.tag(API, "good-4"))
    Member(world.project(WEB), "web").stop()
    Member(world.project(API), "api").stop()
    yield Live("everything was stopped", API, Scenario.SEVERAL_DOWN, Action.HUMAN)


def _deploy(world: World, text: str, message: str) -> None:
    world.commit({COMPOSE: text}, message)
    world.deploy(API)


def _loops(world: World) -> None:
    wait_until(lambda: any(one.restarts > 1 for one in world.running(API)), "the api has restarted twice")
