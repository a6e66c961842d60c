from collections.abc import Iterator

import pytest
from scripted import APP, DEPLOY, ENV, HOLD, Home, begin, home, values

from lastgood.model.errors import Exit
from sandbox.fleet import HOME_GO, HOME_WEB
from sandbox.run import wait_until

ROLLBACK = ("rollback", APP, ENV, "--yes")
BOTH = sorted((values(HOME_GO), values(HOME_WEB)))
HOLDS_WEB = f'[ "$2" = {HOME_WEB} ] && while [ -e {HOLD} ]; do sleep 0.1; done'


@pytest.fixture
def team() -> Iterator[Home]:
    """One server and the app of both services, nothing shipped yet."""
    with home(app=True) as found:
        yield found


def both(team: Home, go: str, web: str) -> bool:
    """Whether both serve, the branch pins both, and the checkouts are at the branch."""
    return team.settled(go) and team.settled(web, HOME_WEB)


def switched(report: dict[str, object]) -> list[str]:
    """The services that a run switched, in their order."""
    lines = [str(line["text"]) for line in report["timeline"]]  # type: ignore[attr-defined] - JSON
    begun = [line.split(":")[0] for line in lines if ".switch." in line and ": begun" in line]
    return [next(name for name in (HOME_GO, HOME_WEB) if name in step) for step in begun]


def test_where_one_service_went_bad_the_other_stays_as_it_is_and_is_judged_too(team: Home) -> None:
    team.ships_both("good-1", "good-1")
    team.ships("http-500")
    tip, web = team.tip(), team.ids(HOME_WEB)
    report = team.rollback(of=APP)
    assert both(team, "good-1", "good-1")
    assert team.ids(HOME_WEB) == web
    assert team.changed(tip) == [values(HOME_GO)]
    assert len(team.since(tip)) == 1
    assert switched(report) == [HOME_GO]
    proofs = [line["text"] for line in report["timeline"] if f"1.verify.{HOME_WEB}: done" in line["text"]]
    assert len(proofs) == 1
    assert team.tag("good-1", HOME_WEB) in proofs[0]


@pytest.mark.parametrize("order", [(HOME_GO, HOME_WEB), (HOME_WEB, HOME_GO)], ids=["go-first", "web-first"])
def test_both_go_back_by_one_commit_in_the_declared_order(team: Home, order: tuple[str, str]) -> None:
    team.configure((f"{APP}: [{HOME_GO}, {HOME_WEB}]", f"{APP}: [{', '.join(order)}]"))
    team.ships_both("good-1", "good-1")
    tip = team.ships_both("http-500", "good-2")
    report = team.rollback(of=APP)
    assert both(team, "good-1", "good-1")
    assert sorted(team.changed(tip)) == BOTH
    assert len(team.since(tip)) == 1
    assert switched(report) == list(order)


def test_where_the_second_service_fails_both_are_as_they_were(team: Home) -> None:
    team.impatient()
    team.configure((f"{APP}: [{HOME_GO}, {HOME_WEB}]", f"{APP}: [{HOME_WEB}, {HOME_GO}]"))
    team.ships_both("http-500-b", "good-1")
    tip = team.ships_both("http-500", "good-2")
    report = team.rollback(of=APP, ends=Exit.FAILED_RESTORED)
    assert switched(report)[:2] == [HOME_WEB, HOME_GO]
    assert team.runs("http-500")
    assert team.serves("good-2", HOME_WEB)
    assert team.contains(tip)
    assert team.changed(tip) == []
    assert len(team.since(tip)) == 2
    assert team.at() == team.tip()
    assert team.leases() == []


def test_one_service_of_an_app_can_still_be_named(team: Home) -> None:
    team.ships_both("good-1", "good-1")
    tip = team.ships_both("http-500", "good-2")
    web = team.ids(HOME_WEB)
    team.rollback(of=HOME_GO)
    assert both(team, "good-1", "good-2")
    assert team.ids(HOME_WEB) == web
    assert team.changed(tip) == [values(HOME_GO)]


