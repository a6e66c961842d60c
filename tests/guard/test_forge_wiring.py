"""Quarantine, guard and revert where the branch is protected on GitHub, as a person or CI calls them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from guardworld import BIN, CONFIG, PROD, STAGING, Deploy, Done, values

from sandbox.github.server import GitHub
from sandbox.github.state import Rules

TOKEN = {"GITHUB_TOKEN": "ghp_write"}


class Team(Deploy):
    """The deploy repo on GitHub, and the code of its service beside it."""

    def on(self, hub: GitHub, *, code: str = "") -> None:
        """Everybody reaches the remotes under their addresses at GitHub."""
        rewrite = f'[url "{self.root}/"]\ninsteadOf = git@github.com:shop/\n'
        with (self.root / "home/.gitconfig").open("a") as file:
            file.write(rewrite)
        for clone in (self.laptop, self.colleague):
            self.git("remote", "set-url", "origin", "git@github.com:shop/remote.git", at=clone)
        source = f"source: {{repo: {code}}}, " if code else ""
        config = CONFIG.replace("{shop-api: {", f"{{shop-api: {{{source}")
        self.ship({"lastgood.yaml": f"{config}forge: {{kind: github, url: {hub.url}, repo: shop/deploy}}\n"}, "forge")
        self.pull()

    def code(self) -> str:
        """A code repo, `git@github.com:shop/code.git`, with a commit that broke it; that commit."""
        self.git("init", "-q", "--bare", str(self.root / "code.git"), at=self.root)
        self.git("clone", "-q", "git@github.com:shop/code.git", str(self.root / "code"), at=self.root)
        for text in ("fine\n", "broken\n"):
            self.commit({"app.py": text}, f"Make it {text.strip()}", self.root / "code")
        self.git("push", "-q", "origin", "HEAD:main", at=self.root / "code")
        return self.git("rev-parse", "HEAD", at=self.root / "code")

    def asks(self, *args: str, ends: int = 0, at: Path | None = None, env: dict[str, str] | None = None) -> Done:
        """Lastgood, with a token for GitHub."""
        done = self.run(str(BIN / "lastgood"), *args, at=at, env=TOKEN if env is None else env)
        assert done.code == ends, f"{done.code}: {done.out}{done.err}"
        return done

    def refs(self, repo: str) -> list[str]:
        return self.git("for-each-ref", "--format=%(refname:short)", at=self.root / repo).split()


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


@pytest.fixture
def hub(team: Team) -> Iterator[GitHub]:
    """GitHub with the deploy repo; any request that GitHub does not describe fails the test."""
    with GitHub(team.remote) as serving:
        team.on(serving)
        yield serving


@pytest.fixture
def code_hub(team: Team) -> Iterator[GitHub]:
    """GitHub with the code repo."""
    with GitHub(team.root / "code.git", "shop/code") as serving:
        team.on(serving, code="git@github.com:shop/code.git")
        yield serving


ADD = ("quarantine", "add", "shop-api", "prod", "sha-2", "--because", "loses orders")


def test_a_quarantine_that_may_not_be_pushed_must_be_proposed_and_merged_by_review(team: Team, hub: GitHub) -> None:
    team.release("sha-2")
    before = team.main()
    hub.state.protect("main", Rules(classic={}, reviews=1))
    made = team.asks(*ADD, "--json", ends=9).json
    assert made["exit"] == 9
    assert made["link"].endswith("/pull/1")
    assert "takes no direct push" in made["because"]
    assert team.main() == before
    assert team.git("show", f"{made['commit']}:quarantine.yaml", at=team.remote)
    hub.state.review(1)
    assert "sha-2" in team.at_main("quarantine.yaml")
    again = team.asks(*ADD, "--json").json
    assert (again["exit"], again["commit"]) == (0, "")


def test_a_quarantine_proposed_twice_must_be_one_proposal(team: Team, hub: GitHub) -> None:
    team.release("sha-2")
    hub.state.protect("main", Rules(classic={}, reviews=1))
    first, second = (team.asks(*ADD, "--json", ends=9).json for _ in range(2))
    assert (first["link"], first["commit"]) == (second["link"], second["commit"])
    assert len(hub.state.pulls) == 1
    assert len([ref for ref in team.refs("remote.git") if "quarantine" in ref]) == 1


def test_a_quarantine_must_not_be_called_effective_before_it_is_merged(team: Team, hub: GitHub) -> None:
    team.release("sha-2")
    hub.state.protect("main", Rules(classic={}, reviews=1))
    said = team.asks(*ADD, ends=9)
    assert "sha-2 is not yet in quarantine" in said.out
    assert "next       merge http" in said.out
    assert json.loads(team.asks("quarantine", "list", "--json").out)["entries"] == []


def test_without_a_token_the_branch_must_be_there_and_the_way_on_be_told(team: Team, hub: GitHub) -> None:
    team.release("sha-2")
    hub.state.protect("main", Rules(classic={}, reviews=1))
    made = team.asks(*ADD, "--json", ends=9, env={}).json
    assert "no token" in made["because"]
    assert made["next"][0].startswith("open a pull request from lastgood/quarantine-")
    assert hub.state.pulls == []


def test_a_remote_that_takes_no_branch_either_must_change_nothing(team: Team, hub: GitHub) -> None:
    team.release("sha-2")
    hook = team.remote / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho 'read only' >&2; exit 1\n")
    hook.chmod(0o755)
    before = team.refs("remote.git")
    said = team.asks(*ADD, ends=3)
    assert "read only" in said.err
    assert (team.refs("remote.git"), hub.state.pulls) == (before, [])


GREEN = ("guard", "check", "--base", "origin/main", "--require-green", "--json")


def bump(team: Team, commit: str) -> None:
    team.git("fetch", "-q", "origin")
    team.commit({PROD: values(f"sha-{commit}"), STAGING: values(f"sha-{commit}")}, "bump")


@pytest.mark.parametrize("named", [40, 9])
def test_a_bump_to_a_commit_that_passed_must_be_let_through(
    team: Team, named: int, request: pytest.FixtureRequest
) -> None:
    team.git("config", "--global", f"url.{team.root}/.insteadOf", "git@github.com:shop/")
    commit = team.code()
    hub: GitHub = request.getfixturevalue("code_hub")
    hub.state.check(commit, "test", "success")
    bump(team, commit[:named])
    assert team.asks(*GREEN).json["breaches"] == []
    assert ("GET", f"/repos/shop/code/commits/{commit}/status?per_page=100") in hub.log


@pytest.mark.parametrize(
    ("checks", "because"),
    [
        ([("test", "failure", "completed"), ("lint", "success", "completed")], "failed: test"),
        ([("test", None, "in_progress")], "not finished: test"),
        ([], "nothing ever judged it"),
    ],
)
def test_a_bump_to_a_commit_that_did_not_pass_must_be_refused_with_the_names(
    team: Team, checks: list[tuple[str, str | None, str]], because: str, request: pytest.FixtureRequest
) -> None:
    team.git("config", "--global", f"url.{team.root}/.insteadOf", "git@github.com:shop/")
    commit = team.code()
    hub: GitHub = request.getfixturevalue("code_hub")
    for name, conclusion, status in checks:
        hub.state.check(commit, name, conclusion, status)
    bump(team, commit)
    breaches = team.asks(*GREEN, ends=3).json["breaches"]
    assert {breach["target"] for breach in breaches} == {"shop-api/prod", "shop-api/staging"}
    assert all(breach["because"].endswith(because) for breach in breaches)


def test_a_service_without_a_code_repo_of_its_own_must_be_judged_by_the_deploy_repos_ci(
    team: Team, hub: GitHub
) -> None:
    commit = team.main()
    hub.state.status(commit, "ci", "success")
    bump(team, commit[:12])
    assert team.asks(*GREEN).json["breaches"] == []
    hub.state.status(commit, "ci", "failure")
    assert "failed: ci" in team.asks(*GREEN, ends=3).json["breaches"][0]["because"]


def test_ci_that_cannot_be_asked_must_not_count_as_passed(team: Team, hub: GitHub) -> None:
    commit = team.main()
    hub.state.status(commit, "ci", "success")
    bump(team, commit)
    hub.outage = 502
    assert "is unknown" in team.asks(*GREEN, ends=3).json["breaches"][0]["because"]


def test_a_commit_that_nobody_knows_must_not_count_as_passed(team: Team, hub: GitHub) -> None:
    bump(team, "0123456")
    assert "no commit of" in team.asks(*GREEN, ends=3).json["breaches"][0]["because"]
    assert not [path for _, path in hub.log if "commits" in path]


REVERT = ("revert", "--service", "shop-api", "--yes", "--json")


def reverting(team: Team, request: pytest.FixtureRequest) -> tuple[str, GitHub]:
    team.git("config", "--global", f"url.{team.root}/.insteadOf", "git@github.com:shop/")
    return team.code(), request.getfixturevalue("code_hub")


def test_a_revert_on_a_protected_branch_must_become_a_pull_request_of_the_code_repo(
    team: Team, request: pytest.FixtureRequest
) -> None:
    bad, hub = reverting(team, request)
    hub.state.protect("main", Rules(classic={}, reviews=1))
    done = team.asks(*REVERT, bad, ends=8).json
    assert done["link"].endswith("/shop/code/pull/1")
    assert (hub.state.pulls[0].head, hub.state.pulls[0].base) == (done["branch"], "main")
    assert team.git("rev-parse", "main", at=team.root / "code.git") == bad
    hub.state.review(1)
    assert team.git("show", "main:app.py", at=team.root / "code.git") == "fine"


def test_a_pull_request_that_was_asked_for_twice_must_be_one(team: Team, request: pytest.FixtureRequest) -> None:
    bad, hub = reverting(team, request)
    first, second = (team.asks(*REVERT, bad, "--pull-request").json for _ in range(2))
    assert first["link"] == second["link"] != ""
    assert first["commits"] == second["commits"]
    assert len(hub.state.pulls) == 1
    assert team.git("rev-parse", "main", at=team.root / "code.git") == bad


def test_a_revert_proposed_before_the_branch_moved_must_name_the_pull_request(
    team: Team, request: pytest.FixtureRequest
) -> None:
    bad, hub = reverting(team, request)
    link = team.asks(*REVERT, bad, "--pull-request").json["link"]
    team.commit({"other.py": "1\n"}, "Unrelated", team.root / "code")
    team.git("push", "-q", "origin", "HEAD:main", at=team.root / "code")
    error = team.asks(*REVERT, bad, "--pull-request", ends=3).json
    assert error["next"][0].startswith(f"look at {link}")
    assert len(hub.state.pulls) == 1


def test_elsewhere_than_on_github_the_link_must_be_told(team: Team) -> None:
    with (team.root / "home/.gitconfig").open("a") as file:
        file.write(f'[url "{team.root}/"]\ninsteadOf = git@gitlab.example:shop/\ninsteadOf = git@github.com:shop/\n')
    bad = team.code()
    team.git("remote", "set-url", "origin", "git@gitlab.example:shop/code.git", at=team.root / "code")
    done = team.asks("revert", bad, "--pull-request", "--yes", "--json", at=team.root / "code").json
    assert done["link"].startswith("https://gitlab.example/shop/code/-/merge_requests/new?")
    assert done["branch"] in team.refs("code.git")
