import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from gitworld import PIN, World, values

from lastgood.git.lock import FileLock
from lastgood.git.repo import open_repo
from lastgood.model.errors import ConfigError, GitUnavailable
from lastgood.model.facts import Known, Unknown
from lastgood.ports import DeployRepo


def test_a_dirty_checkout_on_another_branch_must_stay_untouched(world: World) -> None:
    world.git(world.clone, "switch", "-q", "-c", "feature")
    (world.clone / PIN).write_bytes(b"half-edited")
    (world.clone / "new").write_bytes(b"untracked")
    world.git(world.clone, "add", "new")
    (world.clone / "README").unlink()
    before = world.state(world.clone)
    repo = world.repo()
    repo.fetch()
    tree = repo.undo(repo.tip(), repo.tip(), "envs/prod")
    tree = repo.with_files(tree, {PIN: values("sha-0")})
    assert repo.push(repo.commit(tree, repo.tip(), "back\n")).ok
    repo.export(tree, str(world.folder / "out"))
    assert world.state(world.clone) == before


def test_a_fetch_must_bring_new_commits(world: World) -> None:
    repo = world.repo()
    assert repo.fetch() == Known(str(world.remote))
    new = world.ship({PIN: values("sha-2")}, "second")
    assert repo.tip() != new
    repo.fetch()
    assert repo.tip() == new
    assert repo.blob(new, PIN) == values("sha-2")


def test_an_unreachable_remote_must_leave_the_copy_as_last_seen(world: World) -> None:
    repo = world.repo()
    new = world.ship({PIN: values("sha-2")}, "second")
    repo.fetch()
    world.remote.rename(world.folder / "away")
    seen = repo.fetch()
    assert isinstance(seen, Unknown)
    assert "does not appear to be a git repository" in seen.reason
    assert repo.tip() == new


def test_an_unreachable_remote_without_a_copy_must_fall_back_to_the_operators_clone(world: World) -> None:
    known = world.git(world.clone, "rev-parse", "refs/remotes/origin/main")
    world.ship({PIN: values("sha-2")}, "never fetched by the operator")
    world.remote.rename(world.folder / "away")
    repo = world.repo()
    assert isinstance(repo.fetch(), Unknown)
    assert repo.tip() == known


def test_what_the_operator_pulled_since_must_be_used_while_the_remote_is_down(world: World) -> None:
    repo = world.repo()
    repo.fetch()
    new = world.ship({PIN: values("sha-2")}, "second")
    world.git(world.clone, "fetch", "-q")
    world.remote.rename(world.folder / "away")
    assert isinstance(repo.fetch(), Unknown)
    assert repo.tip() == new


def test_no_remote_must_be_said_and_the_own_branch_used(world: World) -> None:
    world.git(world.clone, "remote", "remove", "origin")
    repo = world.repo()
    assert repo.fetch() == Unknown("no remote is configured")
    assert repo.tip() == world.git(world.clone, "rev-parse", "main")
    pushed = repo.push(repo.tip())
    assert (pushed.ok, pushed.moved, pushed.refused) == (False, False, False)


def test_a_rewritten_branch_must_be_refused_until_a_person_accepts_it(world: World) -> None:
    repo = world.repo()
    world.ship({PIN: values("sha-2")}, "second")
    repo.fetch()
    old = repo.tip()
    world.git(world.colleague, "commit", "-q", "--amend", "-m", "rewritten")
    world.git(world.colleague, "push", "-q", "--force", "origin", "HEAD:main")
    with pytest.raises(GitUnavailable, match="rewritten") as raised:
        repo.fetch()
    assert repo.tip() == old
    assert repo.blob(old, PIN) == values("sha-2")
    subprocess.run(["sh", "-c", raised.value.next[1]], env=world.env, check=True)
    assert isinstance(repo.fetch(), Known)
    assert repo.tip() == world.head()


def test_a_stale_clone_must_not_make_the_remote_look_rewritten(world: World) -> None:
    world.git(world.colleague, "commit", "-q", "--amend", "-m", "rewritten before lastgood was ever used")
    world.git(world.colleague, "push", "-q", "--force", "origin", "HEAD:main")
    repo = world.repo()
    assert isinstance(repo.fetch(), Known)
    assert repo.tip() == world.head()


def test_a_branch_that_is_gone_must_be_refused(world: World) -> None:
    repo = world.repo()
    repo.fetch()
    world.git(world.remote, "symbolic-ref", "HEAD", "refs/heads/other")
    world.git(world.remote, "update-ref", "-d", "refs/heads/main")
    with pytest.raises(GitUnavailable, match="no branch main"):
        repo.fetch()


def test_a_shallow_clone_must_be_made_whole_by_the_remote(world: World) -> None:
    world.ship({PIN: values("sha-2")}, "second")
    shallow = world.folder / "shallow"
    world.git(world.folder, "clone", "-q", "--depth=1", f"file://{world.remote}", "shallow")
    repo = world.repo(shallow)
    repo.fetch()
    assert not repo.shallow()
    assert len(list(repo.touching(PIN, repo.tip()))) == 2


