import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox import leftovers, paths
from sandbox.fleet import HOME_GO, HOME_WEB, FleetWorld
from sandbox.hosts import CHECKOUT, STATE
from sandbox.run import SandboxError, docker, fetch, run, wait_until

VALUES = "envs/prod/apps/axinova-home-go/values.yaml"


@pytest.fixture(scope="module")
def fleet() -> Iterator[FleetWorld]:
    with FleetWorld.up(3, app=True) as up:
        up.ship(HOME_GO, "good-1")
        yield up


def traces(name: str) -> list[str]:
    """What is left on this machine of a fleet's servers and of its registry."""
    groups = [folder for folder, _, _ in os.walk("/sys/fs/cgroup") if name in folder]
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if name in line]
    processes = [line for line in run(["ps", "-e", "-o", "args="]).stdout.splitlines() if name in line]
    return [*groups, *mounts, *processes, *docker("ps", "-aq", "--filter", f"name={name}").split()]


def bridge(fleet: FleetWorld) -> str:
    return (fleet.root / "hosts/bridge").read_text()


def cards() -> list[str]:
    return [line.split()[1].rstrip(":") for line in run(["ip", "-o", "link"]).stdout.splitlines()]


def test_a_release_goes_to_every_server(fleet: FleetWorld) -> None:
    shipped = fleet.ship(HOME_GO, "good-2")
    for host in range(3):
        (container,) = fleet.running(HOME_GO, host)
        assert (container.state, container.digest) == ("running", shipped.digest)
        assert fleet.serving(HOME_GO, host) == shipped.tag == fleet.pinned(HOME_GO)
    assert len({fleet.running(HOME_GO, host)[0].container for host in range(3)}) == 3


def test_the_layout_is_the_reference_deployments(fleet: FleetWorld) -> None:
    tag = fleet.ship(HOME_WEB, "good-1", hosts=[0]).tag
    names = fleet.hosts[0].docker("ps", "--format", "{{.Names}}").split()
    assert sorted(names) == ["axinova-home-go-api-1", "axinova-home-go-db-1", "axinova-home-web-web-1"]
    assert fleet.serving(HOME_WEB) == tag
    said = fleet.laptop.ssh(
        fleet.hosts[0], f"cd {CHECKOUT} && git status --porcelain && scripts/compose/wait-healthy.sh prod {HOME_GO}"
    )
    assert said.stdout == "axinova-home-go is healthy\n"
    assert f"axinova-home: [{HOME_GO}, {HOME_WEB}]" in fleet.show("lastgood.yaml")
    assert fleet.hosts[0].url in fleet.show("lastgood.yaml")


def test_a_release_on_one_server_only_leaves_the_others_alone(fleet: FleetWorld) -> None:
    before = fleet.ship(HOME_GO, "good-3").tag
    after = fleet.ship(HOME_GO, "good-4", hosts=[1]).tag
    assert [fleet.serving(HOME_GO, host) for host in range(3)] == [before, after, before]


def test_a_bad_release_is_bad_on_every_server(fleet: FleetWorld) -> None:
    fleet.ship(HOME_GO, "http-500")
    for host in range(3):
        wait_until(lambda host=host: fleet.answer(HOME_GO, host)[0] == 500, "the bug shows")
    fleet.ship(HOME_GO, "good-1")


def test_servers_share_no_files_and_no_processes(fleet: FleetWorld) -> None:
    first, second, _ = fleet.hosts
    first.write(f"{STATE}/mine", "1")
    first.write(f"{CHECKOUT}/.git/mine", "1")
    first.write("/tmp/mine", "1")
    for path in (f"{STATE}/mine", f"{CHECKOUT}/.git/mine", "/tmp/mine"):
        assert first.read(path) == "1"
        assert second.exec("ls", path, check=False).returncode
        assert not Path(path).exists()
    assert len([one for one in first.processes() if one.startswith("dockerd")]) == 1
    assert not any("pytest" in one for one in first.processes())
    assert first.docker("info", "--format", "{{.ID}}") != second.docker("info", "--format", "{{.ID}}")
    assert first.exec("hostname").stdout != second.exec("hostname").stdout


def test_servers_do_not_see_the_operators_files_and_do_not_write_the_remote(fleet: FleetWorld) -> None:
    server = fleet.hosts[0]
    assert server.exec("ls", str(fleet.laptop.clone), check=False).returncode
    assert server.exec("id", "-un").stdout == "deploy\n"
    assert server.exec("git", "push", "origin", "HEAD:refs/heads/x", cwd=CHECKOUT, check=False).returncode
    assert "x" not in fleet.branches()


def test_every_login_is_counted_and_deployments_are_none(fleet: FleetWorld) -> None:
    server = fleet.hosts[0]
    before = server.logins()
    fleet.ship(HOME_GO, "good-2")
    assert server.logins() == before
    fleet.laptop.ssh(server, "true")
    fleet.laptop.ssh(server, "true")
    assert server.logins() == before + 2


