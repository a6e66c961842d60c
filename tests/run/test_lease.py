import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from lastgood.effects.files import LocalFiles
from lastgood.model.errors import InDoubt, LeaseHeld, Refused
from lastgood.run import lease
from lastgood.run.lease import Lease

SECOND = 1_000_000_000
NAME = "shop-api/prod"


class Still:
    """A clock that stands."""

    def __init__(self, at: int = 1_795_369_501 * SECOND) -> None:
        self.at = at

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return self.at / SECOND

    def sleep(self, seconds: float) -> None:
        self.at += round(seconds * SECOND)


class Team:
    """Operators who share one state folder."""

    def __init__(self, state: Path) -> None:
        self.files = LocalFiles()
        self.clock = Still()
        self.state = str(state)
        self.file = state / "leases" / "shop-api@prod.json"

    def take(self, who: str, *, run: str = "", take_over: bool = False, target: str = NAME) -> Lease:
        return lease.take(
            self.files,
            self.clock,
            self.state,
            target,
            run=run or f"run-{who}",
            token=f"token-{who}",
            holder=f"{who}@laptop pid 7",
            doing="rollback to sha-good",
            ttl=60,
            take_over=take_over,
        )

    def check(self, who: str) -> Lease:
        return lease.check(self.files, self.state, NAME, f"token-{who}")

    def release(self, who: str) -> None:
        lease.release(self.files, self.state, NAME, f"token-{who}")


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path / "state")


def test_a_lease_must_say_who_does_what_since_when(team: Team) -> None:
    taken = team.take("ann")
    assert team.check("ann") == taken == msgspec.json.decode(team.file.read_bytes(), type=Lease)
    assert taken.until - taken.since == 60 * SECOND
    assert taken.shown() == ("ann@laptop pid 7: rollback to sha-good (run run-ann), since 2026-11-22 17:45:01 UTC")


def test_a_second_operator_must_be_refused_and_told_who_has_it(team: Team) -> None:
    taken = team.take("ann")
    with pytest.raises(LeaseHeld, match="Somebody else acts on shop-api/prod") as told:
        team.take("bob")
    assert taken.shown() in told.value.because
    assert any("--take-over" in each for each in told.value.next)
    assert not told.value.ran_out
    assert team.check("ann") == taken


def test_targets_must_not_share_a_lease(team: Team) -> None:
    team.take("ann")
    team.take("bob", target="shop-api/stage")
    team.take("bob", target="shop-web/prod")
    assert len(list(team.file.parent.iterdir())) == 3


def test_expiry_must_hand_nothing_over_by_itself(team: Team) -> None:
    team.take("ann")
    team.clock.sleep(3600)
    with pytest.raises(LeaseHeld) as told:
        team.take("bob")
    assert told.value.ran_out  # which a timer calls a person for
    assert any("has run out" in each for each in told.value.because)
    assert any("ran out 59 min ago" in each for each in told.value.next)
    assert team.check("ann").holder.startswith("ann")


def test_a_take_over_must_say_from_whom_and_stop_the_old_holder(team: Team) -> None:
    team.take("ann")
    taken = team.take("bob", take_over=True)
    assert taken.taken_from == "ann@laptop pid 7"
    assert team.check("bob") == taken
    with pytest.raises(LeaseHeld, match="was taken over") as told:
        team.check("ann")
    assert "bob@laptop" in told.value.because[0]
    team.release("ann")
    assert team.check("bob") == taken
    assert [each.name for each in team.file.parent.iterdir()] == ["shop-api@prod.json"]


def test_a_take_over_of_nothing_must_simply_take(team: Team) -> None:
    assert team.take("bob", take_over=True).taken_from == ""


def test_a_resumed_run_must_get_its_own_lease_again(team: Team) -> None:
    team.take("ann")
    again = team.take("ann2", run="run-ann")
    assert again.taken_from == ""
    assert team.check("ann2") == again
    with pytest.raises(LeaseHeld):
        team.check("ann")


def test_renewing_must_extend_only_our_own_lease(team: Team) -> None:
    team.take("ann")
    team.clock.sleep(30)
    renewed = lease.renew(team.files, team.clock, team.state, NAME, "token-ann", ttl=60)
    assert renewed.until == team.clock.now() + 60 * SECOND
    assert team.check("ann") == renewed
    with pytest.raises(LeaseHeld):
        lease.renew(team.files, team.clock, team.state, NAME, "token-bob", ttl=60)
    assert team.check("ann") == renewed


