from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from servers import ROLLBACK, Servers, begin, named, release_stall, run_id, stalled, step

from lastgood.model.errors import Exit
from sandbox.fleet import HOME_GO
from sandbox.hosts import Host


@contextmanager
def down(host: Host) -> Iterator[None]:
    host.down()
    try:
        yield
    finally:
        host.up_again()


def test_a_host_that_is_down_before_refuses_the_rollback_by_its_name(servers_of: Callable[[int], Servers]) -> None:
    servers = servers_of(3).in_trouble()
    before = servers.untouched()
    with down(servers.hosts[1]):
        said = servers.rollback(ends=Exit.REFUSED)
        assert servers.untouched() == before
    assert named(said, [servers.hosts[1]])
    assert servers.leases() == []
    servers.rollback(ends=Exit.DONE)
    assert servers.everywhere("good-1")


def test_where_the_policy_says_so_a_host_that_is_down_is_left_out_by_name_and_brought_back_later(
    servers_of: Callable[[int], Servers],
) -> None:
    servers = servers_of(3)
    servers.configure(unreachable="go-on")
    front(servers)
    servers.in_trouble()
    there = servers.ids(1)
    with down(servers.hosts[1]):
        said = servers.tells(*ROLLBACK, ends=Exit.MITIGATED)
        assert servers.ids(1) == there
    assert [servers.on(host) for host in range(3)] == ["good-1", "http-500", "good-1"]
    assert servers.world.pinned(HOME_GO) == servers.tag("good-1")
    assert "mitigated, not resolved" in said["what"]
    assert servers.hosts[1].address in " ".join(said["because"])
    assert servers.leases() == []
    (advice,) = said["next"]
    command = advice.partition("lastgood ")[2].split()
    servers.does(*command, "--yes", ends=Exit.DONE)
    assert servers.everywhere("good-1")


def front(servers: Servers) -> None:
    """Probes ask the first server only, as they would ask a proxy that passes over those that are down."""
    lines = servers.world.show("lastgood.yaml").splitlines(keepends=True)
    others = [host.address for host in servers.hosts[1:]]
    kept = [line for line in lines if not ("kind: http" in line and any(other in line for other in others))]
    servers.rewrite("".join(kept))


def test_a_host_that_goes_down_in_the_middle_is_in_doubt_by_name_and_resume_finishes_it(
    servers_of: Callable[[int], Servers],
) -> None:
    servers = servers_of(3).in_trouble()
    first, second, third = servers.hosts
    with begin(servers.world.laptop, *ROLLBACK) as session, stalled(first, "up"):
        session.stands_still_on(first)
        third.down()
        release_stall(first)
        code, said = session.ends()
    assert code == Exit.IN_DOUBT, said
    assert [servers.on(host) for host in range(3)] == ["good-1", "http-500", "http-500"]
    assert named(said, [first, second, third])
    assert f"{first.address}:2222: {HOME_GO} runs {servers.tag('good-1')}" in said
    run = run_id(servers)
    assert f"lastgood resume {run}" in said
    assert len(servers.leases()) == 3
    third.up_again()
    servers.does("resume", run, ends=Exit.DONE)
    assert servers.everywhere("good-1")
    assert servers.leases() == []


def test_a_host_that_goes_down_in_the_middle_is_gone_on_without_where_the_policy_says_so(
    servers_of: Callable[[int], Servers],
) -> None:
    servers = servers_of(3)
    servers.configure(unreachable="go-on")
    front(servers)
    servers.in_trouble()
    first, _, third = servers.hosts
    with begin(servers.world.laptop, *ROLLBACK) as session, stalled(first, "up"):
        session.stands_still_on(first)
        third.down()
        release_stall(first)
        code, said = session.ends()
    assert code == Exit.MITIGATED, said
    assert [servers.on(host) for host in range(3)] == ["good-1", "good-1", "http-500"]
    assert named(said, [third])
    third.up_again()
    servers.does("resume", run_id(servers), ends=Exit.DONE)
    assert servers.everywhere("good-1")
    assert servers.leases() == []


@pytest.mark.parametrize("policy", ["refuse", "go-on"])
def test_a_host_that_goes_down_after_the_switch_is_never_taken_for_proven(
    servers_of: Callable[[int], Servers], policy: str
) -> None:
    servers = servers_of(3)
    servers.configure(unreachable=policy)
    front(servers)
    servers.rewrite(servers.world.show("lastgood.yaml").replace("window: 1s", "window: 3s"))  # it goes down meanwhile
    servers.in_trouble()
    with begin(servers.world.laptop, *ROLLBACK) as session:
        session.reaches(servers.hosts[0], step("verify"))
        with session.sleeping():
            servers.hosts[2].down()
        code, said = session.ends()
    assert code == (Exit.MITIGATED if policy == "go-on" else Exit.IN_DOUBT), said
    assert named(said, [servers.hosts[2]])
    servers.hosts[2].up_again()
    servers.does("resume", run_id(servers), ends=Exit.DONE)
    assert servers.everywhere("good-1")
    assert servers.leases() == []
