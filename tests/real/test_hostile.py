import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from operating import ROLLBACK, bad_release_in_production, git, says_no
from shop import API, COMPOSE, ENV, PIN, Shop

from lastgood.model.errors import Exit
from sandbox.run import docker, run
from sandbox.world import World

ESCAPE = "\x1b]0;owned\x07\x1b[31mred\x1b[2J"
HOSTILE = {
    "an option": "--force",
    "a path": "../../../../etc/passwd",
    "a command": "$(touch owned)",
    "a newline": "one\ntwo",
    "an escape sequence": ESCAPE,
    "not UTF-8": "caf\udce9",
    "direction override": "\u202egnp.exe",
}
EACH = pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)


@pytest.fixture(scope="module")
def calm() -> Iterator[Shop]:
    """One world for everything that must not change it."""
    with World.up() as world:
        shop = Shop(world)
        bad_release_in_production(shop)
        yield shop


@pytest.fixture
def tip(calm: Shop) -> Iterator[Shop]:
    """The same world, for what stands at the tip of main only: afterwards nobody has ever seen it."""
    before = git(calm, "rev-parse", "main")
    yield calm
    git(calm, "update-ref", "refs/heads/main", before)
    for home in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        shutil.rmtree(Path(calm.world.env[home]) / "lastgood", ignore_errors=True)


def harmless(said: str) -> bool:
    """Whether a terminal would only print it."""
    return all(char.isprintable() or char == "\n" for char in said)


def refused(shop: Shop, *words: str, ends: Exit) -> str:
    """A call that must end so, change nothing, leave nothing behind and say nothing that a terminal obeys."""
    said = says_no(shop, *words, ends=ends)
    assert harmless(said)
    assert not list(Path(shop.world.root).rglob("owned"))
    return said


def config(shop: Shop) -> str:
    return (shop.world.laptop / "lastgood.yaml").read_text()


def with_config(shop: Shop, text: str, *, ends: Exit = Exit.USAGE) -> str:
    """What a rollback says to another lastgood.yaml."""
    before = config(shop)
    (shop.world.laptop / "lastgood.yaml").write_text(text)
    try:
        done = shop.world.lastgood(*ROLLBACK, check=ends)
    finally:
        (shop.world.laptop / "lastgood.yaml").write_text(before)
    assert harmless(done.stdout + done.stderr)
    return done.stdout + done.stderr


def test_a_lastgood_yaml_that_is_no_yaml_is_refused_with_its_line(calm: Shop) -> None:
    before = calm.scene()
    assert "lastgood.yaml:2" in with_config(calm, config(calm).replace("  prod:", "\tprod:"))
    assert calm.scene() == before


def test_a_wrong_value_in_lastgood_yaml_is_refused_with_its_place(calm: Shop) -> None:
    before = calm.scene()
    said = with_config(calm, config(calm).replace("passes: 3", "passes: many"))
    assert f"services.{API}.gate.passes" in said
    assert calm.scene() == before


def test_a_misspelt_key_in_lastgood_yaml_is_refused_with_the_nearest_one(calm: Shop) -> None:
    before = calm.scene()
    said = with_config(calm, config(calm).replace("walk_back:", "walkback:"))
    assert "walkback" in said
    assert "walk_back" in said
    assert calm.scene() == before


def test_a_service_that_does_not_exist_is_named(calm: Shop) -> None:
    said = refused(calm, "rollback", "shop-apo", ENV, "--yes", ends=Exit.USAGE)
    assert "shop-apo" in said
    assert API in said


def test_an_environment_that_does_not_exist_is_named(calm: Shop) -> None:
    said = refused(calm, "rollback", API, "prd", "--yes", ends=Exit.USAGE)
    assert "prd" in said
    assert ENV in said


def test_swapped_arguments_are_answered_with_the_right_command(calm: Shop) -> None:
    said = refused(calm, "rollback", ENV, API, "--yes", ends=Exit.USAGE)
    assert f"lastgood rollback {API} {ENV} --yes" in said


def test_a_tag_that_never_existed_is_named_with_those_that_did(calm: Shop) -> None:
    said = refused(calm, *ROLLBACK, "--to", "sha-fffffff", ends=Exit.USAGE)
    assert "sha-fffffff" in said
    assert calm.tag("good-1") in said


@EACH
def test_a_hostile_service_is_only_a_name(calm: Shop, name: str) -> None:
    refused(calm, "rollback", "--yes", "--", name, ENV, ends=Exit.USAGE)


@EACH
def test_a_hostile_environment_is_only_a_name(calm: Shop, name: str) -> None:
    refused(calm, "rollback", "--yes", "--", API, name, ends=Exit.USAGE)


