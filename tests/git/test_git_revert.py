"""Reverting in a bare copy must do what `git revert` does in a working tree, and change nothing on a conflict."""

import shutil
import subprocess

import pytest
from codeworld import BY_HAND, by_git, code, merged, remote, revert
from gitworld import World

from lastgood.effects.process import LocalProcess
from lastgood.git.sources import open_code
from lastgood.model.errors import LastgoodError, PathConflict, Refused, UsageError
from lastgood.model.revert import Wish
from lastgood.run.code import carry, prepare


def test_a_revert_must_be_one_new_commit_on_the_remotes_branch(world: World) -> None:
    bad = world.ship({"app.py": b"broken\n"}, "Break it")
    after = world.ship({"other.py": b"fine\n"}, "Unrelated")
    revert(world, bad[:10])
    assert remote(world, "rev-parse", "main^") == after
    assert remote(world, "ls-tree", "-r", "--name-only", "main") == "README\nenvs/prod/apps/shop/values.yaml\nother.py"


def test_the_message_must_be_gits_with_our_trailer(world: World) -> None:
    bad = world.ship({"app.py": b"broken\n"}, "Break it\n\nwith a body")
    revert(world, bad, because="checkout fails\nsince noon")
    wanted = f'Revert "Break it"\n\nThis reverts commit {bad}.\n\ncheckout fails\nsince noon\n\nLastgood-Reverts: {bad}'
    assert remote(world, "log", "-1", "--format=%B", "main") == wanted
    assert remote(world, "log", "-1", "--format=%(trailers:key=Lastgood-Reverts,valueonly)", "main") == bad
    assert remote(world, "log", "-1", "--format=%an %cn", "main") == "Ada Ada"


def test_a_reason_must_not_forge_trailers(world: World) -> None:
    bad = world.ship({"app.py": b"broken\n"}, "Break it")
    revert(world, bad, because="x\n\nLastgood-Bad: a:b\x1b[2J")
    assert remote(world, "log", "-1", "--format=%(trailers)", "main") == f"Lastgood-Reverts: {bad}"
    assert "\x1b" not in remote(world, "log", "-1", "--format=%B", "main")


def test_the_operators_clone_must_not_change(world: World) -> None:
    bad = world.ship({"app.py": b"broken\n"}, "Break it")
    (world.clone / "README").write_text("half done\n")
    before = world.state(world.clone)
    revert(world, bad)
    assert world.state(world.clone) == before
    assert (world.clone / "README").read_text() == "half done\n"


def test_the_revert_of_a_revert_must_reapply(world: World) -> None:
    bad = world.ship({"app.py": b"broken\n"}, "Break it")
    with_it = remote(world, "rev-parse", "main^{tree}")
    subjects = []
    for _ in range(3):
        revert(world, bad)
        bad = remote(world, "rev-parse", "main")
        subjects.append(remote(world, "log", "-1", "--format=%s", "main"))
    assert subjects == ['Revert "Break it"', 'Reapply "Break it"', 'Revert "Reapply "Break it""']
    revert(world, bad)
    assert remote(world, "rev-parse", "main^{tree}") == with_it


def test_a_deeply_nested_revert_must_be_worded_as_git_words_it(world: World) -> None:
    bad = world.ship({"app.py": b"broken\n"}, 'Revert "Revert "x""')
    revert(world, bad)
    assert remote(world, "log", "-1", "--format=%s", "main") == 'Revert "Revert "Revert "x"""'


def test_a_merge_must_not_be_reverted_without_a_mainline_and_each_must_be_explained(world: World) -> None:
    merge = merged(world)
    with pytest.raises(UsageError) as caught:
        revert(world, merge)
    one, two = caught.value.because
    assert "--mainline 1" in one
    assert "on main" in one
    assert "undoes 2 commits" in one
    assert "undoes 1 commit" in two
    assert remote(world, "rev-parse", "main") == merge


@pytest.mark.parametrize("mainline", [1, 2])
def test_a_merge_must_be_reverted_to_its_mainline(world: World, mainline: int) -> None:
    merge = merged(world)
    wanted = by_git(world, "-m", str(mainline), merge)
    kept = remote(world, "rev-parse", f"{merge}^{mainline}")
    made = revert(world, merge, mainline=mainline)
    assert remote(world, "rev-parse", "main^{tree}") == wanted
    assert f"This reverts commit {merge}, reversing\nchanges made to {kept}." in remote(
        world, "log", "-1", "--format=%B", "main"
    )
    assert "revert the revert" in made.warnings[0]


