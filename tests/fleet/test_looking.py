"""Questions to three servers, and what they keep for whoever asks: none of it changes anything."""

import json
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from servers import AUDIT, ENV, ROLLBACK, TARGET, Servers, answers_changed, named

from lastgood.model.errors import Exit
from sandbox.fleet import HOME_GO, FleetWorld
from sandbox.hosts import Host
from sandbox.run import wait_until
from tests.judge.live import patiently
from tests.standin.held import LONG, not_held

LEFT = {f"{AUDIT.partition('/audit')[0]}/{what}/{HOME_GO}@{ENV}.jsonl" for what in ("verdicts", "errors")}
MARK = "hunter2-of-the-database"


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with FleetWorld.up(3, engine="compose") as world:
        servers = Servers(world)
        world.ship(HOME_GO, "good-1", deploy=False)
        world.ship(HOME_GO, "good-2")
        wait_until(lambda: servers.tells("status", HOME_GO, ENV)["health"] == "healthy", "all containers are healthy")
        yield servers


@contextmanager
def one_down(servers: Servers) -> Iterator[None]:
    servers.hosts[1].down()
    try:
        yield
    finally:
        servers.hosts[1].up_again()


def test_status_sees_every_server_with_one_login_each_and_changes_nothing(servers: Servers) -> None:
    before, logins = servers.untouched(), [host.logins() for host in servers.hosts]
    said = servers.tells("status", HOME_GO, ENV)
    assert (said["health"], said["drift"]) == ("healthy", "")
    assert said["running"]["value"]["digest"] == servers.world.digest(HOME_GO, "good-2")
    assert len(said["containers"]) == 3
    assert len(said["looks"]) == 3
    assert [host.logins() - was for host, was in zip(servers.hosts, logins, strict=True)] == [1, 1, 1]
    assert servers.untouched() == before


def test_history_and_plan_touch_nothing(servers: Servers) -> None:
    before = servers.untouched()
    past = servers.tells("history", HOME_GO, ENV)
    tags = [one["release"]["image"]["tag"] for one in past["releases"]]
    assert tags[:2] == [servers.tag("good-2"), servers.tag("good-1")]
    planned = servers.tells("plan", HOME_GO, ENV)
    switches = [one["host"] for one in planned["plan"]["attempts"][0]["steps"] if one["step"] == "switch"]
    assert switches == [host.url for host in servers.hosts]
    assert servers.untouched() == before


def test_a_server_that_is_down_is_unknown_by_name_and_never_healthy(servers: Servers) -> None:
    with one_down(servers):
        said = servers.tells("status", HOME_GO, ENV)
        overview = servers.does("status")
        plan = servers.does("plan", HOME_GO, ENV, ends=Exit.REFUSED)
        check = servers.does("check", HOME_GO, ENV, ends=Exit.REFUSED)
        doctor = servers.does("doctor", HOME_GO, ENV, ends=Exit.NEEDS_HUMAN)
        diagnosis = servers.tells("diagnose", HOME_GO, ENV, ends=Exit.NEEDS_HUMAN)
    down, *others = servers.hosts[1], servers.hosts[0], servers.hosts[2]
    assert said["health"] == "unknown"
    assert down.address in said["health_because"]
    assert not named(said["health_because"], others)
    assert "healthy" not in overview
    for text in (plan, check):
        assert down.address in text
    assert re.search(rf"(?im)^.*{re.escape(down.address)}.*(fail|no answer|cannot).*$", doctor)
    assert (diagnosis["scenario"], diagnosis["recommendation"]["action"]) == ("unknown", "human")
    assert down.address in " ".join(diagnosis["unknown"])


def patient(servers: Servers) -> dict[str, Any]:
    """The diagnosis, given time."""
    laptop = servers.world.laptop
    done = patiently(laptop.clone, laptop.env, HOME_GO, ENV)
    assert done.returncode == Exit.DONE, done
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_a_diagnosis_finds_servers_well_that_are_and_leaves_nothing(servers: Servers) -> None:
    before = servers.untouched()
    found = patient(servers)
    assert (found["scenario"], found["unknown"]) == ("healthy", [])
    assert servers.untouched() == before


def test_check_judges_what_runs_on_all_servers_and_leaves_what_it_found_alone(servers: Servers) -> None:
    before = servers.untouched()
    said = servers.tells("check", HOME_GO, ENV)
    assert said["exit"] == 0
    after = servers.untouched()
    assert replace(after, states=before.states) == before
    for old, new in zip(before.states, after.states, strict=True):
        assert set(new.splitlines()) - set(old.splitlines()) <= LEFT
        assert set(new.splitlines()) >= LEFT


def test_doctor_looks_at_every_server_and_leaves_nothing(servers: Servers) -> None:
    before = servers.untouched()
    done = servers.world.lastgood("doctor", HOME_GO, ENV, "--json")
    for host in servers.hosts:
        assert host.address in done.stdout
    assert servers.untouched() == before


def test_a_wrong_clock_on_a_server_is_what_doctor_says(servers: Servers) -> None:
    """The engine there tells another century, as it does where the machine's clock is wrong."""
    host = servers.hosts[2]
    with answers_changed(host, 's/"clock":"20/"clock":"21/'):
        said = servers.world.lastgood("doctor", HOME_GO, ENV).stdout
    assert [line for line in said.splitlines() if "behind" in line and host.address in line]


