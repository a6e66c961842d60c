from collections.abc import Iterator

import pytest
from scripted import DEPLOY, ENV, Home, begin, home, values

from lastgood.model.errors import Exit
from sandbox.fleet import HOME_GO
from sandbox.hosts import CHECKOUT, HOME
from sandbox.laptop import Laptop
from sandbox.run import run

ROLLBACK = ("rollback", HOME_GO, ENV, "--yes")


@pytest.fixture(scope="module")
def shared() -> Iterator[Home]:
    """One server with a bad release on it; every test leaves its checkout as it was."""
    with home() as found:
        found.ships("good-1", "http-500")
        yield found


@pytest.fixture
def team() -> Iterator[Home]:
    """One server of its own, with a bad release on it; the operator has looked at it once."""
    with home() as found:
        found.ships("good-1", "http-500")
        found.does("status", HOME_GO, ENV)
        yield found


def in_checkout(team: Home, script: str, user: str = "deploy") -> None:
    team.host.exec("sh", "-c", script, cwd=CHECKOUT, user=user)


@pytest.mark.parametrize(
    ("done", "undone", "said"),
    [
        ('echo "# by hand" >> README.md', "git checkout -q README.md", "README.md"),
        (f"echo >> {values(HOME_GO)}", f"git checkout -q {values(HOME_GO)}", values(HOME_GO)),
        (f"echo >> {DEPLOY}; git add {DEPLOY}", "git reset -q --hard", DEPLOY),
        (
            "git -c user.name=Kim -c user.email=kim@shop.example commit -q --allow-empty -m 'By hand'",
            "git reset -q --hard origin/main",
            "is not in the history of main",
        ),
        ("git checkout -q -b experiment", "git checkout -q main; git branch -q -D experiment", "it is on experiment"),
        ("git checkout -q --detach", "git checkout -q main", "it is on no branch"),
    ],
    ids=["dirty", "dirty-pin", "staged", "local-commit", "another-branch", "detached"],
)
def test_a_checkout_that_somebody_worked_in_is_refused_and_left_alone(
    shared: Home, done: str, undone: str, said: str
) -> None:
    in_checkout(shared, done)
    try:
        error = shared.refuses(*ROLLBACK)
    finally:
        in_checkout(shared, undone)
    assert said in " ".join(error["because"])
    assert f"{CHECKOUT} on" in error["error"] or CHECKOUT in str(error)
    looks = [command for command in error["next"] if f"git -C {CHECKOUT}" in command]
    assert len(looks) == len(error["next"]) > 1
    assert all(command.startswith(f"ssh {shared.host.url} ") for command in looks)
    assert shared.leases() == []


def test_the_commands_of_a_refusal_can_be_run_as_they_are(shared: Home) -> None:
    in_checkout(shared, 'echo "# by hand" >> README.md')
    try:
        looks = shared.refuses(*ROLLBACK)["next"]
        laptop: Laptop = shared.world.laptop
        seen = [run(["sh", "-c", command], env=laptop.env).stdout for command in looks]
    finally:
        in_checkout(shared, "git checkout -q README.md")
    assert "README.md" in seen[0]
    assert "+# by hand" in seen[1]


@pytest.mark.parametrize("trusting", [True, False], ids=["git-trusts-it", "git-does-not"])
def test_a_checkout_that_belongs_to_somebody_else_is_refused(shared: Home, *, trusting: bool) -> None:
    if not trusting:
        shared.host.exec("mv", f"{HOME}/.gitconfig", f"{HOME}/.gitconfig.off", user="root")
    in_checkout(shared, "chown -R root:root .", user="root")
    try:
        error = shared.refuses(*ROLLBACK)
    finally:
        in_checkout(shared, "chown -R deploy:deploy .", user="root")
        if not trusting:
            shared.host.exec("mv", f"{HOME}/.gitconfig.off", f"{HOME}/.gitconfig", user="root")
    assert error["because"]
    assert any(f"git -C {CHECKOUT}" in command for command in error["next"])
    assert shared.leases() == []


