"""The pre-push hook, by real pushes."""

import shutil
from pathlib import Path

import pytest
from guardworld import PROD, Deploy, values

OTHER = '#!/bin/sh\necho "their hook got $1: $(cat)" >&2\nexit ${THEIR_EXIT:-0}\n'


def hook_of(deploy: Deploy) -> Path:
    return deploy.laptop / ".git/hooks/pre-push"


def theirs(path: Path, text: str = OTHER) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def without_lastgood(deploy: Deploy) -> dict[str, str]:
    """A PATH that has git and the shell's tools, and no lastgood."""
    folder = deploy.root / "bin"
    folder.mkdir(exist_ok=True)
    for name in ("git", "sh", "cat", "dirname"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(str(shutil.which(name)))
    return {"PATH": str(folder)}


def test_an_ordinary_push_must_go_through(deploy: Deploy) -> None:
    deploy.lastgood("guard", "install")
    made = deploy.commit({PROD: values("sha-2")}, "release sha-2")
    assert deploy.push("HEAD:main").code == 0
    assert deploy.main() == made


def test_a_rewrite_of_a_protected_branch_must_be_refused_even_by_force(deploy: Deploy) -> None:
    deploy.release("sha-2")
    deploy.pull()
    deploy.lastgood("guard", "install")
    before = deploy.main()
    deploy.git("reset", "-q", "--hard", "HEAD~1")
    deploy.commit({PROD: values("sha-3")}, "instead")
    done = deploy.push("--force", "HEAD:main")
    assert done.code != 0
    assert f"its history must not be rewritten: {before} would be lost" in done.err
    assert deploy.main() == before


def test_a_deletion_of_a_protected_branch_must_be_refused(deploy: Deploy) -> None:
    deploy.lastgood("guard", "install")
    deploy.git("config", "receive.denyDeleteCurrent", "ignore", at=deploy.remote)
    before = deploy.main()
    done = deploy.push(":main")
    assert done.code != 0
    assert "main is protected and must not be deleted" in done.err
    assert deploy.main() == before


def test_commits_of_the_remote_that_are_not_here_must_ask_for_a_fetch_first(deploy: Deploy) -> None:
    deploy.lastgood("guard", "install")
    deploy.release("sha-2")
    before = deploy.main()
    deploy.commit({PROD: values("sha-3")}, "instead")
    done = deploy.push("--force", "HEAD:main")
    assert done.code != 0
    assert "git fetch" in done.err
    assert deploy.main() == before


def test_refusals_must_not_need_lastgood(deploy: Deploy) -> None:
    deploy.lastgood("guard", "install")
    script = hook_of(deploy)
    script.write_text(script.read_text().replace("/lastgood", "/no-lastgood"))
    env = without_lastgood(deploy)
    deleted = deploy.run("git", "push", "origin", ":main", env=env)
    assert deleted.code != 0
    assert "must not be deleted" in deleted.err
    deploy.commit({PROD: values("sha-2")}, "release sha-2")
    pushed = deploy.run("git", "push", "origin", "HEAD:main", env=env)
    assert pushed.code == 0
    assert "pins of quarantined releases were NOT looked for" in pushed.err


def test_other_branches_may_be_rewritten_and_deleted(deploy: Deploy) -> None:
    deploy.lastgood("guard", "install")
    deploy.commit({"note": "1"}, "one")
    assert deploy.push("HEAD:topic").code == 0
    deploy.git("commit", "-q", "--amend", "-m", "two")
    assert deploy.push("--force", "HEAD:topic").code == 0
    assert deploy.push(":topic").code == 0


def test_one_bad_ref_among_several_must_refuse_them_all(deploy: Deploy) -> None:
    deploy.lastgood("guard", "install")
    before = deploy.main()
    deploy.commit({"note": "1"}, "one")
    assert deploy.push("HEAD:topic", ":main").code != 0
    assert deploy.git("branch", "--list", "topic", at=deploy.remote) == ""
    assert deploy.main() == before


def test_a_pushed_expression_with_spaces_must_be_judged_like_any_other(deploy: Deploy) -> None:
    deploy.release("sha-2")
    deploy.pull()
    deploy.lastgood("guard", "install")
    before = deploy.main()
    deploy.git("reset", "-q", "--hard", "HEAD~1")
    deploy.commit({PROD: values("sha-3")}, "an other start")
    done = deploy.push("--force", "HEAD^{/an other start}:refs/heads/main")
    assert done.code != 0
    assert "must not be rewritten" in done.err
    assert deploy.main() == before


def test_a_pin_of_a_quarantined_release_must_not_be_pushed(deploy: Deploy) -> None:
    deploy.release("sha-2", "sha-3")
    deploy.add("sha-2")
    deploy.pull()
    deploy.lastgood("guard", "install")
    before = deploy.main()
    deploy.commit({PROD: values("sha-2")}, "bump")
    done = deploy.push("HEAD:main")
    assert done.code != 0
    assert "sha-2 is in quarantine: loses orders" in done.err
    assert "lastgood quarantine lift shop-api prod sha-2 --because" in done.err
    assert deploy.main() == before


def test_a_repo_that_is_no_deploy_repo_must_be_guarded_too(deploy: Deploy) -> None:
    deploy.ship({"lastgood.yaml": None, "go.mod": "module shop\n"}, "code")
    deploy.pull()
    deploy.lastgood("guard", "install")
    deploy.commit({"main.go": "package main\n"}, "more code")
    assert deploy.push("HEAD:main").code == 0
    assert "must not be deleted" in deploy.push(":main").err


def test_branches_must_be_those_that_were_asked_for(deploy: Deploy) -> None:
    names = ["--branch", "main", "--branch", "rel'ease", "--branch", "$(touch owned)"]
    done = deploy.lastgood("guard", "install", *names[:4], "--json")
    assert done.json["branches"] == ["main", "rel'ease"]
    deploy.push("HEAD:rel'ease")
    assert "rel'ease is protected" in deploy.push(":rel'ease").err
    assert deploy.lastgood("guard", "install", *names, ends=2).out == ""
    deploy.lastgood("guard", "install", "--branch", "$(touch${IFS}owned)")
    deploy.push("HEAD:main")
    assert not list(deploy.root.rglob("owned*"))


def test_a_hook_that_is_there_must_be_kept_and_run_first(deploy: Deploy) -> None:
    theirs(hook_of(deploy))
    done = deploy.lastgood("guard", "install", "--json").json
    assert done["chained"] is True
    assert Path(f"{hook_of(deploy)}.before-lastgood").read_text() == OTHER
    made = deploy.commit({"note": "1"}, "one")
    pushed = deploy.push("HEAD:main")
    assert f"their hook got origin: HEAD {made} refs/heads/main" in pushed.err
    assert pushed.code == 0


def test_a_kept_hook_that_refuses_must_still_refuse(deploy: Deploy) -> None:
    theirs(hook_of(deploy))
    deploy.lastgood("guard", "install")
    before = deploy.main()
    deploy.commit({"note": "1"}, "one")
    assert deploy.run("git", "push", "origin", "HEAD:main", env={"THEIR_EXIT": "7"}).code != 0
    assert deploy.main() == before


def test_installing_twice_must_change_nothing(deploy: Deploy) -> None:
    theirs(hook_of(deploy))
    deploy.lastgood("guard", "install")
    first = {path.name: path.read_bytes() for path in hook_of(deploy).parent.iterdir()}
    again = deploy.lastgood("guard", "install", "--json").json
    assert again["said"] == "it was there already"
    assert {path.name: path.read_bytes() for path in hook_of(deploy).parent.iterdir()} == first


def test_uninstalling_must_put_back_what_was_there(deploy: Deploy) -> None:
    before = {path.name: path.read_bytes() for path in hook_of(deploy).parent.iterdir()}
    deploy.lastgood("guard", "install")
    deploy.lastgood("guard", "uninstall")
    assert {path.name: path.read_bytes() for path in hook_of(deploy).parent.iterdir()} == before
    target = deploy.root / "shared-hook"
    theirs(target)
    hook_of(deploy).symlink_to(target)
    deploy.lastgood("guard", "install")
    assert deploy.lastgood("guard", "uninstall", "--json").json["said"] == "the hook from before is back"
    assert hook_of(deploy).readlink() == target
    assert target.read_text() == OTHER


def test_a_hook_of_others_must_never_be_removed_or_overwritten(deploy: Deploy) -> None:
    theirs(hook_of(deploy))
    deploy.lastgood("guard", "uninstall", ends=3)
    deploy.lastgood("guard", "install")
    newer = OTHER + "# newer\n"
    theirs(hook_of(deploy), newer)
    refused = deploy.lastgood("guard", "install", "--json", ends=3).json
    assert refused["what"] == "Two hooks would have to be kept, so nothing was changed."
    assert hook_of(deploy).read_text() == newer
    assert Path(f"{hook_of(deploy)}.before-lastgood").read_text() == OTHER


def test_an_installation_that_ended_half_way_must_be_finished_by_the_next(deploy: Deploy) -> None:
    theirs(hook_of(deploy))
    Path(f"{hook_of(deploy)}.before-lastgood").hardlink_to(hook_of(deploy))
    deploy.lastgood("guard", "install")
    assert Path(f"{hook_of(deploy)}.before-lastgood").read_text() == OTHER
    assert "lastgood guard" in hook_of(deploy).read_text()


def test_the_repo_s_own_hooks_path_must_be_honoured(deploy: Deploy) -> None:
    deploy.git("config", "core.hooksPath", ".githooks")
    deploy.lastgood("guard", "install")
    assert not hook_of(deploy).exists()
    assert "must not be deleted" in deploy.push(":main").err


def test_hooks_that_all_repos_share_must_be_left_alone(deploy: Deploy) -> None:
    shared = deploy.root / "shared"
    deploy.git("config", "--global", "core.hooksPath", str(shared))
    refused = deploy.lastgood("guard", "install", "--json", ends=3).json
    assert "shared with other repositories" in refused["what"]
    assert not shared.exists()


def test_a_worktree_must_be_guarded_like_its_repo(deploy: Deploy) -> None:
    tree = deploy.root / "tree"
    deploy.git("worktree", "add", "-q", "-b", "side", str(tree))
    deploy.lastgood("guard", "install", at=tree)
    assert hook_of(deploy).exists()
    assert "must not be deleted" in deploy.push(":main", at=tree).err
    deploy.release("sha-2")
    deploy.add("sha-2")
    deploy.git("pull", "-q", "--ff-only", "origin", "main", at=tree)
    deploy.commit({"envs/staging/apps/shop-api/values.yaml": values("sha-2")}, "other env", at=tree)
    assert deploy.push("HEAD:main", at=tree).code == 0
    deploy.commit({PROD: values("sha-1")}, "back", at=tree)
    deploy.commit({PROD: values("sha-2")}, "and forth", at=tree)
    pushed = deploy.push("HEAD:main", at=tree)
    assert pushed.code == 0, "the pin did not change, so it is not this push that brings it back"


@pytest.mark.parametrize("verb", ["install", "uninstall"])
def test_what_is_no_repo_must_be_refused(deploy: Deploy, verb: str) -> None:
    nowhere = deploy.root / "nowhere"
    nowhere.mkdir()
    done = deploy.lastgood("guard", verb, "--repo", str(nowhere), "--json", ends=3).json
    assert done["error"] == "GitUnavailable"
    assert list(nowhere.iterdir()) == []


def test_doctor_must_say_whether_the_hook_is_there(deploy: Deploy) -> None:
    def hook() -> str:
        done = deploy.run("lastgood", "doctor", "--json")
        return next(check["mark"] for check in done.json["checks"] if check["name"] == "guard hook")

    assert hook() == "warn"
    deploy.lastgood("guard", "install")
    assert hook() == "ok"