def test_a_combination_that_was_never_together_is_never_chosen(team: Home) -> None:
    team.impatient()
    team.ships_both("good-1", "good-1")
    team.ships_both("http-500-b", "good-2")
    tip = team.ships_both("http-500", "good-2")
    team.rollback(of=APP)
    assert both(team, "good-1", "good-1")
    pins = []
    for commit, _ in team.world.log()[: len(team.since(tip))]:
        shown = [team.world.show(values(service), commit) for service in (HOME_GO, HOME_WEB)]
        pins.append([next(w for w in text.split() if w.startswith("sha-")) for text in shown])
    apart = [team.tag("good-1"), team.tag("good-2", HOME_WEB)]
    assert pins
    assert apart not in pins


def test_a_combination_can_be_named_by_a_commit(team: Home) -> None:
    first = team.ships_both("good-1", "good-1")
    team.ships_both("good-2", "good-2")
    tip = team.ships_both("http-500", "good-2")
    team.rollback("--to", first, of=APP)
    assert both(team, "good-1", "good-1")
    assert team.contains(tip)


def test_an_app_and_its_services_are_not_moved_at_the_same_time(team: Home) -> None:
    team.ships_both("good-1", "good-1")
    team.ships("http-500")
    team.deploys_by(f"while [ -e {HOLD} ]; do sleep 0.1; done")
    team.holds()
    with begin(team, *ROLLBACK) as session:
        run_id = session.did("1.pin")
        wait_until(lambda: bool(team.process(DEPLOY)), "the script runs")
        for service in (HOME_GO, HOME_WEB):
            refused = team.does("restart", service, ENV, ends=Exit.LEASE_HELD)
            assert run_id in str(refused)
        team.lets_go()
        assert session.end()["exit"] == 0
    assert both(team, "good-1", "good-1")
    assert team.leases() == []


def test_an_app_waits_for_no_run_of_one_of_its_services(team: Home) -> None:
    team.ships_both("good-1", "good-1")
    team.ships("http-500")
    team.deploys_by(f"while [ -e {HOLD} ]; do sleep 0.1; done")
    team.holds()
    with begin(team, "rollback", HOME_GO, ENV, "--yes") as session:
        session.did("1.pin")
        wait_until(lambda: bool(team.process(DEPLOY)), "the script runs")
        team.does("restart", APP, ENV, ends=Exit.LEASE_HELD)
        team.lets_go()
        assert session.end()["exit"] == 0
    assert both(team, "good-1", "good-1")


@pytest.mark.parametrize("verb", ["resume", "abort"])
def test_a_run_killed_with_one_service_switched_is_finished_or_undone(team: Home, verb: str) -> None:
    team.ships_both("good-1", "good-1")
    tip = team.ships_both("http-500", "good-2")
    team.impatient()
    team.deploys_by(HOLDS_WEB)
    team.holds()
    with begin(team, *ROLLBACK) as session:
        session.did(f"1.switch.{HOME_GO}.{team.host.url.rpartition('@')[2]}")
        wait_until(lambda: bool(team.process(DEPLOY)), "the script runs for the second service")
        session.dies()
    assert team.serves("good-1")
    assert team.runs("good-2", HOME_WEB)
    team.lets_go()
    team.does(verb, session.run)
    assert team.contains(tip)
    assert team.leases() == []
    assert team.at() == team.tip()
    if verb == "resume":
        assert both(team, "good-1", "good-1")
    else:
        assert team.runs("http-500")
        assert team.runs("good-2", HOME_WEB)
        assert team.world.pinned(HOME_GO) == team.tag("http-500")
        assert team.world.pinned(HOME_WEB) == team.tag("good-2", HOME_WEB)


def test_an_app_goes_back_on_every_host() -> None:
    with home(3, app=True) as team:
        team.ships_both("good-1", "good-1")
        tip = team.ships_both("http-500", "good-2")
        report = team.rollback(of=APP)
        assert both(team, "good-1", "good-1")
        assert len(team.since(tip)) == 1
        assert switched(report) == [HOME_GO] * 3 + [HOME_WEB] * 3
        assert [team.leases(host) for host in range(3)] == [[], [], []]
