from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from scripted import ENV, Home, home, values

from lastgood.model.errors import Exit
from sandbox.fleet import HOME_GO
from sandbox.github.server import GitHub
from sandbox.github.state import Rules
from sandbox.run import run

FORGE = '\nforge: {{kind: github, repo: shop/deploy, url: "{url}", token: "env:DEPLOY_TOKEN"}}\n'


@dataclass(frozen=True)
class Protected:
    """A bad release in production, and a branch that takes what is reviewed only, by GitHub."""

    team: Home
    hub: GitHub
    bad: str

    def mitigated(self) -> dict[str, Any]:
        """Rolls back; production has to be well, and the branch as it was."""
        report = self.team.rollback(ends=Exit.MITIGATED)
        assert self.team.serves("good-1")
        assert self.team.tip() == self.bad
        assert self.team.world.show(values(HOME_GO), self.branch(report)) == self.team.there().decode()
        return report

    def branch(self, report: dict[str, Any]) -> str:
        """The branch that waits for a review; what it pins is what serves."""
        names = [name for name in self.team.world.branches() if name != "main"]
        assert names == [f"lastgood/{report['run']}"]
        return names[0]

    def token(self, value: str) -> None:
        self.team.world.laptop.env["DEPLOY_TOKEN"] = value


@pytest.fixture
def protected() -> Iterator[Protected]:
    with home() as team, GitHub(team.world.remote) as hub:
        team.commit({"lastgood.yaml": team.world.show("lastgood.yaml") + FORGE.format(url=hub.url)}, "Name the forge")
        team.ships("good-1", "http-500")
        hub.state.protect("main", Rules(classic={}, reviews=1))
        found = Protected(team, hub, team.tip())
        found.token("ghp_write")
        yield found


def lands(team: Home, files: dict[str, str | None], message: str) -> str:
    """A colleague's change is reviewed and reaches main; returns its commit."""
    commit = team.world.commit(files, message, branch="reviewed")
    git = ("git", "-C", str(team.world.remote), "update-ref")
    run([*git, "refs/heads/main", commit], env=team.world.env)
    run([*git, "-d", "refs/heads/reviewed"], env=team.world.env)
    return commit


def test_production_goes_first_and_the_branch_is_asked_by_a_pull_request(protected: Protected) -> None:
    report = protected.mitigated()
    (pull,) = protected.hub.state.pulls
    assert (pull.head, pull.base, pull.state) == (protected.branch(report), "main", "open")
    assert protected.hub.state.files(pull) == [values(HOME_GO)]
    assert any("/pull/1" in command for command in report["next"])
    assert "/pull/1" in str(report["because"])
    status = protected.team.does("status", HOME_GO, ENV)
    assert protected.team.tag("good-1") in status["drift"]
    assert protected.team.tag("http-500") in status["drift"]


@pytest.mark.parametrize("method", ["MERGE", "SQUASH", "REBASE"])
def test_the_run_is_settled_when_the_branch_has_it_and_not_before(protected: Protected, method: str) -> None:
    team, hub = protected.team, protected.hub
    hub.state.allow_auto_merge = False
    run_id = protected.mitigated()["run"]
    waiting = team.does("settle", ends=Exit.MITIGATED)
    assert waiting["run"] == run_id
    assert len(hub.state.pulls) == 1
    assert team.tip() == protected.bad
    hub.state.merge(1, method)
    lands(team, {"notes.md": "later\n"}, "Something else")
    settled = team.does("settle")
    assert settled["run"] == run_id
    assert team.settled("good-1")
    assert len(hub.state.pulls) == 1
    assert len([one for one in hub.log if one == ("POST", "/repos/shop/deploy/pulls")]) == 1
    assert team.does("show", run_id)["exit"] == Exit.DONE
    assert team.does("status", HOME_GO, ENV)["drift"] == ""
    assert "No run" in team.does("settle", ends=Exit.USAGE)["what"]


@pytest.mark.parametrize("allowed", [True, False], ids=["allowed", "not-allowed"])
def test_merging_by_itself_is_asked_for_where_that_is_allowed(protected: Protected, *, allowed: bool) -> None:
    protected.hub.state.allow_auto_merge = allowed
    report = protected.mitigated()
    assert bool(protected.hub.state.pulls[0].auto) is allowed
    assert ("by itself" in str(report["because"])) is allowed
    protected.hub.state.review(1)
    if not allowed:
        protected.hub.state.merge(1)
    protected.team.does("settle")
    assert protected.team.settled("good-1")


def test_the_next_run_closes_what_waited(protected: Protected) -> None:
    protected.mitigated()
    protected.hub.state.review(1)
    protected.team.rollback()
    assert protected.team.settled("good-1")
    assert protected.team.does("settle", ends=Exit.USAGE)


@pytest.mark.parametrize("trouble", ["no token", "outage"])
def test_without_the_api_production_is_well_and_the_branch_is_named(protected: Protected, trouble: str) -> None:
    team, hub = protected.team, protected.hub
    if trouble == "no token":
        del team.world.laptop.env["DEPLOY_TOKEN"]
    else:
        hub.outage = 502
    report = protected.mitigated()
    assert hub.state.pulls == []
    assert protected.branch(report) in str((report["because"], report["next"]))
    assert "ghp_" not in str(report)
    protected.token("ghp_write")
    hub.outage = ""
    team.does("settle", ends=Exit.MITIGATED)
    assert len(hub.state.pulls) == 1
    hub.state.review(1)
    team.does("settle")
    assert team.settled("good-1")


def test_a_pull_request_that_somebody_closed_is_said_and_not_opened_again(protected: Protected) -> None:
    protected.mitigated()
    protected.hub.state.close(1)
    said = protected.team.does("settle", ends=Exit.MITIGATED)
    assert "closed" in str(said["because"])
    assert "/pull/1" in str(said)
    assert len(protected.hub.state.pulls) == 1
    assert protected.team.serves("good-1")


def test_a_branch_that_somebody_brought_elsewhere_meanwhile_is_a_humans_matter(protected: Protected) -> None:
    team = protected.team
    protected.mitigated()
    theirs = lands(team, {values(HOME_GO): team.pinning(HOME_GO, "good-3")}, "Fix forward")
    said = team.does("settle", ends=Exit.NEEDS_HUMAN)
    assert team.tag("good-3") in str(said["because"])
    assert team.tip() == theirs
    assert team.serves("good-1")
