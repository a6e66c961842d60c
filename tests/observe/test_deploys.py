"""Deploys that run on a host, read from what its processes say of themselves."""

from typing import Any
from unittest.mock import Mock

import msgspec
import pytest

from lastgood.model.command import Command, Completed
from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import Deploying
from lastgood.observe.deploys import is_deploy, read, running

UPTIME = "1000.50 "


class Options(msgspec.Struct, frozen=True):
    """Of the engine."""

    project: str = "shop"


CHECKOUT = "/srv/deploy"


def target() -> Any:
    return Mock(service="shop-api", env="prod", checkout=CHECKOUT, engine=Mock(options=Options()))


def stat(pid: int, parent: int, began: float, name: str = "sh") -> str:
    """A line of stat(5): everything that is not asked for is 7."""
    fields = ["7"] * 50
    fields[0], fields[1], fields[19] = "S", str(parent), str(int(began * 100))
    return f"{pid} ({name}) {' '.join(fields)}"


def answer(
    processes: dict[int, tuple[str, ...]], *stats: str, uptime: str = UPTIME.strip(), folder: str = CHECKOUT
) -> str:
    lines = (f"{pid}\t{folder}\t" + "".join(word + "\1" for word in argv) for pid, argv in processes.items())
    listed = "".join(f"{line}\n" for line in (CHECKOUT, *lines))
    return f"{listed}\n{uptime}\n" + "".join(f"{line}\n" for line in stats)


SCRIPT = ("bash", "./scripts/compose/deploy-service.sh", "prod", "shop-api")


def test_a_deploy_must_be_found_with_its_age_and_all_processes_below_it() -> None:
    text = answer({40: SCRIPT}, stat(1, 0, 1), stat(40, 1, 990), stat(41, 40, 991), stat(42, 41, 992), stat(50, 1, 3))
    assert read(target(), text) == (Deploying(40, " ".join(SCRIPT), 10.5, (41, 42)),)


def test_what_a_deploy_started_must_not_be_named_as_another_one() -> None:
    compose = ("docker", "compose", "-p", "shop", "up", "-d")
    text = answer({41: compose, 40: SCRIPT}, stat(40, 1, 990), stat(41, 40, 991))
    assert [one.pid for one in read(target(), text)] == [40]


@pytest.mark.parametrize(
    ("argv", "deploys"),
    [
        (SCRIPT, True),
        (("/opt/deploy/scripts/compose/deploy-service.sh", "prod", "shop-api"), True),
        (("deploy-service.sh", "prod", "shop-api", "--verbose"), True),
        (("deploy-service.sh", "staging", "shop-api"), False),
        (("deploy-service.sh", "prod", "shop-api-2"), False),
        (("deploy-service.sh", "prod"), False),
        (("deploy-service.sh",), False),
        (("vi", "deploy-service.sh.bak", "prod", "shop-api"), False),
        (("docker", "compose", "-p", "shop", "up", "-d"), True),
        (("docker", "compose", "--project-name=shop", "restart", "api"), True),
        (("docker-compose", "--project-name", "shop", "pull"), True),
        (("/usr/libexec/docker/cli-plugins/docker-compose", "compose", "-p", "shop", "down"), True),
        (("docker", "compose", "-p", "other", "up"), False),
        (("docker", "compose", "-p", "shop", "ps"), False),
        (("docker", "compose", "-p", "shop", "logs", "-f"), False),
        (("grep", "compose", "shop", "up"), False),
        ((), False),
    ],
)
def test_only_what_changes_the_target_must_be_a_deploy(argv: tuple[str, ...], *, deploys: bool) -> None:
    assert is_deploy(target(), argv) is deploys


@pytest.mark.parametrize(
    ("script", "folder", "deploys"),
    [
        ("./scripts/compose/deploy-service.sh", CHECKOUT, True),
        ("../scripts/compose/deploy-service.sh", f"{CHECKOUT}/envs", True),
        ("scripts/compose/deploy-service.sh", "", True),
        ("/elsewhere/scripts/compose/deploy-service.sh", "/home/robin", True),
        ("deploy-service.sh", "/home/robin", True),
        ("scripts/compose/deploy-service.sh", "/srv/deploy-of-others", False),
        ("../deploy-of-others/scripts/compose/deploy-service.sh", CHECKOUT, False),
    ],
)
def test_only_a_script_of_another_checkout_must_be_another_deploy(script: str, folder: str, *, deploys: bool) -> None:
    text = answer({40: ("sh", script, "prod", "shop-api")}, stat(40, 1, 990), folder=folder)
    assert bool(read(target(), text)) is deploys


@pytest.mark.parametrize("text", ["", "\n", "\n1000.5\n", answer({}, stat(1, 0, 1))])
def test_where_nothing_deploys_there_must_be_none(text: str) -> None:
    assert read(target(), text) == ()


def test_a_process_that_ended_meanwhile_must_be_none() -> None:
    assert read(target(), answer({40: SCRIPT}, stat(1, 0, 1))) == ()


@pytest.mark.parametrize("line_end", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\r"])
def test_words_of_a_process_must_never_pass_for_another_process(line_end: str) -> None:
    forged = f"x{line_end}99\t{CHECKOUT}\t" + "\1".join(SCRIPT)
    found = read(target(), answer({40: ("tail", "compose", forged)}, stat(40, 1, 990), stat(99, 1, 1)))
    assert 99 not in [one.pid for one in found]


def test_the_name_of_a_process_must_never_pass_for_its_numbers() -> None:
    hostile = stat(40, 1, 990, name="a) R 1 1 1 (b")
    assert read(target(), answer({40: SCRIPT}, hostile)) == (Deploying(40, " ".join(SCRIPT), 10.5),)


def test_processes_that_seem_to_be_each_other_s_parents_must_not_hang_the_look() -> None:
    text = answer({40: SCRIPT}, stat(40, 1, 990), stat(41, 40, 991), stat(42, 41, 991), stat(41, 42, 991))
    assert [one.pid for one in read(target(), text)] == [40]


@pytest.mark.parametrize(
    "left",
    [
        Completed(Command(("sh",)), None, failure="killed after 10 s"),
        Completed(Command(("sh",)), 255, stderr=b"ssh: connection refused"),
        Completed(Command(("sh",)), 0, answer({40: SCRIPT}, stat(40, 1, 1), uptime="soon").encode()),
    ],
)
def test_a_host_that_cannot_tell_must_be_unknown_and_never_without_deploys(left: Completed) -> None:
    tools = Mock(process=Mock(run=Mock(return_value=left)))
    assert isinstance(running(target(), tools, "ssh://one.example"), Unknown)


def test_a_host_must_be_asked_on_that_host() -> None:
    tools = Mock(process=Mock(run=Mock(return_value=Completed(Command(("sh",)), 0, b"\n1000.5\n"))))
    assert running(target(), tools, "ssh://one.example") == Known(())
    (asked,) = (call.args[0] for call in tools.process.run.call_args_list)
    assert asked.host == "ssh://one.example"
