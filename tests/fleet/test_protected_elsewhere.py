from urllib.parse import parse_qs, urlsplit

import pytest
from scripted import Home, home, values

from lastgood.model.errors import Exit
from sandbox.fleet import HOME_GO
from sandbox.run import run

GITLAB = "git@gitlab.example:axinova/deploy.git"


def at_gitlab(team: Home) -> None:
    """The operator knows the remote by the address that it has at GitLab."""
    env = team.world.laptop.env
    run(["git", "config", "--global", f"url.{team.world.remote}.insteadOf", GITLAB], env=env)
    run(["git", "-C", team.world.laptop.clone, "remote", "set-url", "origin", GITLAB], env=env)


@pytest.mark.parametrize("compose", [False, True], ids=["script", "compose"])
def test_another_host_of_git_gets_a_branch_and_the_operator_a_link(*, compose: bool) -> None:
    with home(compose=compose) as team:
        team.ships("good-1", "http-500")
        at_gitlab(team)
        team.world.protect_main()
        bad = team.tip()
        report = team.rollback(ends=Exit.MITIGATED)
        assert team.serves("good-1")
        assert team.tip() == bad
        branch = f"lastgood/{report['run']}"
        assert set(team.world.branches()) == {"main", branch}
        assert team.changed("main", branch) == [values(HOME_GO)]
        (link,) = (word for command in report["next"] for word in command.split() if word.startswith("https://"))
        page = urlsplit(link)
        assert (page.hostname, page.path) == ("gitlab.example", "/axinova/deploy/-/merge_requests/new")
        assert parse_qs(page.query)["merge_request[source_branch]"] == [branch]
        team.does("settle", ends=Exit.MITIGATED)
        team.world.merge(branch, squash=True)
        team.does("settle")
        assert team.serves("good-1")
        assert team.world.pinned(HOME_GO) == team.tag("good-1")
        assert compose or team.settled("good-1")


def test_where_no_link_is_known_the_branch_is_named() -> None:
    with home() as team:
        team.ships("good-1", "http-500")
        team.world.protect_main()
        report = team.rollback(ends=Exit.MITIGATED)
        branch = f"lastgood/{report['run']}"
        assert branch in team.world.branches()
        assert branch in str(report["next"])
        assert team.serves("good-1")
        team.world.merge(branch)
        team.does("settle")
        assert team.settled("good-1")


def test_every_candidate_is_tried_although_the_branch_is_protected() -> None:
    with home() as team:
        team.impatient()
        team.commits("good-1", "http-500-b")
        team.ships("http-500")
        team.world.protect_main()
        bad, branches = team.tip(), set(team.world.branches())
        report = team.rollback(ends=Exit.MITIGATED)
        assert team.serves("good-1")
        assert team.tip() == bad
        assert set(team.world.branches()) - branches == {f"lastgood/{report['run']}"}
        assert team.changed("main", f"lastgood/{report['run']}") == [values(HOME_GO)]


def test_giving_up_before_a_protected_branch_leaves_git_and_the_server_as_they_were() -> None:
    with home() as team:
        team.impatient()
        team.commits("http-500-b")
        team.ships("http-500")
        team.world.protect_main()
        tip, checkout = team.tip(), team.checkout()
        team.rollback(ends=Exit.FAILED_RESTORED)
        assert team.runs("http-500")
        assert team.world.branches() == {"main": tip}
        assert team.checkout() == checkout
        assert team.leases() == []
