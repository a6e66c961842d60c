"""The whole way on one machine and another: a timer's rollback is refused, people are called, one of them answers."""

import json
import os
import pty
import pwd
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lastgood.effects.files import LocalFiles
from lastgood.journal.store import Journal
from lastgood.model.errors import Exit
from lastgood.model.event import Event, RunEnded, StepStarted
from lastgood.model.plan import Facts
from lastgood.run import trail
from lastgood.wiring import Places
from tests.journal.sample import begun
from tests.standin.notifiers import Sink
from tests.standin.services import Service

CONFIG = """\
environments: {{prod: {{hosts: [local], state: "{state}"}}}}
services: {{shop-api: {{probes: [{{kind: http, url: "http://127.0.0.1:9/"}}]}}}}
notifiers: {{hook: {{kind: webhook, url: "{hook}", token: "env:HOOK_TOKEN"}}}}
contacts: [{{who: ann, by: hook}}, {{who: bo, by: hook, after: 1h}}]
"""
VALUES = "image:\n  repository: ghcr.io/axinova/shop-api\n  tag: sha-1\n"
ROLLBACK = ("rollback", "shop-api", "prod", "--yes")


@dataclass
class Team:
    """A deploy repo, a host whose engine does not answer, and machines to operate from."""

    folder: Path
    repo: Path
    sink: Sink

    def command(self, machine: str, *words: str) -> tuple[tuple[str, ...], dict[str, str]]:
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG"}}
        home = {
            "HOME": str(self.folder / machine),
            "DOCKER_HOST": "unix:///nowhere/docker.sock",
            "HOOK_TOKEN": Service.TOKEN,
        }
        (self.folder / machine).mkdir(exist_ok=True)
        argv = (sys.executable, "-m", "lastgood", *words, "--repo", str(self.repo))
        return argv, kept | home | {"GIT_CONFIG_GLOBAL": "/dev/null"}

    def does(self, machine: str, *words: str) -> tuple[int, Any, str]:
        argv, env = self.command(machine, *words, "--json")
        done = subprocess.run(
            argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False
        )
        return done.returncode, json.loads(done.stdout or "null"), done.stderr

    def time_passes(self) -> None:
        """From now on it is the second contact's turn; before, no machine is so busy that it is."""
        config = self.repo / "lastgood.yaml"
        config.write_text(config.read_text().replace("after: 1h", "after: 1s"))

    def called(self) -> list[tuple[str, str]]:
        told = (asked.json for asked in self.sink.taken.values())
        return [(each["who"], each["run"]) for each in told if each["kind"] == "called"]


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    with Sink() as sink:
        repo, remote = tmp_path / "deploy", tmp_path / "remote.git"
        values = repo / "envs/prod/apps/shop-api/values.yaml"
        values.parent.mkdir(parents=True)
        values.write_text(VALUES)
        (repo / "lastgood.yaml").write_text(CONFIG.format(hook=sink.url, state=tmp_path / "server"))
        git = ("git", "-C", str(repo), "-c", "user.name=Robin", "-c", "user.email=robin@shop.example")
        subprocess.run(("git", "init", "-q", "--bare", "-b", "main", str(remote)), check=True)
        for words in (
            ("init", "-q", "-b", "main"),
            ("add", "."),
            ("commit", "-qm", "begin"),
            ("remote", "add", "origin", str(remote)),
            ("push", "-q", "origin", "main"),
        ):
            subprocess.run((*git, *words), check=True)
        yield Team(tmp_path, repo, sink)


