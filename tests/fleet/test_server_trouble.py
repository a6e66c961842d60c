"""A server that is short of room, or whose clock is wrong; and a registry that only servers reach."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from servers import ROLLBACK, TARGET, Servers, begin, release_stall, run_id, stalled

from lastgood.model.errors import Exit
from sandbox.fleet import HOME_GO
from sandbox.hosts import STATE
from sandbox.run import run


def test_a_full_disk_refuses_the_rollback_before_anything_and_names_the_place(
    servers_of: Callable[[int], Servers],
) -> None:
    servers = servers_of(1).in_trouble()
    host = servers.hosts[0]
    host.fill_disk()
    before = servers.untouched()
    said = servers.rollback(ends=Exit.REFUSED)
    assert "No space left on device" in said
    assert STATE in said
    assert servers.untouched() == before
    host.free_disk()
    servers.rollback(ends=Exit.DONE)
    assert servers.everywhere("good-1")


def test_a_disk_that_fills_up_in_the_middle_leaves_the_run_in_doubt_and_not_lost(
    servers_of: Callable[[int], Servers],
) -> None:
    servers = servers_of(3).in_trouble()
    first, _, last = servers.hosts
    with begin(servers.world.laptop, *ROLLBACK) as session, stalled(first, "up"):
        session.stands_still_on(first)
        last.fill_disk()
        release_stall(first)
        code, said = session.ends()
    assert code == Exit.IN_DOUBT, said
    assert "No space left on device" in said
    assert last.address in said
    assert [servers.on(host) for host in range(3)] == ["good-1", "http-500", "http-500"]
    last.free_disk()
    servers.does("resume", run_id(servers), ends=Exit.DONE)
    assert servers.everywhere("good-1")
    assert servers.leases() == []


@contextmanager
def elsewhere(servers: Servers) -> Iterator[list[str]]:
    """How a program is run on a laptop elsewhere: it reaches the servers, and no registry of this machine's."""
    group = "4999"
    rule = ["OUTPUT", "-p", "tcp", "--dport", str(servers.world.registry.port)]
    rule += ["-m", "owner", "--gid-owner", group, "-j", "REJECT"]
    run(["iptables", "-w", "-I", *rule])
    try:
        yield ["setpriv", f"--regid={group}", "--clear-groups", "--"]
    finally:
        run(["iptables", "-w", "-D", *rule])


@pytest.mark.parametrize("seconds", [3 * 3600, -3 * 3600])
def test_a_servers_wrong_clock_neither_hands_a_lease_over_nor_stops_a_rollback(
    servers_of: Callable[[int], Servers], seconds: int
) -> None:
    """Only `date` on the server is off: what Docker and the kernel stamp there stays right."""
    servers = servers_of(1)
    servers.world.ship(HOME_GO, "good-1", deploy=False)
    host = servers.hosts[0]
    host.skew_clock(seconds)
    other = servers.world.another_laptop()
    servers.world.ship(HOME_GO, "http-500")
    with begin(servers.world.laptop, *ROLLBACK) as session, stalled(host, "up"):
        session.stands_still_on(host)
        assert run_id(servers) in servers.rollback(ends=Exit.LEASE_HELD, laptop=other)
        release_stall(host)
        code, said = session.ends()
    assert code == Exit.DONE, said
    assert servers.everywhere("good-1")
    assert servers.leases() == []


def test_a_release_that_only_the_servers_registry_has_is_found_from_there_and_pulled(
    servers_of: Callable[[int], Servers],
) -> None:
    servers = servers_of(3).in_trouble("good-1", "good-2")
    for host in range(3):
        servers.world.forget_image(HOME_GO, "good-2", host)
    with elsewhere(servers) as prefix:
        assert run([*prefix, "curl", "-s", servers.world.registry.url], check=False).returncode
        laptop = servers.world.laptop
        command = [*prefix, sys.executable, "-m", "lastgood", *ROLLBACK]
        done = run(command, check=False, cwd=laptop.clone, env=laptop.env)
    assert done.returncode == Exit.DONE, done.stdout + done.stderr
    assert f"{TARGET} serves {servers.tag('good-2')}" in done.stdout
    assert servers.everywhere("good-2")