@EACH
def test_a_hostile_release_is_only_a_name(calm: Shop, name: str) -> None:
    refused(calm, *ROLLBACK, f"--to={name}", ends=Exit.USAGE)


@EACH
def test_a_hostile_run_is_only_a_name(calm: Shop, name: str) -> None:
    for verb in ("show", "resume", "abort"):
        refused(calm, verb, "--", name, ends=Exit.USAGE)


@EACH
def test_a_hostile_plan_digest_approves_nothing(calm: Shop, name: str) -> None:
    done = calm.world.lastgood("rollback", API, ENV, f"--plan={name}")
    assert done.returncode in {Exit.USAGE, Exit.WORLD_MOVED}
    refused(calm, "rollback", API, ENV, f"--plan={name}", ends=Exit(done.returncode))


def test_a_values_file_that_is_broken_at_the_tip_is_named_with_its_line(tip: Shop) -> None:
    tip.world.commit({PIN: "image:\n  repository: [\n"}, "Break the values")
    assert PIN in refused(tip, *ROLLBACK, ends=Exit.REFUSED)


def test_a_compose_file_that_is_broken_at_the_tip_is_named(tip: Shop) -> None:
    tip.world.commit({COMPOSE: "services: [\n"}, "Break the Compose file")
    assert COMPOSE in refused(tip, *ROLLBACK, ends=Exit.REFUSED)


@pytest.mark.parametrize("tag", ["--force", "../x", "$(touch owned)", "one\\ntwo", "\\e[31mred", "\\0"])
def test_a_hostile_tag_at_the_tip_does_nothing_but_stand_there(tip: Shop, tag: str) -> None:
    text = tip.world.show(PIN)
    hostile = text.replace(f"tag: {tip.tag('http-500')}", f'tag: "{tag}"')
    assert hostile != text
    tip.world.commit({PIN: hostile}, "Pin something strange")
    for verb in ("status", "history", "plan"):
        assert harmless("".join(said_by(tip, verb, API, ENV)))
    assert PIN in refused(tip, *ROLLBACK, ends=Exit.REFUSED)


def said_by(shop: Shop, *words: str) -> tuple[str, str]:
    done = shop.world.lastgood(*words)
    return done.stdout, done.stderr


def test_hostile_commit_messages_and_authors_are_only_shown(shop: Shop) -> None:
    world = shop.world
    shop.commits("good-1")
    message = f"{ESCAPE} $(touch owned)\n\nLastgood-Bad: {ESCAPE}\nLastgood-Run: --force"
    author = f"{ESCAPE} <kim@shop.example>"
    world._repo.commit({PIN: world.show(PIN) + "# later\n"}, message, author=author)
    text = world.show(PIN).replace(shop.tag("good-1"), shop.tag("http-500"))
    world._repo.commit({PIN: text}, message, author=author)
    world.deploy(API)
    shop.fails_with(500)
    for verb in ("history", "plan", "status"):
        assert harmless("".join(said_by(shop, verb, API, ENV)))
    done = world.lastgood(*ROLLBACK, check=Exit.DONE)
    assert harmless(done.stdout + done.stderr)
    assert harmless("".join(said_by(shop, "show", shop.latest_run())))
    assert not list(world.root.rglob("owned"))
    assert shop.serves("good-1")


def test_escape_sequences_in_container_logs_reach_no_terminal(shop: Shop) -> None:
    bad_release_in_production(shop)
    container = shop.running()[0].container
    code = f"open('/proc/1/fd/1', 'w').write({ESCAPE!r} + '\\n')"
    docker("exec", container, "/usr/bin/python3.11", "-c", code)
    assert "\x1b" in docker("logs", container)
    done = shop.world.lastgood(*ROLLBACK, check=Exit.DONE)
    assert harmless(done.stdout + done.stderr)
    assert harmless("".join(said_by(shop, "show", shop.latest_run())))
    assert shop.serves("good-1")


def test_names_in_git_s_own_configuration_are_not_run(shop: Shop) -> None:
    bad_release_in_production(shop)
    owned = shop.world.root / "owned"
    hook = shop.world.laptop / ".git/hooks/pre-push"
    hook.write_text(f"#!/bin/sh\ntouch {shlex.quote(str(owned))}\n")
    hook.chmod(0o755)
    run(["git", "-C", shop.world.laptop, "config", "core.fsmonitor", f"touch {owned}"], env=shop.world.env)
    shop.rollback(ends=Exit.DONE)
    assert not owned.exists()
