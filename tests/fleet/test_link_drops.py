"""The way to a server breaks in the middle of the switch: done and proven, or in doubt and ended by resume."""

from collections.abc import Callable

import pytest
from servers import ROLLBACK, Servers, begin, ended, release_stall, run_id, run_lines, stalled

from lastgood.model.errors import Exit
from sandbox.fleet import HOME_GO
from sandbox.hosts import Host


def sessions(host: Host) -> None:
    host.drop_sessions()


def sshd(host: Host) -> None:
    host.stop_sshd()


def link(host: Host) -> None:
    host.down()


BREAKS = {"sessions end": sessions, "sshd stops": sshd, "packets vanish": link}


def mended(host: Host) -> None:
    host.up_again()
    if not any("listener" in line for line in host.processes()):
        host.start_sshd()


@pytest.mark.parametrize("how", BREAKS)
def test_a_connection_lost_in_the_switch_is_no_false_success_and_no_double_effect(
    servers_of: Callable[[int], Servers], how: str
) -> None:
    servers = servers_of(1).in_trouble()
    host = servers.hosts[0]
    with begin(servers.world.laptop, *ROLLBACK) as session:
        with stalled(host, "up"):
            session.stands_still_on(host)
            BREAKS[how](host)
            release_stall(host)
        if how == "packets vanish":
            session.until(lambda: session.over, "the laptop notices that the server does not answer")
        code, said = session.ends()
    mended(host)
    assert code in (Exit.DONE, Exit.IN_DOUBT), said
    if how != "sessions end":
        assert code == Exit.IN_DOUBT, said
    if code == Exit.IN_DOUBT:
        assert f"lastgood resume {run_id(servers)}" in said
        assert len(servers.leases()) == 1
        servers.does("resume", run_id(servers), ends=Exit.DONE)
    assert servers.everywhere("good-1")
    assert ended(host)[-1] == 0
    assert servers.leases() == []
    pins = [subject for _, subject in servers.world.log() if not subject.startswith(f"{HOME_GO}: release")]
    assert len([one for one in pins if servers.tag("good-1") in one]) == 1


def test_a_link_that_is_gone_for_a_moment_only_costs_time(servers_of: Callable[[int], Servers]) -> None:
    servers = servers_of(1).in_trouble()
    host = servers.hosts[0]
    with begin(servers.world.laptop, *ROLLBACK) as session, stalled(host, "up"):
        session.stands_still_on(host)
        host.down()
        host.exec("sleep", "3")
        host.up_again()
        release_stall(host)
        code, said = session.ends()
    assert code == Exit.DONE, said
    assert servers.everywhere("good-1")
    begun = [line["event"]["step"] for line in run_lines(host) if line["kind"] == "child-started"]
    switched = [name for name in begun if "switch" in name]
    assert len(switched) == 1