@pytest.mark.parametrize("mainline", [2, 3])
def test_a_mainline_that_does_not_exist_must_be_refused(world: World, mainline: int) -> None:
    plain = world.ship({"a": b"1"}, "plain")
    with pytest.raises(UsageError, match="no merge"):
        revert(world, plain, mainline=mainline)
    if mainline == 3:
        with pytest.raises(UsageError, match="is a merge"):
            revert(world, merged(world), mainline=mainline)


def test_a_range_must_be_reverted_newest_first_one_commit_each(world: World) -> None:
    start = world.ship({"f": b"0\n"}, "zero")
    commits = [world.ship({"f": f"{n}\n".encode()}, f"change {n}") for n in (1, 2, 3)]
    tip = world.ship({"g": b"later\n"}, "later")
    revert(world, f"{start}..{commits[-1]}")
    assert remote(world, "log", "--format=%s", f"{tip}..main").splitlines() == [
        f'Revert "change {n}"' for n in (1, 2, 3)
    ]
    assert remote(world, "show", "main:f") == "0"
    assert remote(world, "show", "main:g") == "later"


def test_commits_given_in_any_order_must_be_reverted_newest_first(world: World) -> None:
    world.ship({"f": b"0\n"}, "zero")
    commits = [world.ship({"f": f"{n}\n".encode()}, f"change {n}") for n in (1, 2, 3)]
    made = revert(world, commits[1], commits[0], commits[2], commits[0])
    assert [undo.commit.commit for undo in made.undos] == commits[::-1]
    assert remote(world, "show", "main:f") == "0"


def test_a_merge_in_a_range_must_be_reverted_whole(world: World) -> None:
    start = remote(world, "rev-parse", "main")
    before = remote(world, "rev-parse", "main^{tree}")
    merge = merged(world)
    with pytest.raises(UsageError, match="is a merge"):
        revert(world, f"{start}..{merge}")
    made = revert(world, f"{start}..{merge}", mainline=1)
    assert [undo.commit.subject for undo in made.undos] == ["Merge topic", "on main"]
    assert remote(world, "rev-parse", "main^{tree}") == before


def test_a_conflict_must_name_the_files_and_change_nothing(world: World) -> None:
    world.ship({"f": b"1\n2\n3\n", "gone": b"a\n", "bin": b"\0a"}, "begin")
    bad = world.ship({"f": b"1\nX\n3\n", "gone": b"b\n", "bin": b"\0b"}, "bad")
    world.ship({"f": b"1\nY\n3\n", "gone": None, "bin": b"\0c"}, "later")
    before = remote(world, "for-each-ref")
    with pytest.raises(PathConflict) as caught:
        revert(world, bad)
    assert sorted(caught.value.because) == [
        "bin: it is binary and was changed later",
        "f: later changes are in the same lines",
        "gone: it is removed on one side and was changed on the other",
    ]
    assert caught.value.exit == 3
    assert f"git revert {bad}" in " ".join(caught.value.next)
    assert remote(world, "for-each-ref") == before


def test_a_conflict_in_one_of_several_must_change_nothing(world: World) -> None:
    good = world.ship({"a": b"1\n"}, "fine")
    world.ship({"f": b"1\n"}, "begin")
    bad = world.ship({"f": b"2\n"}, "bad")
    world.ship({"f": b"3\n"}, "later")
    before = remote(world, "for-each-ref")
    with pytest.raises(PathConflict):
        revert(world, good, bad)
    assert remote(world, "for-each-ref") == before


def test_a_commit_reverted_before_must_not_be_reverted_again(world: World) -> None:
    bad = world.ship({"app.py": b"broken\n"}, "Break it")
    revert(world, bad)
    tip = remote(world, "rev-parse", "main")
    again = revert(world, bad)
    assert again.undos == ()
    assert again.passed[0].because == f"already reverted by {tip[:12]}"
    assert remote(world, "rev-parse", "main") == tip


