"""`lastgood revert` as its user has it: a clone, a remote that may protect its branch, a deploy repo beside them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pexpect
import pytest

from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import Availability, Container, HostView, Observed, State, Tip
from lastgood.model.release import Image, Release, Trailers
from lastgood.service import Service
from tests.cli.conftest import CONFIG, Said

PROTECTED = """\
while read old new ref; do
  case $ref in refs/heads/main) echo "protected branch" >&2; exit 1;; esac
done
echo "Create a pull request for it by visiting:" >&2
echo "  https://git.example/shop/compare/it" >&2
"""


class Code:
    """A clone of a code repo and its remote, with three commits: begin, Break it, Unrelated."""

    def __init__(self, folder: Path) -> None:
        self.remote = folder / "code.git"
        self.clone = folder / "code"
        self.git(folder, "init", "-q", "--bare", "-b", "main", "code.git")
        self.git(folder, "clone", "-q", str(self.remote), "code")
        for key, value in (("user.name", "Robin"), ("user.email", "robin@shop.example")):
            self.git(self.clone, "config", key, value)
        self.begin = self.ship("app.py", "print('fine')\n", "begin")
        self.bad = self.ship("app.py", "raise SystemExit\n", "Break it")
        self.later = self.ship("other.py", "1\n", "Unrelated")

    @staticmethod
    def git(where: Path, *args: str) -> str:
        done = subprocess.run(("git", *args), cwd=where, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def ship(self, path: str, content: str, message: str) -> str:
        (self.clone / path).write_text(content)
        self.git(self.clone, "add", "-A")
        self.git(self.clone, "commit", "-qm", message)
        self.git(self.clone, "push", "-q", "origin", "HEAD:main")
        return self.git(self.clone, "rev-parse", "HEAD")

    def protect(self) -> None:
        hook = self.remote / "hooks" / "pre-receive"
        hook.write_text(f"#!/bin/sh\n{PROTECTED}")
        hook.chmod(0o755)

    def tip(self, branch: str = "main") -> str:
        return self.git(self.remote, "rev-parse", branch)

    def refs(self) -> str:
        return self.git(self.remote, "for-each-ref")


@pytest.fixture
def code(deploy_repo: Path) -> Code:
    return Code(deploy_repo.parent)


Lastgood = Callable[..., Said]


def test_it_must_push_a_revert_from_inside_a_clone(
    lastgood: Lastgood, code: Code, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(code.clone)
    said = lastgood("revert", code.bad[:8], "--yes", "--because", "checkout fails")
    assert said.code == 0, said.err
    assert code.git(code.remote, "rev-parse", "main^") == code.later
    assert code.git(code.remote, "show", "main:app.py") == "print('fine')"
    assert "checkout fails" in code.git(code.remote, "log", "-1", "--format=%B", "main")
    assert code.tip() in said.out
    assert "CI builds it" in said.out
    assert code.git(code.clone, "rev-parse", "HEAD") == code.later


def test_json_must_tell_what_was_done(lastgood: Lastgood, code: Code) -> None:
    done = lastgood("revert", code.bad, "--repo", str(code.clone), "--yes", "--json").json
    assert (done["kind"], done["exit"], done["branch"], done["base"]) == ("reverted", 0, "main", "main")
    assert (done["commits"], done["reverts"]) == ([code.tip()], [code.bad])
    again = lastgood("revert", code.bad, "--repo", str(code.clone), "--yes", "--json").json
    assert (again["exit"], again["commits"]) == (0, [])
    assert "already reverted by" in again["because"][0]


def test_a_dry_run_must_show_every_line_and_push_nothing(lastgood: Lastgood, code: Code) -> None:
    before = code.refs()
    said = lastgood("revert", code.bad, "--repo", str(code.clone), "--dry-run")
    assert said.code == 0
    assert "-raise SystemExit" in said.out
    assert "+print('fine')" in said.out
    told = lastgood("revert", code.bad, "--repo", str(code.clone), "--dry-run", "--json").json
    assert told["undos"][0]["commit"]["commit"] == code.bad
    assert code.refs() == before


def test_without_a_terminal_consent_must_be_given_by_option(lastgood: Lastgood, code: Code) -> None:
    before = code.refs()
    said = lastgood("revert", code.bad, "--repo", str(code.clone))
    assert said.code == 4
    assert f"lastgood revert {code.bad} --repo {code.clone} --yes" in said.err
    assert code.refs() == before


@pytest.mark.parametrize(("answer", "exit_"), [("y", 0), ("n", 4), ("", 4)])
def test_on_a_terminal_it_must_ask_once(code: Code, answer: str, exit_: int) -> None:
    before = code.refs()
    argv = ["-m", "lastgood", "revert", code.bad, "--repo", str(code.clone)]
    terminal = pexpect.spawn(sys.executable, argv, env={**os.environ, "TERM": "dumb"}, timeout=240, encoding="utf-8")
    terminal.expect_exact("Revert 1 commit and push to main? [y/N]")
    terminal.sendline(answer)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == exit_
    assert (code.refs() != before) == (exit_ == 0)


def test_yes_must_not_be_a_yes_to_more_commits_than_it_is_for(lastgood: Lastgood, code: Code) -> None:
    before = code.refs()
    words = ("revert", f"{code.begin}..{code.later}", "--repo", str(code.clone), "--yes")
    said = lastgood(*words, "--at-most", "1")
    assert said.code == 4
    assert "2 commits would be reverted" in said.err
    assert code.refs() == before
    assert lastgood(*words, "--at-most", "2").code == 0
    assert code.git(code.remote, "rev-parse", "main^{tree}") == code.git(
        code.remote, "rev-parse", f"{code.begin}^{{tree}}"
    )


def test_a_protected_branch_must_get_a_proposal_and_a_person(lastgood: Lastgood, code: Code) -> None:
    code.protect()
    said = lastgood("revert", code.bad, "--repo", str(code.clone), "--yes", "--json")
    branch = f"lastgood/revert-{code.bad[:12]}"
    assert said.code == 8
    assert said.json["branch"] == branch
    assert said.json["link"] == "https://git.example/shop/compare/it"
    assert "protected branch" in said.json["because"][0]
    assert code.tip() == code.later
    assert code.git(code.remote, "rev-parse", f"{branch}^") == code.later


def test_a_pull_request_asked_for_must_leave_the_branch_alone(lastgood: Lastgood, code: Code) -> None:
    said = lastgood("revert", code.bad, "--repo", str(code.clone), "--yes", "--pull-request")
    assert said.code == 0
    assert f"merge lastgood/revert-{code.bad[:12]} into main" in said.out
    assert code.tip() == code.later
    assert code.git(code.remote, "show", f"lastgood/revert-{code.bad[:12]}:app.py") == "print('fine')"


def test_a_conflict_must_end_with_3_and_name_the_file(lastgood: Lastgood, code: Code) -> None:
    code.ship("app.py", "print('patched')\n", "Patch it")
    before = code.refs()
    said = lastgood("revert", code.bad, "--repo", str(code.clone), "--yes", "--json")
    assert said.code == 3
    assert said.json["error"] == "PathConflict"
    assert said.json["because"][0].startswith("app.py: ")
    assert code.refs() == before


@pytest.mark.parametrize(
    "words",
    [
        ("revert",),
        ("revert", "--force"),
        ("revert", "HEAD", "--repo", "../code"),
        ("revert", "--repo", "../code", "--", "--force"),
        ("revert", "abcd123", "--service", "shop-api", "--repo", "."),
        ("revert", "abcd123", "--suspect", "shop-api", "prod"),
        ("revert", "abcd123", "--service", "shop-ap"),
        ("revert", "abcd123", "--service", "shop-api"),
        ("revert", "abcd123", "--repo", "/nowhere"),
        ("revert", "abcd123", "--branch", "--force"),
    ],
)
def test_what_makes_no_sense_must_end_with_2(lastgood: Lastgood, code: Code, words: tuple[str, ...]) -> None:
    before = code.refs()
    said = lastgood(*words)
    assert (said.code, bool(said.err)) == (2, True)
    assert code.refs() == before


@pytest.mark.parametrize("by", ["path", "address", "relative"])
def test_a_services_code_must_be_found_where_the_configuration_says(
    lastgood: Lastgood, code: Code, deploy_repo: Path, by: str
) -> None:
    where = {"path": str(code.clone), "address": f"file://{code.remote}", "relative": "../code"}[by]
    source = f'    source: {{repo: "{where}", branch: main}}\n'
    (deploy_repo / "lastgood.yaml").write_text(CONFIG.replace("  shop-api:\n", f"  shop-api:\n{source}"))
    code.git(deploy_repo, "config", "--file", str(deploy_repo.parent / "home/.gitconfig"), "user.name", "Robin")
    environment = {"GIT_AUTHOR_NAME": "Robin", "GIT_AUTHOR_EMAIL": "robin@shop.example"}
    environment |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in environment.items()}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        said = lastgood("revert", code.bad, "--service", "shop-api", "--yes")
    assert said.code == 0, said.err
    assert code.git(code.remote, "show", "main:app.py") == "print('fine')"


def test_code_of_a_service_that_is_in_one_environment_only_must_be_found(
    lastgood: Lastgood, code: Code, deploy_repo: Path
) -> None:
    only = "  shop-batch: {envs: [staging], source: {repo: ../code}}\n"
    (deploy_repo / "lastgood.yaml").write_text(CONFIG.replace("apps:\n", f"{only}apps:\n"))
    assert lastgood("revert", code.bad, "--service", "shop-batch", "--dry-run").code == 0


def test_the_deploy_repo_must_be_nameable_from_elsewhere(
    lastgood: Lastgood, code: Code, deploy_repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = f"    source: {{repo: {code.clone}}}\n"
    (deploy_repo / "lastgood.yaml").write_text(CONFIG.replace("  shop-api:\n", f"  shop-api:\n{source}"))
    monkeypatch.chdir(deploy_repo.parent)
    words = ("revert", code.bad, "--service", "shop-api", "--dry-run")
    assert lastgood(*words).code == 2
    assert lastgood(*words, "--deploy-repo", str(deploy_repo)).code == 0


@pytest.mark.parametrize("repo", ["-x", "--upload-pack=id", ""])
def test_an_address_that_git_could_take_for_an_option_must_be_refused(
    lastgood: Lastgood, deploy_repo: Path, repo: str
) -> None:
    source = f'    source: {{repo: "{repo}"}}\n'
    (deploy_repo / "lastgood.yaml").write_text(CONFIG.replace("  shop-api:\n", f"  shop-api:\n{source}"))
    said = lastgood("revert", "abcd123", "--service", "shop-api")
    assert said.code == 2
    assert "source.repo" in said.err


def test_an_interruption_while_pushing_must_not_be_told_as_nothing_done(
    lastgood: Lastgood, code: Code, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lastgood.run.code.carry", interrupted)
    said = lastgood("revert", code.bad, "--repo", str(code.clone), "--yes")
    assert said.code == 5
    assert f"lastgood revert {code.bad} --repo {code.clone} --yes" in said.err


REPOSITORY = "registry.example/shop-api"


def release(commit: str, at: int, **more: Trailers) -> Release:
    image = Image(REPOSITORY, f"sha-{commit[:8]}", f"sha256:{commit[:8] * 8}")
    return Release(commit[::-1], image, at, last=commit[::-1], **more)


def production(runs: Image, *history: Release) -> Observed:
    """One host that runs an image, and the releases that git pinned."""
    container = Container(
        "api-1", "api", f"{runs.repository}:{runs.tag}", "sha256:" + "0" * 64, (runs.digest,), State.RUNNING
    )
    tip = Tip(history[0].commit, Known(history[0].image), Known("git"))
    hosts = {"local": HostView(Known((container,)), Unknown("not asked"))}
    return Observed(tip, history, complete=True, hosts=hosts, registry={})


@pytest.fixture
def observed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Observed], None]:
    return lambda seen: monkeypatch.setattr(Service, "observe", lambda *_: seen)


Observe = Callable[[Observed], None]


def served(seen: Observed, image: Image) -> Observed:
    """As seen, with an image that the registry can still serve."""
    return msgspec.structs.replace(seen, registry={str(image): Known(Availability(image.digest))})


def test_suspects_must_be_the_commits_between_the_good_and_the_bad_release(
    lastgood: Lastgood, code: Code, observed: Observe
) -> None:
    good, bad = release(code.begin, 1), release(code.later, 2)
    observed(served(production(bad.image, bad, good), good.image))
    said = lastgood("revert", "--suspect", "shop-api", "prod", "--repo", str(code.clone), "--json")
    assert said.code == 0, said.out
    found = said.json
    assert [each["commit"]["commit"] for each in found["suspects"]] == [code.later, code.bad]
    assert [each["files"] for each in found["suspects"]] == [1, 1]
    assert (found["complete"], found["ancestor"], found["notes"]) == (True, True, [])
    assert found["bad"]["source"]["value"]["said_by"] == f"tag sha-{code.later[:8]}"
    text = lastgood("revert", "--suspect", "shop-api", "prod", "--repo", str(code.clone)).out
    assert text.index("Unrelated") < text.index("Break it")


def test_after_a_rollback_the_bad_release_must_be_the_one_that_was_left(
    lastgood: Lastgood, code: Code, observed: Observe
) -> None:
    good, bad = release(code.begin, 1), release(code.later, 2)
    back = Release("f" * 40, good.image, 3, last="f" * 40, trailers=Trailers("run-1", bad.image, good.image))
    observed(production(good.image, back, bad, good))
    found = lastgood("revert", "--suspect", "shop-api", "prod", "--repo", str(code.clone), "--json").json
    assert [each["commit"]["commit"] for each in found["suspects"]] == [code.later, code.bad]
    assert found["notes"] == ["rolled back by run-1: what runs is the good release"]


def test_a_merge_among_suspects_must_name_its_mainline(lastgood: Lastgood, code: Code, observed: Observe) -> None:
    code.git(code.clone, "switch", "-q", "-c", "topic", code.begin)
    (code.clone / "topic.py").write_text("1\n")
    code.git(code.clone, "add", "-A")
    code.git(code.clone, "commit", "-qm", "On topic")
    code.git(code.clone, "switch", "-q", "--detach", code.later)
    code.git(code.clone, "merge", "-q", "--no-ff", "-m", "Merge topic", "topic")
    code.git(code.clone, "push", "-q", "origin", "HEAD:main")
    good, bad = release(code.later, 1), release(code.tip(), 2)
    observed(served(production(bad.image, bad, good), good.image))
    found = lastgood("revert", "--suspect", "shop-api", "prod", "--repo", str(code.clone), "--json").json
    assert [(each["commit"]["subject"], each["mainline"]) for each in found["suspects"]] == [
        ("Merge topic", 1),
        ("On topic", 0),
    ]
    assert "--mainline 1" in found["next"][0]
    words = found["next"][0].replace("--service shop-api", f"--repo {code.clone}").split()[1:]
    assert lastgood(*words).code == 0


def test_the_same_code_must_be_told_to_be_the_same(lastgood: Lastgood, code: Code, observed: Observe) -> None:
    bad = release(code.later, 2)
    good = Release("e" * 40, Image(REPOSITORY, f"sha-{code.later[:12]}", "sha256:" + "9" * 64), 1, last="e" * 40)
    observed(served(production(bad.image, bad, good), good.image))
    found = lastgood("revert", "--suspect", "shop-api", "prod", "--repo", str(code.clone), "--json").json
    assert found["suspects"] == []
    assert "the code is the same" in found["notes"][0]
    assert "--config-only" in found["next"][0]


def test_a_good_release_that_the_bad_one_does_not_contain_must_be_told(
    lastgood: Lastgood, code: Code, observed: Observe
) -> None:
    good, bad = release(code.later, 1), release(code.begin, 2)
    observed(served(production(bad.image, bad, good), good.image))
    found = lastgood("revert", "--suspect", "shop-api", "prod", "--repo", str(code.clone), "--json").json
    assert (found["suspects"], found["ancestor"]) == ([], False)
    assert "older code" in found["notes"][0]


def test_a_release_of_unknown_code_must_be_refused(lastgood: Lastgood, code: Code, observed: Observe) -> None:
    good, bad = release(code.begin, 1), release("abcdef0123456789" * 2 + "abcdef01", 2)
    observed(served(production(bad.image, bad, good), good.image))
    said = lastgood("revert", "--suspect", "shop-api", "prod", "--repo", str(code.clone))
    assert said.code == 3
    assert "not on main" in said.err
    named = Release("d" * 40, Image(REPOSITORY, "v1.2", "sha256:" + "8" * 64), 2, last="d" * 40)
    observed(served(production(named.image, named, good), good.image))
    said = lastgood("revert", "--suspect", "shop-api", "prod", "--repo", str(code.clone))
    assert said.code == 3
    assert "'v1.2' is no sha-" in said.err


def test_hostile_subjects_must_not_reach_the_terminal(lastgood: Lastgood, code: Code) -> None:
    evil = code.ship("evil.py", "1\n", "x\x1b[2J\x1b]0;owned\x07")
    said = lastgood("revert", evil, "--repo", str(code.clone), "--dry-run")
    assert said.code == 0
    assert "\x1b" not in said.out
    assert json.loads(lastgood("revert", evil, "--repo", str(code.clone), "--dry-run", "--json").out)
