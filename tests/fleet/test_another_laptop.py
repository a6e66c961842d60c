from collections.abc import Callable

from servers import (
    LEASE,
    ROLLBACK,
    TARGET,
    Servers,
    begin,
    ended,
    release_stall,
    run_id,
    run_lines,
    stalled,
    step,
)

from lastgood.model.errors import Exit
from sandbox.fleet import HOME_GO
from sandbox.hosts import Host
from sandbox.laptop import Laptop
from sandbox.run import wait_until


def dies_at(servers: Servers, point: str, laptop: Laptop | None = None, words: tuple[str, ...] = ROLLBACK) -> str:
    """A laptop, the first or a later one, begins and dies once a step is begun; returns the run.

    `point` is a step's id with `{n}` for a server's place: just begun there, as the last server knows. The boundaries
    of all other steps are those of tests/run/test_crash.py.
    """
    name = point.format(*(f"{host.address}:2222" for host in servers.hosts))
    with begin(laptop or servers.world.laptop, *words) as session:
        session.reaches(servers.hosts[-1], name)
        session.dies()
    return run_id(servers)


def finished(servers: Servers) -> bool:
    """Whether a run that laptops died of is over, once, and nothing of it is left anywhere."""
    assert servers.everywhere("good-1")
    assert servers.leases() == []
    assert [host.exec("pgrep", "-f", "docker compose", check=False).stdout for host in servers.hosts] == [""] * 3
    assert servers.world.log()[1][1] == f"{HOME_GO}: release {servers.tag('http-500')}"
    return [ended(host) for host in servers.hosts] == [[0]] * 3


def test_each_laptop_goes_on_with_what_the_one_before_left_when_it_died(servers_of: Callable[[int], Servers]) -> None:
    servers = servers_of(3).in_trouble()
    laptop, words = servers.world.laptop, ROLLBACK
    for point in (step("switch.{0}"), step("record")):
        run = dies_at(servers, point, laptop, words)
        laptop, words = servers.world.another_laptop(), ("resume", run, "--take-over")
        said = servers.tells("status", HOME_GO, "prod", laptop=laptop)
        assert run in said["lease"]
        refused = servers.rollback(ends=Exit.LEASE_HELD, laptop=laptop)
        assert run in refused
        assert f"lastgood resume {run} --take-over" in refused
    servers.does(*words, ends=Exit.DONE, laptop=laptop)
    assert finished(servers)


def test_the_first_laptop_that_comes_back_tells_the_truth_and_does_nothing_twice(
    servers_of: Callable[[int], Servers],
) -> None:
    servers = servers_of(3).in_trouble()
    run = dies_at(servers, step("switch.{2}"))
    other = servers.world.another_laptop()
    servers.does("resume", run, "--take-over", ends=Exit.DONE, laptop=other)
    assert finished(servers)
    after = servers.untouched()
    said = servers.does("resume", run, ends=Exit.REFUSED)
    assert f"{TARGET} serves {servers.tag('good-1')}" in said
    assert servers.untouched() == after
    shown = servers.tells("show", run)
    assert shown["exit"] == 0
    again = servers.rollback(ends=Exit.DONE)
    assert f"already rolled back by {run}" in again
    now = servers.untouched()
    assert (now.containers, now.commits) == (after.containers, after.commits)


def test_another_laptop_can_give_the_run_up_as_well(servers_of: Callable[[int], Servers]) -> None:
    servers = servers_of(3).in_trouble()
    run = dies_at(servers, step("switch.{2}"))
    other = servers.world.another_laptop()
    servers.rollback(ends=Exit.LEASE_HELD, laptop=other)
    servers.does("abort", run, "--take-over", ends=Exit.DONE, laptop=other)
    assert [servers.on(host) for host in range(3)] == ["http-500"] * 3
    assert servers.world.pinned(HOME_GO) == servers.tag("http-500")
    assert servers.leases() == []
    after = servers.untouched()
    servers.does("resume", run, ends=Exit.REFUSED)
    assert servers.untouched() == after


