"""The images of the way back: named, protected by tags of ours, released again, and never taken for other releases."""

import json
import os
from collections.abc import Iterator
from difflib import ndiff
from pathlib import Path

import pytest
from shop import API, ENV, Shop

from lastgood.effects.process import LocalProcess
from lastgood.engines import _keeping
from lastgood.model.command import Command
from lastgood.model.errors import Exit
from sandbox import oci as packing
from sandbox import prepare
from sandbox.registry import Registry
from sandbox.run import docker, run, wait_until


def tags(shop: Shop) -> set[str]:
    """The repository's tags on the engine."""
    repository = shop.world.repository(API)
    return set(docker("image", "ls", "--format", "{{.Tag}}", repository).split()) - {"<none>"}


def kept(shop: Shop) -> set[str]:
    return {tag.removeprefix("lastgood-keep-") for tag in tags(shop) if tag.startswith("lastgood-keep-")}


def pretty(plan: object) -> list[str]:
    return json.dumps(plan, indent=1).splitlines(keepends=True)


def test_the_images_of_the_way_back_must_be_told_with_where_they_are(shop: Shop) -> None:
    shop.ships("good-1", "good-2", "http-500")
    shop.world.registry.delete(API, shop.tag("good-1"))
    shop.forget("good-2")
    said = shop.does("images", API, ENV, "-n", "2")
    rows = {one["image"]["tag"]: one for one in said["images"]}
    assert list(rows) == [shop.tag(name) for name in ("http-500", "good-2", "good-1")]
    assert [one["runs"] for one in rows.values()] == [True, False, False]
    assert [one["hosts"] for one in rows.values()] == [["local"], [], ["local"]]
    assert [one["registry"] for one in rows.values()] == ["there", "there", "gone"]
    assert rows[shop.tag("good-1")]["image"]["digest"] == shop.digest("good-1")
    assert rows[shop.tag("good-1")]["size"] > 1_000_000
    assert any("is only on local" in warning for warning in said["warnings"])


def test_a_registry_that_is_down_must_be_unknown_and_never_gone(shop: Shop) -> None:
    shop.ships("good-1", "http-500")
    shop.world.registry.stop()
    said = shop.does("images", API, ENV)
    assert all(one["registry"].startswith("unknown: ") for one in said["images"])


def test_protected_images_must_survive_the_loss_of_tag_and_registry_and_be_gone_back_to(shop: Shop) -> None:
    shop.ships("good-1", "http-500")
    shop.does("images", "protect", API, ENV)
    assert kept(shop) == {shop.tag("good-1"), shop.tag("http-500")}
    docker("image", "rm", f"{shop.world.repository(API)}:{shop.tag('good-1')}")
    shop.world.registry.delete(API, shop.tag("good-1"))
    assert shop.tag("good-1") not in tags(shop)
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-1")


def test_protecting_must_change_nothing_the_second_time(shop: Shop) -> None:
    shop.ships("good-1", "http-500")
    scene = shop.scene()
    first = shop.does("images", "protect", API, ENV)
    assert len(first["done"]) == 2
    before = tags(shop)
    again = shop.does("images", "protect", API, ENV)
    assert (again["done"], again["failed"], again["kept"]) == ([], [], [])
    assert tags(shop) == before
    assert shop.scene() == scene


def test_our_tags_must_not_be_taken_for_releases(shop: Shop) -> None:
    shop.ships("good-1", "good-2", "http-500")
    plain = shop.does("history", API, ENV)
    plan = shop.does("plan", API, ENV)
    shop.does("images", "protect", API, ENV)
    assert shop.does("history", API, ENV) == plain
    again = shop.does("plan", API, ENV)
    assert again["digest"] == plan["digest"], "".join(ndiff(*(pretty(one["plan"]) for one in (plan, again))))


def test_what_is_no_longer_needed_must_be_released_but_never_an_images_last_tag(shop: Shop) -> None:
    shop.ships("good-1", "good-2", "good-3", "http-500")
    repository = shop.world.repository(API)
    shop.does("images", "protect", API, ENV, "-n", "3")
    docker("image", "rm", f"{repository}:{shop.tag('good-1')}")
    said = shop.does("images", "protect", API, ENV, "-n", "1")
    assert kept(shop) == {shop.tag(name) for name in ("http-500", "good-3", "good-1")}
    assert shop.tag("good-2") in tags(shop)
    (stays,) = said["kept"]
    assert shop.tag("good-1") in stays
    shop.does("images", "protect", API, ENV, "-n", "1", "--release")
    assert kept(shop) == {shop.tag("http-500"), shop.tag("good-3")}
    assert shop.tag("good-3") in tags(shop)


def test_protecting_must_be_refused_while_it_cannot_be_seen_what_runs(shop: Shop) -> None:
    shop.ships("good-1", "http-500")
    shop.does("images", "protect", API, ENV, on={"DOCKER_HOST": "unix:///nonexistent.sock"}, ends=Exit.REFUSED)
    assert kept(shop) == set()


def test_words_that_mean_nothing_must_be_refused(shop: Shop) -> None:
    for words in (("images", "protect", API, ENV, "more"), ("images", API, ENV, "--release")):
        shop.does(*words, ends=Exit.USAGE)


@pytest.fixture
def image(tmp_path: Path) -> Iterator[tuple[str, str, str]]:
    """An image of its own on the engine, pulled by digest: repository, image id, and a label that only it has."""
    prepare.ensure()
    label = f"dev.lastgood.prune={os.getpid()}"
    with Registry.temporary(tmp_path) as registry:
        layers = (packing.Layer.of_files({"a": str(os.getpid()).encode()}),)
        key, _, value = label.partition("=")
        made = packing.Image(layers, {"Labels": {key: value}, "Cmd": ["/a"]})
        digest = packing.push(registry.url, "prune", "one", made)
        repository = f"{registry.host}/prune"
        docker("pull", "--quiet", f"{repository}@{digest}")
        image_id = docker("image", "inspect", "--format", "{{.Id}}", f"{repository}@{digest}")
        try:
            yield repository, image_id, label
        finally:
            docker("image", "rm", "--force", image_id, check=False)


def here(image_id: str) -> bool:
    return run(["docker", "image", "inspect", image_id], check=False).returncode == 0


def prune(label: str, what: str = "image", *options: str) -> None:
    """Prunes what has the label, in its turn: an engine refuses a prune while anybody else's is running."""
    argv = ("docker", what, "prune", "--force", "--filter", f"label={label}", *options)

    def over() -> bool:
        done = run(argv, check=False)
        assert not done.returncode or "already running" in done.stderr, done.stderr
        return not done.returncode

    wait_until(over, f"{what} prune has its turn")


def did(command: Command) -> bool:
    return LocalProcess().run(command).ok


def test_an_image_pulled_by_digest_is_pruned_unless_our_tag_keeps_it(image: tuple[str, str, str]) -> None:
    repository, image_id, label = image
    assert did(_keeping.keep(repository, image_id, "one"))
    prune(label)
    assert here(image_id)


def test_an_untagged_image_is_pruned(image: tuple[str, str, str]) -> None:
    _, image_id, label = image
    prune(label)
    assert not here(image_id)


def test_our_tag_does_not_protect_from_pruning_all_but_a_container_that_never_ran_does(
    image: tuple[str, str, str],
) -> None:
    repository, image_id, label = image
    assert did(_keeping.keep(repository, image_id, "one"))
    container = docker("create", "--label", label, image_id)
    prune(label, "image", "--all")
    assert here(image_id)
    prune(label, "container")
    assert not docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"id={container}")
    prune(label, "image", "--all")
    assert not here(image_id)