def test_releasing_must_be_repeatable_and_make_room(team: Team) -> None:
    team.take("ann")
    team.release("ann")
    team.release("ann")
    assert lease.read(team.files, team.state, NAME) is None
    with pytest.raises(LeaseHeld, match="is gone"):
        team.check("ann")
    assert team.take("bob").holder.startswith("bob")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"\xff\xfe",
        b"[]",
        b'{"token":"x"}',
        b'{"token":"a","run":"r","holder":"h","since":-1,"until":1,"doing":"d"}',
        b'{"token":"a","run":"r","holder":"h","since":1,"until":99999999999999999999999,"doing":"d"}',
        b'{"token":"a","run":"r","holder":"h","since":1,"until":2,"doing":"d","newer":true}',
    ],
)
@pytest.mark.parametrize("take_over", [False, True])
def test_a_lease_that_cannot_be_read_must_never_be_overwritten(team: Team, content: bytes, *, take_over: bool) -> None:
    team.file.parent.mkdir(parents=True)
    team.file.write_bytes(content)
    with pytest.raises(LeaseHeld, match="cannot be read") as told:
        team.take("bob", take_over=take_over)
    assert str(team.file) in told.value.what
    team_read = team.file.read_bytes()
    assert team_read == content


def test_a_hostile_holder_must_be_shown_harmlessly(team: Team) -> None:
    team.take("ann\x1b[2J\n\u202e")
    with pytest.raises(LeaseHeld) as told:
        team.take("bob")
    assert all(each.isprintable() for each in told.value.because)


@pytest.mark.parametrize(
    "target", ["", "a", "/prod", "a/", "../x/prod", "a/../b", "a/b/c", "--x/prod", "a\n/prod", "a/.."]
)
def test_names_that_make_no_safe_file_must_be_refused(team: Team, target: str) -> None:
    with pytest.raises(Refused, match="cannot be the name"):
        team.take("ann", target=target)
    assert not Path(team.state).exists()


def test_a_folder_that_cannot_be_made_must_be_refused_with_what_to_configure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="cannot be used") as told:
        Team(tmp_path / "file").take("ann")
    assert "environments.prod.state" in told.value.next[0]


def test_a_lease_out_of_reach_in_the_middle_of_a_run_must_put_the_run_in_doubt(team: Team) -> None:
    team.take("ann")
    team.file.unlink()
    team.file.mkdir()
    for act in (team.check, team.release):
        with pytest.raises(InDoubt, match="cannot be reached"):
            act("ann")


def test_of_many_threads_exactly_one_must_win(team: Team) -> None:
    def attempt(number: int) -> str | None:
        try:
            return team.take(str(number)).token
        except LeaseHeld:
            return None

    with ThreadPoolExecutor(16) as pool:
        winners = [each for each in pool.map(attempt, range(64)) if each]
    assert len(winners) == 1
    assert msgspec.json.decode(team.file.read_bytes(), type=Lease).token == winners[0]


TAKER = """
import os, sys
from lastgood.effects.clock import SystemClock
from lastgood.effects.files import LocalFiles
from lastgood.model.errors import LeaseHeld
from lastgood.run import lease
me = str(os.getpid())
print("ready", flush=True)
sys.stdin.readline()
try:
    lease.take(LocalFiles(), SystemClock(), sys.argv[1], "shop-api/prod", run=me, token=me, holder=me, doing="x")
    print("won")
except LeaseHeld:
    print("lost")
"""


def test_of_many_processes_exactly_one_must_win(team: Team) -> None:
    command = [sys.executable, "-c", TAKER, team.state]
    takers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(8)]
    for each in takers:
        assert each.stdout is not None
        each.stdout.readline()
    for each in takers:
        assert each.stdin is not None
        each.stdin.write(b"go\n")
        each.stdin.flush()
    said = [each.communicate()[0] for each in takers]
    assert sorted(said) == [b"lost\n"] * 7 + [b"won\n"]
    winner = takers[said.index(b"won\n")].pid
    assert lease.check(team.files, team.state, NAME, str(winner)).run == str(winner)


class Hasty(LocalFiles):
    """Runs `between` once, right before the claim for a take-over is made."""

    def __init__(self, team: Team) -> None:
        self.team = team
        self.armed = True

    def create(self, path: str, content: bytes) -> bool:
        if path.endswith(".takeover") and self.armed:
            self.armed = False
            self.team.take("eve", take_over=True)
        return super().create(path, content)


def test_of_two_who_take_over_at_once_the_later_must_lose(team: Team) -> None:
    team.take("ann")
    team.files = Hasty(team)
    with pytest.raises(LeaseHeld, match="changing the lease"):
        team.take("bob", take_over=True)
    assert team.check("eve").taken_from.startswith("ann")
    assert not team.file.with_name(team.file.name + ".takeover").exists()


def test_a_claim_left_by_a_dead_taker_must_be_named(team: Team) -> None:
    team.take("ann")
    claim = team.file.with_name(team.file.name + ".takeover")
    claim.write_text("")
    with pytest.raises(LeaseHeld) as told:
        team.take("bob", take_over=True)
    assert str(claim) in told.value.because[0]
    assert claim.exists()
    assert team.check("ann").holder.startswith("ann")