def test_a_laptop_that_never_planned_for_the_target_can_give_the_run_up(servers_of: Callable[[int], Servers]) -> None:
    servers = servers_of(1).in_trouble()
    run = dies_at(servers, step("verify"))
    servers.does("abort", run, "--take-over", ends=Exit.DONE, laptop=servers.world.another_laptop())
    assert servers.on(0) == "http-500"
    assert servers.leases() == []


def switching(host: Host) -> bool:
    """Whether a switch is under way on the server."""
    return host.exec("pgrep", "-f", "docker compose .* up ", check=False).returncode == 0


def test_a_switch_that_still_runs_on_the_server_is_ended_before_another_laptop_goes_on(
    servers_of: Callable[[int], Servers],
) -> None:
    servers = servers_of(1).in_trouble()
    host = servers.hosts[0]
    other = servers.world.another_laptop()
    with stalled(host, "up"):
        with begin(servers.world.laptop, *ROLLBACK) as session:
            session.stands_still_on(host)
            session.dies()
        run = run_id(servers)
        last = run_lines(host)[-1]
        assert (last["kind"], last["event"]["step"]) == ("child-started", step("switch", host))
        assert switching(host)
        with begin(other, "resume", run, "--take-over") as second:
            second.until(lambda: not switching(host), "the first switch is ended")
            release_stall(host)
            code, said = second.ends()
    assert code == Exit.DONE, said
    assert servers.everywhere("good-1")
    begun = [line["event"]["step"] for line in run_lines(host) if line["kind"] == "child-started"]
    assert len([name for name in begun if name == step("switch", host)]) == 2


def test_a_first_laptop_that_only_slept_stops_at_its_next_step(servers_of: Callable[[int], Servers]) -> None:
    servers = servers_of(1).in_trouble()
    host = servers.hosts[0]
    other = servers.world.another_laptop()
    with begin(servers.world.laptop, *ROLLBACK) as sleeper:
        sleeper.reaches(host, step("verify"))
        sleeper.sleeps()
        servers.does("resume", run_id(servers), "--take-over", ends=Exit.DONE, laptop=other)
        after = servers.untouched()
        sleeper.wakes()
        code, said = sleeper.ends()
    assert code == Exit.LEASE_HELD, said
    assert servers.untouched() == after
    assert servers.everywhere("good-1")


def test_while_one_laptop_acts_the_other_is_told_who_does(servers_of: Callable[[int], Servers]) -> None:
    servers = servers_of(3).in_trouble()
    first, other = servers.hosts[0], servers.world.another_laptop()
    with stalled(first, "up"), begin(servers.world.laptop, *ROLLBACK) as session:
        session.stands_still_on(first)
        holder = first.read(LEASE)
        said = servers.rollback(ends=Exit.LEASE_HELD, laptop=other)
        assert run_id(servers) in said
        assert "root@" in said
        assert first.read(LEASE) == holder
        release_stall(first)
        code, out = session.ends()
    assert code == Exit.DONE, out
    assert servers.everywhere("good-1")
    assert servers.leases() == []


def test_of_two_laptops_that_begin_at_the_same_moment_exactly_one_acts(servers_of: Callable[[int], Servers]) -> None:
    servers = servers_of(3).in_trouble()
    other = servers.world.another_laptop()
    with begin(servers.world.laptop, *ROLLBACK) as one, begin(other, *ROLLBACK) as two:
        codes = {one.ends()[0], two.ends()[0]}
    assert codes in ({Exit.DONE, Exit.LEASE_HELD}, {Exit.DONE, Exit.WORLD_MOVED})
    assert servers.everywhere("good-1")
    assert len({line["run"] for line in run_lines(servers.hosts[0])}) == 1
    wait_until(lambda: servers.leases() == [], "no lease is left behind")
