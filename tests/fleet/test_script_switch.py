import os
import pty
import subprocess
import sys
from collections.abc import Iterator

import pytest
from scripted import DEPLOY, ENV, HOLD, Home, home, values

from lastgood.model.errors import Exit
from sandbox.fleet import HOME_GO
from sandbox.hosts import CHECKOUT


@pytest.fixture
def team() -> Iterator[Home]:
    """One server, nothing shipped yet."""
    with home() as found:
        yield found


def words(report: dict[str, object]) -> str:
    return str((report["what"], report["because"]))


def test_a_rollback_pins_first_and_then_has_the_teams_script_switch(team: Home) -> None:
    team.deploys_by('git rev-parse HEAD > /tmp/deployed-from; echo "$tag" >> /tmp/deployed-from')
    team.ships("good-1", "http-500")
    bad = team.tip()
    report = team.rollback()
    assert team.settled("good-1")
    assert team.since(bad) == [f"Pin {HOME_GO}/prod to {team.tag('good-1')}"]
    assert team.contains(bad)
    assert team.changed(bad) == [values(HOME_GO)]
    pin = next(commit for commit, subject in team.world.log() if subject.startswith("Pin "))
    assert team.host.read("/tmp/deployed-from").split() == [pin, team.tag("good-1")]
    done = [line["step"] for line in report["timeline"] if line.get("step")]
    assert report["exit"] == 0, done
    assert team.leases() == []


def test_what_the_script_says_is_kept_as_evidence(team: Home) -> None:
    team.deploys_by('echo "deploying $2 $tag"; echo "a warning" >&2')
    team.ships("good-1", "http-500")
    kept = team.evidence(team.rollback())
    (name,) = (name for name in kept if name.startswith("1.switch."))
    assert f"deploying {HOME_GO} {team.tag('good-1')}" in kept[name]
    assert "a warning" in kept[name]
    assert f"{HOME_GO} is healthy" in kept[name]


def test_what_the_script_says_is_shown_while_it_runs(team: Home) -> None:
    team.ships("good-1", "http-500")
    team.deploys_by(f'echo "the script is at work"; while [ -e {HOLD} ]; do sleep 0.1; done')
    team.holds()
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "lastgood", "rollback", HOME_GO, ENV, "--yes"]
    laptop = team.world.laptop
    env = {**laptop.env, "TERM": "xterm"}
    with subprocess.Popen(
        command, cwd=laptop.clone, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = ""
        while "the script is at work" not in shown:
            shown += os.read(ours, 4096).decode(errors="replace")
        assert process.poll() is None
        team.lets_go()
        while True:
            try:
                os.read(ours, 4096)
            except OSError:  # the other side is closed
                break
    os.close(ours)
    assert process.returncode == 0
    assert team.settled("good-1")


def test_a_script_that_does_nothing_is_not_believed_and_the_next_release_is_tried(team: Home) -> None:
    team.configure(("{kind: script}", '{kind: script, wait: ""}'))
    team.ships("good-1", "good-2", "http-500")
    team.deploys_by(f'[ "$tag" = {team.tag("good-2")} ] && echo "deployed" && exit 0')
    report = team.rollback()
    assert team.settled("good-1")
    assert team.tag("good-1") in report["what"]
    failed = [line["text"] for line in report["timeline"] if "containers did not change" in line["text"]]
    assert failed
    assert not any("is verified" in line["text"] and team.tag("good-2") in line["text"] for line in report["timeline"])


def test_a_script_that_deploys_another_tag_is_not_believed(team: Home) -> None:
    team.impatient()
    team.ships("good-1", "good-2", "http-500")
    wrong = f"s/{team.tag('good-2')}/{team.tag('config-error')}/"
    team.deploys_by(
        f'[ "$tag" = {team.tag("good-2")} ] && sed -i {wrong} "envs/$1/apps/$2/values.yaml"',
        'git checkout -q "envs/$1/apps/$2/values.yaml"',
    )
    report = team.rollback()
    assert team.settled("good-1")
    assert team.tag("good-1") in report["what"]


def test_where_the_script_never_does_anything_nothing_is_reported_as_success(team: Home) -> None:
    team.impatient()
    team.ships("good-1", "good-2", "http-500")
    before = team.ids()
    team.deploys_by("exit 0")
    bad = team.tip()
    report = team.rollback(ends=Exit.FAILED_RESTORED)
    assert team.ids() == before
    assert team.runs("http-500")
    assert team.world.pinned(HOME_GO) == team.tag("http-500")
    assert team.at() == team.tip()
    assert team.contains(bad)
    assert "No release passed" in report["what"]


def test_where_the_script_fails_before_it_changes_anything_all_is_as_before(team: Home) -> None:
    team.impatient()
    team.ships("good-1", "http-500")
    before = team.ids()
    team.deploys_by(f'[ "$tag" = {team.tag("http-500")} ] || {{ echo "no disk left" >&2; exit 1; }}')
    report = team.rollback(ends=Exit.FAILED_RESTORED)
    assert team.ids() == before
    assert team.world.pinned(HOME_GO) == team.tag("http-500")
    assert "no disk left" in words(report)


def test_a_script_that_switched_and_then_failed_is_judged_by_what_runs(team: Home) -> None:
    team.ships("good-1", "http-500")
    team.deploys_by(":", 'echo "cannot tell the chat" >&2; exit 1')
    report = team.rollback()
    assert team.settled("good-1")
    assert any("cannot tell the chat" in line["text"] for line in report["timeline"])


def test_a_script_that_hangs_is_ended_and_the_next_release_is_tried(team: Home) -> None:
    team.impatient()
    team.configure(("{kind: script}", "{kind: script, limit: 20s}"))
    team.ships("good-1", "good-2", "http-500")
    team.deploys_by(f'[ "$tag" = {team.tag("good-2")} ] && echo "waiting for a lock" && sleep 4321 | cat')
    report = team.rollback()
    assert team.settled("good-1")
    assert team.process("sleep 4321") == []
    assert team.process(DEPLOY) == []
    kept = team.evidence(report)
    (name,) = (name for name in kept if name.startswith("1.switch."))
    assert "waiting for a lock" in kept[name]
    assert any("20 s" in line["text"] and "switch" in line["text"] for line in report["timeline"])


def test_the_script_runs_with_the_reference_layouts_own_defaults(team: Home) -> None:
    team.ships("good-1", "http-500")
    commands = team.does("plan", HOME_GO, ENV)["commands"]
    (switch,) = (lines for step, lines in commands.items() if step.startswith("1.switch"))
    assert f"./scripts/compose/deploy-service.sh {ENV} {HOME_GO}" in switch[0]
    assert f"./scripts/compose/wait-healthy.sh {ENV} {HOME_GO}" in switch[1]
    assert CHECKOUT in switch[0]