def test_a_timer_that_is_refused_must_call_once_until_somebody_answers_from_their_own_machine(team: Team) -> None:
    code, error, _ = team.does("server1", *ROLLBACK)
    assert code == 3, error
    (first,) = team.called()
    assert first[0] == "ann"
    (told,) = team.sink.taken.values()
    assert told.json["what"] == error["what"]
    assert told.json["risk"]
    assert f"lastgood ack {first[1]}" in told.json["next"]
    assert "lastgood rollback shop-api prod --yes --json --repo" in " ".join(told.json["next"])

    code, made, said = team.does("laptop", "ack", first[1])
    assert (code, made["run"], made["target"]) == (0, first[1], "shop-api/prod"), said
    assert "no host could be told" not in said
    again = team.does("desk", "ack", first[1])[1]
    assert again == made  # the first one stays

    assert team.does("server1", *ROLLBACK)[0] == 3
    team.time_passes()
    asks: list[Any] = []
    while not asks or not (asks[0]["by"] or len(team.called()) > 1):  # until it is time for the next one
        asks = team.does("server1", "outbox", "run")[1]["asks"]
    assert (len(asks), asks[0]["id"], asks[0]["by"]) == (1, first[1], made["by"])
    assert [who for who, _ in team.called()] == ["ann"]
    assert team.does("server1", "runs")[1]["asks"] == asks
    (seen,) = team.does("server1", "status")[1]["targets"]
    assert seen["asks"] == asks
    assert (asks[0]["called"], asks[0]["services"]) == (["ann"], ["shop-api"])


def test_a_timer_without_a_home_must_come_to_the_same_outbox_as_its_user() -> None:
    home = pwd.getpwuid(os.getuid()).pw_dir
    assert Places.of({}) == Places.of({"HOME": ""}) == Places.of({"HOME": home})
    assert Places.of({"HOME": "/"}).state == "/.local/state/lastgood"


def test_with_a_terminal_nobody_must_be_called(team: Team) -> None:
    argv, env = team.command("laptop", *ROLLBACK)
    inside, outside = pty.openpty()
    try:
        done = subprocess.run(argv, env=env, stdin=outside, capture_output=True, timeout=240, check=False)
    finally:
        os.close(inside)
        os.close(outside)
    assert done.returncode == 3
    assert team.called() == []


def test_a_dry_run_that_is_refused_must_call_nobody(team: Team) -> None:
    assert team.does("server1", *ROLLBACK, "--dry-run")[0] == 3
    assert team.called() == []
    assert team.does("server1", "outbox")[1]["asks"] == []


RUN = "20261122-174501-7f3a"


def stopped(team: Team, machine: str, *events: Event) -> None:
    """A run of a machine that is over, or was left, as its journal and the host have it."""
    state = team.folder / machine / ".local/state/lastgood"
    sample = begun()
    plan = msgspec.structs.replace(sample.plan, facts=Facts("pin", (("local", ()),)))
    first = msgspec.structs.replace(sample, plan=plan, repo=str(team.repo))
    with Journal(str(state / "journal.db")) as journal:
        for event in (first, *events):
            journal.append(RUN, event, time.time_ns())
        rows = [trail.encoded(entry, journal.sealed(entry)) for entry in journal.entries(RUN)]
    LocalFiles().append(trail.kept_at(str(team.folder / "server"), RUN), b"".join(rows))


@pytest.mark.parametrize("ends", [True, False])
def test_a_run_must_be_answered_for_on_any_machine_and_its_record_stay_one(team: Team, *, ends: bool) -> None:
    team.does("server1", "outbox")  # the contacts are known from here on
    events = (StepStarted("1.pull"), RunEnded(Exit.NEEDS_HUMAN, "Nothing passed."))
    stopped(team, "server1", *events[: 2 if ends else 1])
    assert team.does("server1", "outbox", "run")[0] == 0
    assert team.called()[:1] == [("ann", RUN)]
    if ends:
        (seen,) = team.does("server1", "status")[1]["targets"]
        assert [(ask["id"], ask["called"]) for ask in seen["asks"]] == [(RUN, ["ann"])]
    code, made, said = team.does("laptop", "ack", RUN)
    assert (code, made["run"]) == (0, RUN), said
    assert team.does("desk", "ack", RUN)[1] == made
    if ends:
        assert team.does("desk", "checklist", RUN, "--done", "team-told")[0] == 8
    team.time_passes()
    shown: dict[str, Any] = {}
    while "acknowledged by" not in str(shown) and len(team.called()) < 2:
        team.does("server1", "outbox", "run")
        shown = team.does("server1", "show", RUN)[1]
    assert team.called() == [("ann", RUN)]
    for machine in ("server1", "laptop") if ends else ("server1",):
        told = team.does(machine, "verify", RUN)[1]
        assert told["verdict"] == "whole", (machine, told)
    assert team.does("server1", "postmortem", RUN)[1]["acknowledged"]