def starts(servers: Servers, host: int) -> str:
    """When the service's containers were started on a server."""
    return servers.hosts[host].docker("inspect", "--format", "{{.State.StartedAt}}", *servers.ids(host))


def test_a_restart_is_one_on_every_server(servers: Servers) -> None:
    started = [starts(servers, host) for host in range(3)]
    ids = [servers.ids(host) for host in range(3)]
    servers.does("restart", HOME_GO, ENV)
    now = [starts(servers, host) for host in range(3)]
    assert all(was != after for was, after in zip(started, now, strict=True))
    assert [servers.ids(host) for host in range(3)] == ids
    assert servers.leases() == []


def test_the_record_on_the_server_grows_only_and_anybody_reads_it(servers: Servers) -> None:
    host = servers.hosts[0]
    servers.does("restart", HOME_GO, ENV)
    first = host.read(AUDIT)
    other = servers.world.another_laptop()
    servers.does("restart", HOME_GO, ENV, laptop=other)
    second = host.read(AUDIT)
    assert second.startswith(first)
    assert len(second) > len(first)
    read = other_reads(servers)
    assert read == second
    runs = re.findall(rf"(?m)^(\S+) (\S+) pid \d+ (\S+) restart of {TARGET}", read)
    assert len({run for _, _, run in runs}) >= 2
    theirs = runs[-1][2]  # which the first laptop knows from the servers alone, and leaves to the other
    found = servers.tells("verify", theirs)
    assert found["verdict"] == "whole"
    assert {one["lines"] for one in found["witnesses"] if one["lines"]} == {found["lines"]}
    assert servers.tells("postmortem", theirs)["target"] == TARGET
    assert theirs not in servers.does("runs")
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", at) for at, _, _ in runs)
    assert re.search(r"(?m)ended with exit 0: .* was restarted|ended with exit 0", read)
    mode = stat.S_IMODE(int(host.exec("stat", "-c", "%f", AUDIT).stdout, 16))
    assert mode & stat.S_IROTH
    assert not mode & stat.S_IWOTH


def other_reads(servers: Servers) -> str:
    """A colleague logs in and reads, as people do."""
    return servers.world.another_laptop().ssh(servers.hosts[0], f"cat {AUDIT}").stdout


def test_no_secret_is_in_the_record(servers: Servers) -> None:
    path = f"envs/{ENV}/apps/{HOME_GO}/values.yaml"
    text = servers.world.show(path)
    servers.world.commit({path: f"{text}database_password: {MARK}\n"}, "A secret where none should be")
    servers.world.ship(HOME_GO, "http-500")
    servers.rollback(ends=Exit.DONE)
    for host in servers.hosts:
        kept = host.exec("sh", "-c", 'cat "$0"/audit/* "$0"/runs/*', AUDIT.partition("/audit")[0]).stdout
        assert servers.tag("http-500") in kept
        assert MARK not in kept


@contextmanager
def unanswered(hosts: Sequence[Host], program: str) -> Iterator[Path]:
    """On these hosts the program never ends; the file is there on each once it was asked."""
    asked = Path(f"/tmp/{program}-asked")
    hangs = f"#!/bin/sh\ntouch {asked}\nexec sleep {LONG:.0f}\n"
    # Bound over the real one, for the server's own view of its disks alone.
    binds = 'printf %s "$1" > "$2" && chmod 755 "$2" && mount --bind "$2" "$(command -v "$0")"'
    for host in hosts:
        host.exec("sh", "-c", binds, program, hangs, f"/run/{program}", user="root")
    try:
        yield asked
    finally:
        for host in hosts:
            host.exec("sh", "-c", 'umount "$(command -v "$0")"', program, user="root")


def test_a_bad_release_is_what_a_diagnosis_names_and_servers_that_do_not_answer_it_delay_no_rollback(
    servers: Servers,
) -> None:
    servers.world.ship(HOME_GO, "http-500-b")
    found = patient(servers)
    assert (found["scenario"], found["recommendation"]["action"]) == ("api-errors", "rollback")
    assert servers.tag("http-500-b") in found["changed"][0]
    assert {"log", "health"} <= {one["source"] for one in found["evidence"]}
    # Only a diagnosis asks how many processors there are.
    with unanswered(servers.hosts, "nproc") as asked, not_held():
        servers.does(*ROLLBACK[:-1], ends=Exit.CONSENT_NEEDED)
    for host in servers.hosts:
        host.exec("test", "-e", str(asked))


def known_from(said: dict[str, Any]) -> set[str]:
    """Who knows what the release's logs showed earlier."""
    (watch,) = said["logs"]
    return set(watch["before"])


def test_what_one_machine_has_judged_and_read_every_other_one_knows(servers: Servers) -> None:
    servers.world.ship(HOME_GO, "good-3")
    wait_until(lambda: servers.tells("status", HOME_GO, ENV)["health"] == "healthy", "all containers are healthy")
    assert servers.tells("history", HOME_GO, ENV)["releases"][0]["evidence"]["grade"] == "unproven"
    servers.does("check", HOME_GO, ENV, laptop=servers.world.another_laptop())
    newest = servers.tells("history", HOME_GO, ENV)["releases"][0]
    assert (newest["release"]["image"]["tag"], newest["evidence"]["grade"]) == (servers.tag("good-3"), "verified")
    theirs = {f"{host.address}:2222" for host in servers.hosts}
    # A server that is busy may be too late for one of them.
    wait_until(
        lambda: theirs <= known_from(servers.tells("check", HOME_GO, ENV)), "what the other laptop read is known"
    )