def test_files_that_git_does_not_know_are_nobodys_unfinished_work(team: Home) -> None:
    in_checkout(team, "echo SECRET=1 > .env")
    team.rollback()
    assert team.serves("good-1")
    assert team.host.read(f"{CHECKOUT}/.env") == "SECRET=1\n"
    assert team.head() == team.tip()


def test_a_checkout_that_becomes_unfit_on_the_way_leaves_git_as_it_was(team: Home) -> None:
    """The pin is in git by then; it has to go back, or the branch says what nobody runs."""
    tip, ids, at = team.tip(), team.ids(), team.head()
    hook = team.world.remote / "hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        f"#!/bin/sh\necho '# by hand' > /proc/{team.host.init.partition(':')[0]}/root{CHECKOUT}/README.md\n"
    )
    hook.chmod(0o755)
    report = team.rollback(ends=Exit.FAILED_RESTORED)
    assert team.ids() == ids
    assert team.runs("http-500")
    assert team.head() == at
    assert team.host.read(f"{CHECKOUT}/README.md") == "# by hand\n"
    assert team.contains(tip)
    assert team.changed(tip) == []
    assert team.since(tip)[0] == f"Put {HOME_GO}/prod back on {team.tag('http-500')}"
    assert "README.md" in str(report["because"])
    assert any(f"git -C {CHECKOUT}" in command for command in report["next"])


def test_a_checkout_that_git_cannot_move_just_now_gets_the_file_and_is_settled_later(team: Home) -> None:
    lock = f"{CHECKOUT}/.git/index.lock"
    team.host.write(lock, "")  # somebody else's git is at work there, or died
    run_id = team.rollback(ends=Exit.MITIGATED)["run"]
    assert team.serves("good-1")
    assert team.world.pinned(HOME_GO) == team.tag("good-1")
    team.host.exec("rm", lock)
    team.does("settle", run_id)
    assert team.settled("good-1")


def test_while_the_remote_is_down_only_the_pin_file_is_written_and_settled_later(team: Home) -> None:
    tip, checkout = team.tip(), team.checkout()
    team.world.break_remote()
    report = team.rollback(ends=Exit.MITIGATED)
    assert team.serves("good-1")
    assert team.head() == tip
    files = {line for line in team.checkout().splitlines() if line not in checkout.splitlines()}
    assert len(files) == 2  # the file itself, and git's word that it is changed
    assert all(line.endswith(values(HOME_GO)) for line in files)
    assert f"  tag: {team.tag('good-1')}" in team.there().decode()
    offered = next(command for command in report["next"] if command.startswith("lastgood "))
    again = team.does(*offered.split()[1:], ends=Exit.MITIGATED)
    assert again["run"] == report["run"]
    team.world.mend_remote()
    settled = team.does("settle")
    assert settled["run"] == report["run"]
    assert team.settled("good-1")
    assert len(team.since(tip)) == 1
    assert team.contains(tip)
    assert team.leases() == []


def test_a_file_that_somebody_edited_before_it_was_settled_is_left_to_them(team: Home) -> None:
    team.world.break_remote()
    run_id = team.rollback(ends=Exit.MITIGATED)["run"]
    in_checkout(team, f'echo "# mine" >> {values(HOME_GO)}')
    team.world.mend_remote()
    before = team.checkout()
    said = team.does("settle", run_id, ends=Exit.MITIGATED)
    assert team.checkout() == before
    assert team.serves("good-1")
    assert team.world.pinned(HOME_GO) == team.tag("good-1")
    assert values(HOME_GO) in str(said["because"])
    assert any(f"git -C {CHECKOUT}" in command for command in said["next"])


def test_a_remote_that_comes_back_during_the_run_gets_the_commit_in_the_same_run(team: Home) -> None:
    tip = team.tip()
    team.world.break_remote()
    # The gate looks at the service for two seconds; somebody mends the remote meanwhile.
    with begin(team, *ROLLBACK) as session:
        session.begun("1.verify")
        team.world.mend_remote()
        report = session.end()
    assert report["exit"] == 0
    assert team.settled("good-1")
    assert len(team.since(tip)) == 1