def test_a_server_that_is_down_answers_nothing_until_it_is_up(fleet: FleetWorld) -> None:
    server = fleet.hosts[2]
    server.down()
    try:
        assert "timed out" in fleet.laptop.ssh(server, "true", check=False).stderr
        assert fleet.answer(HOME_GO, 2, timeout=0.5) == (None, "")
        assert fleet.serving(HOME_GO, 1)
    finally:
        server.up_again()
    assert fleet.laptop.ssh(server, "echo back").stdout == "back\n"
    assert fleet.serving(HOME_GO, 2)


def test_without_sshd_the_services_go_on(fleet: FleetWorld) -> None:
    server = fleet.hosts[2]
    server.stop_sshd()
    assert "Connection refused" in fleet.laptop.ssh(server, "true", check=False).stderr
    assert fleet.serving(HOME_GO, 2)
    server.start_sshd()
    wait_until(lambda: fleet.laptop.ssh(server, "true", check=False).returncode == 0, "sshd answers")


def test_a_session_that_drops_leaves_sshd_there(fleet: FleetWorld) -> None:
    server = fleet.hosts[2]
    command = ["ssh", "-o", "BatchMode=yes", server.url, "echo begun; sleep 60"]
    with subprocess.Popen(command, env=fleet.laptop.env, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout
        assert session.stdout.readline() == "begun\n"
        server.drop_sessions()
        assert session.wait(60) == 255
    assert fleet.laptop.ssh(server, "echo again").stdout == "again\n"


def test_a_changed_host_key_is_noticed(fleet: FleetWorld) -> None:
    server, laptop = fleet.hosts[2], fleet.another_laptop()
    server.new_host_key()
    refused = laptop.ssh(server, "true", check=False)
    assert refused.returncode == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in refused.stderr
    laptop.trust(fleet.hosts)
    fleet.laptop.trust(fleet.hosts)
    assert laptop.ssh(server, "echo trusted").stdout == "trusted\n"


def test_a_full_disk_takes_nothing_until_it_is_freed(fleet: FleetWorld) -> None:
    server = fleet.hosts[2]
    server.fill_disk()
    try:
        for disk in (CHECKOUT, STATE):
            full = server.exec("dd", "if=/dev/zero", f"of={disk}/x", "count=9", check=False)
            assert "No space left on device" in full.stderr
            server.exec("rm", f"{disk}/x")
    finally:
        server.free_disk()
    server.write(f"{STATE}/x", "fits")
    assert server.read(f"{STATE}/x") == "fits"


def test_a_clock_can_be_wrong_on_one_server(fleet: FleetWorld) -> None:
    def now(host: int) -> int:
        return int(fleet.laptop.ssh(fleet.hosts[host], "date +%s").stdout)

    def is_ahead(by: int) -> bool:
        """Whether the one server is that far from what another says before and after it."""
        before, seen, after = now(0), now(2), now(0)
        return before <= seen - by <= after

    fleet.hosts[2].skew_clock(-7200)
    assert is_ahead(-7200)
    fleet.hosts[2].skew_clock(0)
    assert is_ahead(0)


def test_a_checkout_can_be_dirty(fleet: FleetWorld) -> None:
    fleet.dirty_checkout(2)
    assert fleet.hosts[2].exec("git", "status", "--porcelain", cwd=CHECKOUT).stdout == " M README.md\n"
    fleet.hosts[2].exec("git", "checkout", "-q", "README.md", cwd=CHECKOUT)


def test_the_remote_can_break_for_servers_too(fleet: FleetWorld) -> None:
    fleet.break_remote()
    assert fleet.hosts[0].exec("git", "fetch", cwd=CHECKOUT, check=False).returncode
    assert run(["git", "fetch"], cwd=fleet.laptop.clone, env=fleet.laptop.env, check=False).returncode
    fleet.mend_remote()
    fleet.hosts[0].exec("git", "fetch", cwd=CHECKOUT)


def test_the_registry_is_the_same_address_on_servers(fleet: FleetWorld) -> None:
    reference = f"{fleet.repository(HOME_GO)}:{fleet.tag(HOME_GO, 'good-2')}"
    fleet.forget_image(HOME_GO, "good-2", host=2)
    fleet.registry.stop()
    assert fleet.hosts[2].exec("docker", "pull", "--quiet", reference, check=False).returncode
    fleet.registry.start()
    assert fleet.hosts[2].exec("docker", "pull", "--quiet", reference).stdout == f"{reference}\n"


def test_a_laptop_reaches_no_engine_but_the_servers(fleet: FleetWorld) -> None:
    assert run(["docker", "ps"], env=fleet.laptop.env, check=False).returncode
    assert "axinova-home-go-api-1" in fleet.laptop.ssh(fleet.hosts[0], "docker ps").stdout


def test_a_second_laptop_has_its_own_home_and_clone(fleet: FleetWorld) -> None:
    second = fleet.another_laptop()
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        assert second.env[name] != fleet.laptop.env[name]
    assert second.clone != fleet.laptop.clone
    assert second.ssh(fleet.hosts[1], "echo in").stdout == "in\n"
    assert fleet.lastgood("--version", laptop=second, check=0).stdout.startswith("lastgood ")


def test_the_proxy_in_front_passes_over_a_server_that_is_down() -> None:
    with FleetWorld.up(2, front=True) as fleet:
        tag = fleet.ship(HOME_GO, "good-1").tag
        assert fleet.front in fleet.show("lastgood.yaml")
        fleet.hosts[0].down()
        answers = [fetch("GET", f"{fleet.front}/api/health") for _ in range(4)]
        assert [(one.status, json.loads(one.body)["version"]) for one in answers] == [(200, tag)] * 4


def test_a_server_that_is_off_takes_everything_on_it_along() -> None:
    with FleetWorld.up(2) as fleet:
        tag = fleet.ship(HOME_GO, "good-1").tag
        fleet.hosts[0].off()
        assert [fleet.serving(HOME_GO, 0, timeout=1), fleet.serving(HOME_GO, 1)] == [None, tag]
        assert traces(f"{fleet.name}-server-1") == []
        with pytest.raises(SandboxError, match="server-1 is off"):
            fleet.hosts[0].exec("true")


def test_a_fleet_that_was_kept_is_taken_down_by_name() -> None:
    fleet = FleetWorld.up(1, keep=True)
    assert fleet.name not in leftovers.sweep()
    leftovers.take_down(fleet.name)
    assert traces(fleet.name) == []
    with pytest.raises(SandboxError, match="there is no world"):
        leftovers.take_down(fleet.name)


@pytest.mark.parametrize("squash", [False, True])
def test_a_protected_main_takes_what_is_reviewed_only(squash: bool) -> None:  # noqa: FBT001 - a parameter of the test
    with FleetWorld.up(0) as fleet:
        fleet.protect_main()
        git = ["git", "-C", fleet.laptop.clone]
        (fleet.laptop.clone / "note.md").write_text("later\n")
        run([*git, "add", "note.md"], env=fleet.laptop.env)
        run([*git, "commit", "-q", "-m", "Take a note"], env=fleet.laptop.env)
        before = fleet.log()
        refused = run([*git, "push", "origin", "main", "main:refs/heads/note"], env=fleet.laptop.env, check=False)
        assert "remote: error: GH006: Protected branch update failed for refs/heads/main." in refused.stderr
        assert fleet.log() == before
        assert set(fleet.branches()) == {"main", "note"}
        fleet.commit({"other.md": "x\n"}, "Something else")
        commit = fleet.merge("note", squash=squash)
        assert fleet.log()[0][0] == commit == fleet.branches()["main"]
        assert fleet.show("note.md") == "later\n"
        assert (
            len(run([*git, "rev-list", "--parents", "-1", commit], check=False).stdout.split()) == 0
        )  # not fetched yet
        run([*git, "fetch", "-q"], env=fleet.laptop.env)
        parents = run([*git, "rev-list", "--parents", "-1", commit]).stdout.split()[1:]
        assert len(parents) == (1 if squash else 2)


def test_two_fleets_do_not_see_each_other() -> None:
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda _: FleetWorld.up(1), range(2))
    with first, second:
        tags = [first.ship(HOME_GO, "good-1").tag, second.ship(HOME_GO, "good-2").tag]
        assert [first.serving(HOME_GO), second.serving(HOME_GO)] == tags
        first.registry.point(HOME_GO, tags[0], tags[1])
        assert second.registry.digest(HOME_GO, tags[0]) == second.digest(HOME_GO, "good-1")
        first.down()
        assert second.serving(HOME_GO) == tags[1]


def test_a_fleet_leaves_nothing_behind_and_can_be_taken_down_twice() -> None:
    fleet = FleetWorld.up(2)
    fleet.ship(HOME_GO, "good-1", hosts=[0])
    card = bridge(fleet)
    assert traces(fleet.name)
    assert card in cards()
    fleet.down()
    fleet.down()
    assert traces(fleet.name) == []
    assert card not in cards()
    assert not fleet.root.exists()


def test_a_dead_owners_fleet_is_swept_away() -> None:
    script = "from sandbox.fleet import FleetWorld as F; import time; print(F.up(1).name, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=paths.ROOT) as owner:
        assert owner.stdout
        name = owner.stdout.readline().strip()
        card = Path(paths.WORLDS, name, "hosts/bridge").read_text()
        assert name not in leftovers.sweep()
        os.kill(owner.pid, signal.SIGKILL)
    leftovers.sweep()  # another test's world may do it first
    assert traces(name) == []
    assert card not in cards()
    assert not Path(paths.WORLDS, name).exists()