def test_a_change_that_is_gone_without_a_revert_must_be_told_apart(world: World) -> None:
    bad = world.ship({"app.py": b"broken\n"}, "Break it")
    world.ship({"app.py": None}, "Throw it out")
    empty = world.ship({}, "Nothing at all")
    made = prepare(code(world), Wish((bad, empty)))
    assert [each.because for each in made.passed] == ["it changes nothing", "nothing that it changed is left"]


def test_a_conflict_with_an_earlier_revert_must_name_it(world: World) -> None:
    world.ship({"f": b"1\n"}, "begin")
    bad = world.ship({"f": b"2\n"}, "bad")
    revert(world, bad)
    reverting = remote(world, "rev-parse", "main")
    world.git(world.colleague, "pull", "-q", "--ff-only", "origin", "main")
    world.ship({"f": b"3\n"}, "later")
    with pytest.raises(PathConflict) as caught:
        revert(world, bad)
    assert f"{reverting[:12]} says that it reverted it already" in caught.value.because


def test_a_reapplied_commit_must_be_reverted_once_more(world: World) -> None:
    bad = world.ship({"app.py": b"broken\n"}, "Break it")
    revert(world, bad)
    revert(world, remote(world, "rev-parse", "main"))
    revert(world, bad)
    assert "app.py" not in remote(world, "ls-tree", "-r", "--name-only", "main")


def test_modes_renames_and_binaries_must_be_reverted_as_git_does(world: World) -> None:
    world.ship({"tool": b"#!/bin/sh\n" * 9, "old": b"".join(b"%d\n" % n for n in range(30)), "bin": b"\0\1"}, "begin")
    (world.colleague / "tool").chmod(0o755)
    (world.colleague / "old").rename(world.colleague / "new")
    bad = world.ship({"bin": b"\0\2"}, "bad")
    world.ship({"new": b"".join(b"%d\n" % n for n in range(30)) + b"later\n"}, "later")
    wanted = by_git(world, bad)
    made = revert(world, bad)
    assert remote(world, "rev-parse", "main^{tree}") == wanted
    assert remote(world, "show", "main:old").endswith("later")
    shown = {change.path: change.diff for change in made.changes}
    assert shown["tool"] == ("mode 100755 -> 100644",)
    assert shown["bin"] == ("Binary files differ",)


def test_a_submodule_must_go_back_to_the_commit_before(world: World) -> None:
    old, new = "1" * 40, "2" * 40
    for number, commit in enumerate((old, new)):
        world.git(world.colleague, "update-index", "--add", "--cacheinfo", f"160000,{commit},lib")
        world.git(world.colleague, "commit", "-qm", f"lib {number}")
    world.git(world.colleague, "push", "-q", "origin", "HEAD:main")
    made = revert(world, world.head())
    assert old in remote(world, "ls-tree", "main", "lib")
    assert made.changes[0].diff == (f"submodule {new[:12]} -> {old[:12]}",)


def test_a_submodule_that_moved_on_must_conflict(world: World) -> None:
    for number in (1, 2, 3):
        world.git(world.colleague, "update-index", "--add", "--cacheinfo", f"160000,{str(number) * 40},lib")
        world.git(world.colleague, "commit", "-qm", f"lib {number}")
    world.git(world.colleague, "push", "-q", "origin", "HEAD:main")
    with pytest.raises(PathConflict) as caught:
        revert(world, world.git(world.colleague, "rev-parse", "HEAD^"))
    assert caught.value.because[0].startswith("lib: ")


def test_the_repos_own_merge_attributes_must_count(world: World) -> None:
    world.ship({".gitattributes": b"log merge=union\n", "log": b"1\na\n"}, "begin")
    bad = world.ship({"log": b"1\nbad\n"}, "bad")
    world.ship({"log": b"1\nlater\n"}, "later")
    wanted = by_git(world, bad)
    revert(world, bad)
    assert wanted == remote(world, "rev-parse", "main^{tree}")
    assert remote(world, "show", "main:log").splitlines() == ["1", "later", "a"]


def test_the_first_commit_must_be_reverted_to_nothing(world: World) -> None:
    root = remote(world, "rev-list", "--max-parents=0", "main")
    world.ship({"kept": b"1"}, "later")
    revert(world, root)
    assert remote(world, "ls-tree", "-r", "--name-only", "main") == "kept"


