"""What `status` says of the real world."""

import json

from sandbox.world import World


def told(world: World, *arguments: str) -> dict[str, object]:
    done = world.lastgood("status", "shop-api", "prod", "--json", *arguments, check=0)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_release_that_was_put_back_and_answers_must_be_called_healthy() -> None:
    with World.up() as world:
        good = world.ship("shop-api", "good-1")
        world.ship("shop-api", "http-500")
        world.lastgood("rollback", "shop-api", "prod", "--yes", check=0)
        seen = told(world)
        assert seen["health"] == "healthy"
        assert seen["drift"] == ""
        assert seen["running"] == {
            "fact": "known",
            "value": {"repository": world.repository("shop-api"), "tag": good.tag, "digest": good.digest},
        }


def test_what_cannot_be_seen_must_be_unknown_and_never_healthy() -> None:
    with World.up() as world:
        world.ship("shop-api", "good-1")
        away = {"DOCKER_HOST": f"unix://{world.root}/nothing.sock"}
        done = world.lastgood("status", "shop-api", "prod", "--json", env={**world.env, **away})
        seen = json.loads(done.stdout)
        assert seen["health"] == "unknown"
        assert seen["running"]["fact"] == "unknown"
        assert seen["running"]["reason"]
