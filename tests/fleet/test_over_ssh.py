import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers import ROLLBACK, Servers, begin, ended, run_lines, step

from lastgood.model.errors import Exit
from sandbox.fleet import HOME_GO
from sandbox.hosts import Host
from sandbox.run import run, wait_until

ASKPASS = "#!/bin/sh\necho asked >> {log}\n"


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A folder for what ssh keeps on a laptop, with a short name: a socket's path is limited."""
    with tempfile.TemporaryDirectory(prefix="lg-", dir="/tmp") as folder:
        yield Path(folder)


def connections(folder: Path) -> list[str]:
    """The shared connections that have their sockets there and still live."""
    return [line for line in run(["ps", "-e", "-o", "args="]).stdout.splitlines() if str(folder) in line]


def left(host: Host) -> list[str]:
    """What lies in a server's folder for temporary files; what Docker itself is busy with left out."""
    return [name for name in host.exec("ls", "-A", "/tmp").stdout.split() if not name.startswith("runc-process")]


@pytest.mark.parametrize("number", [1, 3])
def test_a_rollback_logs_in_once_on_each_server_and_leaves_nothing_there_or_here(
    servers_of: Callable[[int], Servers], sockets: Path, number: int
) -> None:
    servers = servers_of(number).in_trouble()
    before = [host.logins() for host in servers.hosts]
    temporary = [left(host) for host in servers.hosts]
    servers.world.lastgood(*ROLLBACK, check=Exit.DONE, env={"TMPDIR": str(sockets)})
    assert servers.everywhere("good-1")
    assert [host.logins() - count for host, count in zip(servers.hosts, before, strict=True)] == [1] * number
    assert [left(host) for host in servers.hosts] == temporary
    assert servers.leases() == []
    assert [ended(host) for host in servers.hosts] == [[0]] * number
    assert list(sockets.iterdir()) == []
    wait_until(lambda: connections(sockets) == [], "the shared connections end with the command")
    sessions = "^sshd: deploy"
    for host in servers.hosts:
        wait_until(
            lambda host=host: host.exec("pgrep", "-f", sessions, check=False).returncode == 1, "no session is left"
        )


def test_every_server_has_the_whole_record_of_the_run(servers_of: Callable[[int], Servers]) -> None:
    servers = servers_of(3).in_trouble()
    servers.rollback(ends=Exit.DONE)
    first, second, third = (run_lines(host) for host in servers.hosts)
    assert first == second == third
    assert [line["seq"] for line in first] == list(range(1, len(first) + 1))


def test_a_server_named_by_an_alias_is_reached_as_the_users_ssh_config_says(
    servers_of: Callable[[int], Servers],
) -> None:
    servers = servers_of(1).in_trouble()
    laptop, host = servers.world.laptop, servers.hosts[0]
    ssh = laptop.home / ".ssh"
    (ssh / "id_ed25519").rename(ssh / "shop-key")
    alias = f"Host shop1\n  HostName {host.address}\n  Port 2222\n  User deploy\n  IdentityFile {ssh}/shop-key\n"
    config = (ssh / "config").read_text()
    (ssh / "config").write_text(alias + config)
    servers.rewrite(servers.world.show("lastgood.yaml").replace(host.url, "ssh://shop1"))
    before = host.logins()
    said = servers.rollback(ends=Exit.DONE)
    assert servers.everywhere("good-1")
    assert host.logins() == before + 1
    assert "shop1" in said


def test_a_key_with_a_passphrase_and_no_agent_is_refused_and_nobody_is_asked(
    servers_of: Callable[[int], Servers], sockets: Path
) -> None:
    servers = servers_of(1).in_trouble()
    laptop = servers.world.laptop
    run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", laptop.home / ".ssh/id_ed25519"])
    asked, askpass = sockets / "asked", sockets / "askpass"
    askpass.write_text(ASKPASS.format(log=asked))
    askpass.chmod(0o755)
    before = servers.untouched()
    env = {"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
    done = servers.world.lastgood(*ROLLBACK, check=Exit.REFUSED, env=env)
    assert "the login is refused" in done.stderr
    assert servers.hosts[0].address in done.stderr
    assert not asked.exists()
    assert servers.untouched() == before


def test_one_first_touches_no_other_server_where_the_first_does_not_get_healthy(
    servers_of: Callable[[int], Servers],
) -> None:
    servers = servers_of(3).in_trouble("good-1", "crash-loop")
    others = [servers.ids(1), servers.ids(2)]
    with begin(servers.world.laptop, *ROLLBACK) as session:
        session.reaches(servers.hosts[0], f"2.switch.{servers.hosts[0].address}:2222")
        with session.sleeping():
            assert [servers.ids(1), servers.ids(2)] == others
        code, said = session.ends()
    assert code == Exit.DONE, said
    assert servers.everywhere("good-1")
    for host in servers.hosts[1:]:
        assert not [line for line in run_lines(servers.hosts[0]) if _switches(line, host.address)]


def _switches(line: dict[str, object], address: str) -> bool:
    event = line["event"]
    assert isinstance(event, dict)
    return line["kind"] == "step-started" and event["step"] == f"1.switch.{address}:2222"


def test_one_first_leaves_the_others_alone_when_nothing_passes(servers_of: Callable[[int], Servers]) -> None:
    servers = servers_of(3).in_trouble("crash-loop")
    others = [servers.ids(1), servers.ids(2)]
    servers.rollback(ends=Exit.FAILED_RESTORED)
    assert [servers.on(host) for host in range(3)] == ["http-500"] * 3
    assert [servers.ids(1), servers.ids(2)] == others
    assert servers.world.pinned(HOME_GO) == servers.tag("http-500")
    assert servers.leases() == []


def test_one_by_one_proves_each_server_before_the_next(servers_of: Callable[[int], Servers]) -> None:
    servers = servers_of(3)
    servers.configure(order="one-by-one")
    servers.in_trouble().rollback(ends=Exit.DONE)
    assert servers.everywhere("good-1")
    first, second, third = servers.hosts
    steps = [
        (step("switch", first), "step-started"),
        (step(f"verify.{first.address}:2222"), "step-done"),
        (step("switch", second), "step-started"),
        (step(f"verify.{second.address}:2222"), "step-done"),
        (step("switch", third), "step-started"),
    ]
    lines = [(line["event"].get("step"), line["kind"]) for line in run_lines(first)]
    assert [line for line in lines if line in steps] == steps


def test_all_at_once_switches_every_server_at_the_same_time(servers_of: Callable[[int], Servers]) -> None:
    servers = servers_of(3)
    servers.configure(order="all-at-once")
    servers.in_trouble().rollback(ends=Exit.DONE)
    assert servers.everywhere("good-1")
    lines = [line for line in run_lines(servers.hosts[0]) if ".switch." in line["event"].get("step", "")]
    kinds = [line["kind"] for line in lines]
    assert kinds[:3] == ["step-started"] * 3
    assert kinds.count("step-done") == 3


def test_all_at_once_puts_every_server_back_where_one_fails(servers_of: Callable[[int], Servers]) -> None:
    servers = servers_of(3)
    servers.configure(order="all-at-once")
    servers.in_trouble("crash-loop").rollback(ends=Exit.FAILED_RESTORED)
    assert [servers.on(host) for host in range(3)] == ["http-500"] * 3
    assert servers.world.pinned(HOME_GO) == servers.tag("http-500")
    assert servers.leases() == []
