"""Quarantine and rollback, on the real engine."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.world import World

API = "shop-api"


@pytest.fixture
def world() -> Iterator[World]:
    with World.up() as built:
        yield built


def does(world: World, *words: str, ends: int = 0) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(world.lastgood(*words, "--json", check=ends).stdout)
    return said


def quarantine(world: World, verb: str, release: str) -> None:
    world.lastgood("quarantine", verb, API, "prod", world.tag(API, release), "--because", "loses orders", check=0)


def test_a_release_in_quarantine_must_never_be_chosen(world: World) -> None:
    for release in ("good-1", "good-2", "http-500"):
        world.ship(API, release)
    quarantine(world, "add", "good-2")
    assert does(world, "status", API, "prod")["last_good"]["value"]["image"]["tag"] == world.tag(API, "good-1")
    grades = {
        each["release"]["image"]["tag"]: each["evidence"]["grade"]
        for each in does(world, "history", API, "prod")["releases"]
    }
    assert grades[world.tag(API, "good-2")] == "quarantined"
    refused = does(world, "rollback", API, "prod", "--yes", "--to", world.tag(API, "good-2"), ends=3)
    assert "is in quarantine" in refused["what"]
    does(world, "rollback", API, "prod", "--yes")
    assert world.serving(API) == world.tag(API, "good-1")


def test_what_a_rollback_condemned_must_stay_away_until_it_is_lifted(world: World) -> None:
    for release in ("good-1", "http-500"):
        world.ship(API, release)
    bad = world.tag(API, "http-500")
    does(world, "rollback", API, "prod", "--yes")
    refused = does(world, "plan", API, "prod", "--to", bad, ends=3)
    quarantine(world, "lift", "http-500")
    assert refused["next"][1].startswith(f"lastgood quarantine lift {API} prod {bad} --because")
    planned = does(world, "plan", API, "prod", "--to", bad)["plan"]["attempts"][0]
    assert planned["parts"][0]["evidence"]["grade"] == "unproven"
    assert planned["parts"][0]["evidence"]["hints"][-1].endswith(": loses orders")


def test_a_quarantine_that_cannot_be_read_must_stop_what_chooses_by_itself(world: World) -> None:
    for release in ("good-1", "http-500"):
        world.ship(API, release)
    world.commit({"quarantine.yaml": "quarantine: {}\n"}, "typo")
    refused = does(world, "rollback", API, "prod", "--yes", ends=3)
    assert refused["because"][0].startswith("quarantine.yaml:")
    assert does(world, "status", API, "prod")["last_good"]["fact"] == "unknown"
    does(world, "rollback", API, "prod", "--yes", "--to", world.tag(API, "good-1"))
    assert world.serving(API) == world.tag(API, "good-1")