@pytest.mark.parametrize(
    "word", ["HEAD", "main", "--force", "-x", "HEAD~1", "^1234567", "abcd...ef01", "..", "1234..", "", "a\x1b[2Jb"]
)
def test_what_is_no_hash_must_be_refused(world: World, word: str) -> None:
    with pytest.raises(UsageError) as caught:
        revert(world, word)
    assert "\x1b" not in caught.value.what


def test_a_commit_of_another_branch_must_be_refused(world: World) -> None:
    world.git(world.colleague, "switch", "-q", "-c", "topic")
    world.write({"t": b"1"})
    world.git(world.colleague, "commit", "-qm", "topic")
    world.git(world.colleague, "push", "-q", "origin", "topic")
    with pytest.raises(Refused, match="no commit on main"):
        revert(world, world.head())


def test_a_range_the_wrong_way_round_or_empty_must_be_refused(world: World) -> None:
    one, two = world.ship({"a": b"1"}, "one"), world.ship({"a": b"2"}, "two")
    with pytest.raises(Refused, match="not in the history"):
        revert(world, f"{two}..{one}")
    with pytest.raises(UsageError, match="holds no commit"):
        revert(world, f"{one}..{one}")


def test_a_shallow_history_must_be_refused_as_unknown(world: World) -> None:
    world.ship({"a": b"1"}, "one")
    tip = world.ship({"a": b"2"}, "two")
    shutil.rmtree(world.clone)
    world.git(world.folder, "clone", "-q", "--depth=1", f"file://{world.remote}", "clone")
    world.remote.rename(world.folder / "away.git")
    with pytest.raises(Refused, match="shallow"):
        prepare(code(world), Wish((tip,)))


def test_commits_must_be_signed_where_the_users_git_signs(world: World) -> None:
    bad = world.ship({"app.py": b"broken\n"}, "Break it")
    key = world.home / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with (world.home / ".gitconfig").open("a") as file:
        file.write(f"[gpg]\nformat = ssh\n[commit]\ngpgsign = true\n[user]\nsigningkey = {key}.pub\n")
    revert(world, bad)
    assert "BEGIN SSH SIGNATURE" in remote(world, "cat-file", "commit", "main")


def test_an_address_must_do_without_a_clone_and_take_the_remotes_branch(world: World) -> None:
    world.git(world.remote, "symbolic-ref", "HEAD", "refs/heads/trunk")
    world.git(world.colleague, "push", "-q", "origin", "HEAD:trunk")
    cache = str(world.folder / "cache")
    repo = open_code(LocalProcess(), f"file://{world.remote}", "/", "", cache)
    wish = Wish((world.git(world.colleague, "rev-parse", "HEAD"),))
    carry(repo, wish, prepare(repo, wish), BY_HAND, pull_request=False)
    assert repo.branch == "trunk"
    assert remote(world, "ls-tree", "-r", "--name-only", "trunk") == ""


@pytest.mark.parametrize("where", ["", "-x", "ext::sh -c id", "a\nb", "/nowhere/at/all", "nowhere"])
def test_what_is_neither_folder_nor_address_must_be_refused(world: World, where: str) -> None:
    with pytest.raises(UsageError):
        open_code(LocalProcess(), where, str(world.folder), "main", str(world.folder / "cache"))


def test_a_deploy_repo_must_be_pointed_out(world: World) -> None:
    world.ship({"lastgood.yaml": b""}, "configure")
    bad = world.ship({"app.py": b"1"}, "Break it")
    assert prepare(code(world), Wish((bad,))).warnings[0].startswith("this repo has a lastgood.yaml")


def test_a_range_must_leave_what_git_leaves(world: World) -> None:
    start = world.ship({"f": b"".join(b"%d\n" % n for n in range(30)), "g": b"1\n"}, "zero")
    lines = [b"%d\n" % n for n in range(30)]
    for at in (3, 9, 15):
        lines[at] = b"x\n"
        newest = world.ship({"f": b"".join(lines)}, f"line {at}")
    world.ship({"g": b"2\n"}, "later")
    wanted = by_git(world, f"{start}..{newest}")
    revert(world, f"{start}..{newest}")
    assert remote(world, "rev-parse", "main^{tree}") == wanted


def test_every_refusal_must_be_one_that_the_operator_can_read(world: World) -> None:
    with pytest.raises(LastgoodError) as caught:
        revert(world, "0" * 40)
    assert caught.value.next
