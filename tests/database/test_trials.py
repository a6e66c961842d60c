"""Whether a trial out of traffic could say anything, by what Docker shows of containers and images."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from lastgood.database.trials import configured, untriable
from lastgood.model.command import Child, Command, Completed
from lastgood.model.facts import Known
from lastgood.model.release import Image
from lastgood.model.step import Runnable

CHECK = {"Test": ["CMD-SHELL", "curl -f localhost"], "Interval": 5_000_000_000}
OLDER = Runnable(Image("ghcr.io/x/api", "sha-two", "sha256:2"), "sha256:id-two")
NAMES = ("shop-api-1", "shop-worker-1")


class Docker:
    """An engine that has containers and images, by name or id, with the HEALTHCHECK of each."""

    def __init__(self, **health: dict[str, Any] | None) -> None:
        self.health = {"shop-worker-1": None, "sha256:id-bad": None, "sha256:id-two": None} | {
            name.replace("_", "-").replace("id-", "sha256:id-"): each for name, each in health.items()
        }

    def run(
        self,
        command: Command,
        *,
        on_start: Callable[[Child], None] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        del on_start, on_line
        *_, form, _, name = command.argv
        if name not in self.health:
            return Completed(command, 1, b"", b"Error: no such object", 0.1)
        said = "sha256:id-bad" if "Image" in form else json.dumps({"Env": [], "Healthcheck": self.health[name]})
        return Completed(command, 0, said.encode(), b"", 0.1)


@pytest.mark.parametrize(
    ("engine", "why"),
    [
        (Docker(shop_api_1=CHECK), ""),
        (Docker(shop_api_1=None, shop_worker_1=CHECK), ""),
        (Docker(shop_api_1=None, id_two=CHECK), ""),
        (Docker(shop_api_1=None), "neither sha-two nor the container shop-api-1 has a HEALTHCHECK to tell by"),
        (Docker(shop_api_1={"Test": ["NONE"]}, id_two={"Test": ["NONE"]}), "neither sha-two nor"),
        (Docker(shop_api_1={"Test": []}, id_two={}), "neither sha-two nor"),
        (Docker(), "no such object"),
    ],
    ids=["container", "another container", "image", "none", "disabled", "empty", "container gone"],
)
def test_a_trial_must_have_a_healthcheck_that_runs(engine: Docker, why: str) -> None:
    found = untriable(engine, "local", NAMES, OLDER)
    assert why in found
    assert bool(found) is bool(why)


def test_what_is_not_on_the_host_must_not_be_taken_to_have_one() -> None:
    found = untriable(Docker(shop_api_1=None), "ssh://op@a.example", NAMES, Runnable(OLDER.image))
    assert found.endswith("whether sha-two has one is unknown until a.example has it")


def test_the_container_with_a_healthcheck_must_show_how_the_service_is_configured() -> None:
    found = configured(Docker(shop_api_1=None, shop_worker_1=CHECK), "local", NAMES)
    assert isinstance(found, Known)
    assert found.value[0] == "shop-worker-1"
    assert found.value[1].health[0] == "--health-cmd=curl -f localhost"
