import shutil
import subprocess

import pytest
from gitworld import PIN, World, values

from lastgood.git.repo import BareRepo
from lastgood.model.errors import Refused


def rollback(repo: BareRepo, message: str = "back\n") -> str:
    tree = repo.with_files(repo.tip(), {PIN: values("sha-0")})
    return repo.commit(tree, repo.tip(), message)


def test_a_push_must_add_the_commit_to_the_remote_branch(world: World) -> None:
    repo = world.repo()
    repo.fetch()
    parent, made = repo.tip(), rollback(repo, "back\n\n$(x) --force\n")
    assert repo.tip() == parent
    assert repo.push(made).ok
    assert repo.tip() == made
    assert world.git(world.remote, "log", "-1", "--format=%H %P %an <%ae> %s", "main") == (
        f"{made} {parent} Ada <ada@example.org> back"
    )
    assert repo.push(made).ok


def test_a_branch_moved_by_others_must_be_told_and_left(world: World) -> None:
    repo = world.repo()
    repo.fetch()
    made = rollback(repo)
    theirs = world.ship({"README": b"meanwhile\n"}, "meanwhile")
    pushed = repo.push(made)
    assert (pushed.ok, pushed.moved, pushed.refused) == (False, True, False)
    repo.fetch()
    pushed = repo.push(made)
    assert (pushed.ok, pushed.moved, pushed.refused) == (False, True, False)
    assert world.git(world.remote, "rev-parse", "main") == theirs == repo.tip()


def test_a_refusal_by_the_remotes_rules_must_keep_its_words_without_escapes(world: World) -> None:
    repo = world.repo()
    repo.fetch()
    before = repo.tip()
    world.hook('printf "\\033[31mprotected\\033[0m branch: open a pull request\\n" >&2; exit 1')
    pushed = repo.push(rollback(repo))
    assert (pushed.ok, pushed.moved, pushed.refused) == (False, False, True)
    assert "protected branch: open a pull request" in pushed.because
    assert "\x1b" not in pushed.because
    assert world.git(world.remote, "rev-parse", "main") == before == repo.tip()


def test_an_unreachable_remote_must_be_neither_moved_nor_refused(world: World) -> None:
    repo = world.repo()
    repo.fetch()
    made = rollback(repo)
    world.remote.rename(world.folder / "away")
    pushed = repo.push(made)
    assert (pushed.ok, pushed.moved, pushed.refused) == (False, False, False)
    assert "git repository" in pushed.because


def test_hooks_of_the_operator_must_not_run(world: World) -> None:
    hooks = world.home / "hooks"
    hooks.mkdir()
    (hooks / "pre-push").write_text(f"#!/bin/sh\ntouch {world.folder}/ran\nexit 1\n")
    (hooks / "pre-push").chmod(0o755)
    world.git(world.clone, "config", "--global", "core.hooksPath", str(hooks))
    repo = world.repo()
    repo.fetch()
    assert repo.push(rollback(repo)).ok
    assert not (world.folder / "ran").exists()


def test_a_push_address_of_its_own_must_be_used(world: World) -> None:
    world.git(world.folder, "clone", "-q", "--bare", str(world.remote), "writable.git")
    world.git(world.clone, "remote", "set-url", "--push", "origin", "../writable.git")
    repo = world.repo()
    repo.fetch()
    made = rollback(repo)
    assert repo.push(made).ok
    assert world.git(world.folder / "writable.git", "rev-parse", "main") == made
    assert world.git(world.remote, "rev-parse", "main") != made


def test_a_commit_without_an_identity_must_be_refused_with_what_to_do(world: World) -> None:
    (world.home / ".gitconfig").unlink()
    repo = world.repo()
    repo.fetch()
    with pytest.raises(Refused, match="who commits") as raised:
        rollback(repo)
    assert any("user.email" in text for text in raised.value.next)


def test_an_identity_of_the_clone_must_win_over_the_users(world: World) -> None:
    world.git(world.clone, "config", "user.email", "oncall@example.org")
    repo = world.repo()
    repo.fetch()
    assert b"Ada <oncall@example.org>" in repo._git.output("cat-file", "commit", rollback(repo))


def test_a_commit_must_be_signed_where_the_users_git_signs(world: World) -> None:
    assert shutil.which("ssh-keygen"), "ssh-keygen is needed to sign"
    key = world.home / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (world.home / "signers").write_text(f"ada@example.org {key.with_suffix('.pub').read_text()}")
    for name, value in (
        ("gpg.format", "ssh"),
        ("user.signingKey", str(key)),
        ("commit.gpgSign", "true"),
        ("gpg.ssh.allowedSignersFile", str(world.home / "signers")),
    ):
        world.git(world.clone, "config", name, value)
    repo = world.repo()
    repo.fetch()
    made = rollback(repo)
    assert repo.push(made).ok
    world.git(world.clone, "fetch", "-q")
    world.git(world.clone, "verify-commit", made)


def test_a_commit_that_cannot_be_signed_must_not_be_made_unsigned(world: World) -> None:
    for name, value in (("gpg.format", "ssh"), ("user.signingKey", "/nowhere"), ("commit.gpgSign", "true")):
        world.git(world.clone, "config", name, value)
    repo = world.repo()
    repo.fetch()
    with pytest.raises(Refused, match="cannot be made"):
        rollback(repo)
