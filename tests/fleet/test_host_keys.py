from collections.abc import Callable, Iterator

import pytest
from servers import Servers, named

from lastgood.model.errors import Exit
from sandbox.fleet import HOME_GO, FleetWorld


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with FleetWorld.up(3, engine="compose") as world:
        yield Servers(world).in_trouble()


@pytest.fixture
def trusted(servers: Servers) -> Iterator[Servers]:
    """Everything is as it should be before and after each test."""
    yield servers
    servers.world.laptop.trust(servers.hosts)


def refused(servers: Servers, reason: str, host: int) -> None:
    before = servers.untouched()
    said = servers.rollback(ends=Exit.REFUSED)
    assert reason in said
    assert named(said, [servers.hosts[host]])
    assert not named(said.partition("cannot be reached")[2], [servers.hosts[1 - host]])
    assert servers.untouched() == before
    assert servers.leases() == []


def test_a_changed_host_key_stops_a_rollback_before_anything(trusted: Servers) -> None:
    trusted.hosts[1].new_host_key()
    refused(trusted, "its host key has CHANGED", 1)


def test_a_changed_host_key_is_no_host_that_is_merely_away(trusted: Servers) -> None:
    trusted.hosts[1].new_host_key()
    said = trusted.tells("status", HOME_GO, "prod")
    assert said["health"] == "unknown"
    assert "its host key has CHANGED" in said["health_because"]
    assert trusted.hosts[1].address in said["health_because"]


def test_a_host_that_was_never_seen_is_not_trusted_by_itself(trusted: Servers) -> None:
    laptop = trusted.world.laptop
    laptop.trust(trusted.hosts[1:])
    known = (laptop.home / ".ssh/known_hosts").read_text()
    refused(trusted, "its host key is not known", 0)
    assert (laptop.home / ".ssh/known_hosts").read_text() == known


def test_with_the_right_key_the_same_rollback_is_done(servers_of: Callable[[int], Servers]) -> None:
    servers = servers_of(1).in_trouble()
    servers.hosts[0].new_host_key()
    servers.rollback(ends=Exit.REFUSED)
    servers.world.laptop.trust(servers.hosts)
    servers.rollback(ends=Exit.DONE)
    assert servers.everywhere("good-1")