def test_a_shallow_clone_must_be_told_where_it_is_all_there_is(world: World) -> None:
    world.ship({PIN: values("sha-2")}, "second")
    shallow = world.folder / "shallow"
    world.git(world.folder, "clone", "-q", "--depth=1", f"file://{world.remote}", "shallow")
    away = world.remote.rename(world.folder / "away")
    repo = world.repo(shallow)
    assert isinstance(repo.fetch(), Unknown)
    assert repo.shallow()
    assert len(list(repo.touching(PIN, repo.tip()))) == 1
    away.rename(world.remote)
    assert isinstance(repo.fetch(), Known)
    assert not repo.shallow()


def test_a_relative_remote_must_be_found_from_a_subfolder_too(world: World) -> None:
    world.git(world.clone, "remote", "set-url", "origin", "../remote.git")
    assert world.repo(world.clone / "envs").fetch() == Known(str(world.remote))


def test_one_remote_of_another_name_must_be_used(world: World) -> None:
    world.git(world.clone, "remote", "rename", "origin", "upstream")
    assert world.repo().fetch() == Known(str(world.remote))


def test_several_remotes_without_origin_must_be_refused(world: World) -> None:
    world.git(world.clone, "remote", "rename", "origin", "one")
    world.git(world.clone, "remote", "add", "two", "/nowhere")
    with pytest.raises(GitUnavailable, match="several remotes"):
        world.repo().fetch()


def test_a_bare_operator_repo_must_do(world: World) -> None:
    world.git(world.folder, "clone", "-q", "--bare", str(world.remote), "mirror.git")
    assert world.repo(world.folder / "mirror.git").fetch() == Known(str(world.remote))


def test_a_folder_that_is_no_clone_must_be_refused(world: World) -> None:
    with pytest.raises(GitUnavailable, match="not a git repository"):
        open_repo(world.repo()._process, str(world.folder), "main", str(world.folder / "cache"))


@pytest.mark.parametrize("branch", ["--force", "../x", "a b", "x\ny", "", "a..b", "x:y", "*", "-x"])
def test_a_hostile_branch_name_must_never_reach_git(world: World, branch: str) -> None:
    with pytest.raises(ConfigError):
        open_repo(world.repo()._process, str(world.clone), branch, str(world.folder / "cache"))


def test_secrets_in_the_remotes_address_must_not_be_shown(world: World) -> None:
    world.git(world.clone, "remote", "set-url", "origin", "http://bob:hunter2@127.0.0.1:1/x.git")
    seen = world.repo().fetch()
    assert isinstance(seen, Unknown)
    assert "hunter2" not in seen.reason
    assert "127.0.0.1" in seen.reason
    assert world.repo().origin.shown == "http://127.0.0.1:1/x.git"
    assert not any(b"hunter2" in path.read_bytes() for path in (world.folder / "cache").rglob("*") if path.is_file())


def test_variables_that_steer_git_must_not_reach_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    decoy = world.folder / "decoy"
    world.git(world.folder, "init", "-q", "decoy")
    before = {path: path.read_bytes() for path in decoy.rglob("*") if path.is_file()}
    for name, value in (("GIT_DIR", ".git"), ("GIT_WORK_TREE", "."), ("GIT_INDEX_FILE", ".git/index")):
        monkeypatch.setenv(name, str(decoy / value))
    monkeypatch.setenv("GIT_NAMESPACE", "elsewhere")
    repo = world.repo()
    assert isinstance(repo.fetch(), Known)
    repo.export(repo.with_files(repo.tip(), {"x": b"x"}), str(world.folder / "out"))
    assert {path: path.read_bytes() for path in decoy.rglob("*") if path.is_file()} == before


def test_configuration_by_environment_must_be_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.git(world.clone, "remote", "set-url", "origin", "deploy:remote.git")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{world.folder}/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "deploy:")
    assert isinstance(world.repo().fetch(), Known)


def test_an_identity_included_for_the_operators_folder_must_be_used(world: World) -> None:
    (world.home / "work").write_text("[user]\nemail = ada@work.example\n")
    with (world.home / ".gitconfig").open("a") as config:
        config.write(f'[includeIf "gitdir:{world.clone}/"]\npath = {world.home}/work\n')
    repo = world.repo()
    repo.fetch()
    made = repo.commit(repo.tip(), repo.tip(), "x\n")
    assert b"<ada@work.example>" in repo._git.output("cat-file", "commit", made)


def test_the_lock_must_exclude_others_and_let_its_holder_in_again(tmp_path: Path) -> None:
    mine, theirs = FileLock(tmp_path / "a" / "lock", 5), FileLock(tmp_path / "a" / "lock", 0)
    with mine.held():
        with mine.held(), pytest.raises(GitUnavailable, match="Another lastgood"), theirs.held():
            pass
        with pytest.raises(GitUnavailable), theirs.held():
            pass
    with theirs.held():
        pass


def test_two_that_fetch_at_once_must_both_succeed(world: World) -> None:
    seen: list[object] = []
    threads = [threading.Thread(target=lambda: seen.append(world.repo().fetch())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [Known(str(world.remote))] * 4


def test_the_repo_must_be_what_the_rest_of_lastgood_asks_for(world: World) -> None:
    repo: DeployRepo = world.repo()
    assert repo.fetch() == Known(str(world.remote))


def test_a_lost_copy_must_be_made_again(world: World) -> None:
    repo = world.repo()
    repo.fetch()
    shutil.rmtree(world.folder / "cache")
    with pytest.raises(GitUnavailable, match="no history"):
        repo.tip()
    repo.fetch()
    assert repo.tip() == world.head()
