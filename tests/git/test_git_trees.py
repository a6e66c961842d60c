import contextlib
import stat
from pathlib import Path

import pytest
from gitworld import FOLDER, PIN, World, values

from lastgood.git.repo import BareRepo
from lastgood.model.errors import GitUnavailable, PathConflict, Refused

CONF = f"{FOLDER}/app.conf"


def fetched(world: World) -> BareRepo:
    repo = world.repo()
    repo.fetch()
    return repo


def lines(**changed: str) -> bytes:
    return "".join(f"{name}={changed.get(name, '0')}\n" for name in "abcdefghijkl").encode()


def test_undo_must_reverse_a_commit_and_keep_later_ones(world: World) -> None:
    world.ship({CONF: lines()}, "conf")
    bad = world.ship({CONF: lines(a="1"), PIN: values("sha-2"), "README": b"outside\n"}, "bad")
    world.ship({CONF: lines(a="1", l="9")}, "later")
    repo = fetched(world)
    tree = repo.undo(repo.tip(), bad, FOLDER)
    assert world.at(tree, CONF, repo) == lines(l="9")
    assert world.at(tree, PIN, repo) == values("sha-1")
    assert world.at(tree, "README", repo) == b"outside\n"


def test_undo_must_name_all_files_in_conflict_and_what_to_do(world: World) -> None:
    other = f"{FOLDER}/other.conf"
    world.ship({CONF: lines(), other: lines()}, "conf")
    bad = world.ship({CONF: lines(a="1"), other: lines(b="1"), PIN: values("sha-2")}, "bad")
    world.ship({CONF: lines(a="2"), other: lines(b="2")}, "later")
    repo = fetched(world)
    with pytest.raises(PathConflict) as raised:
        repo.undo(repo.tip(), bad, FOLDER)
    assert [text.split(":")[0] for text in raised.value.because] == [CONF, other]
    assert raised.value.next


def test_undo_must_take_binary_files_whole_or_not_at_all(world: World) -> None:
    binary = f"{FOLDER}/logo.bin"
    world.ship({binary: b"\x00\x01old"}, "logo")
    bad = world.ship({binary: b"\x00\x01bad"}, "bad")
    repo = fetched(world)
    assert world.at(repo.undo(repo.tip(), bad, FOLDER), binary, repo) == b"\x00\x01old"
    world.ship({binary: b"\x00\x01later"}, "later")
    repo.fetch()
    with pytest.raises(PathConflict, match="cannot be reversed") as raised:
        repo.undo(repo.tip(), bad, FOLDER)
    assert "binary" in raised.value.because[0]


def test_undo_must_take_out_what_was_added_and_put_back_what_was_removed(world: World) -> None:
    world.ship({CONF: lines()}, "conf")
    bad = world.ship({CONF: None, f"{FOLDER}/new": b"new\n"}, "bad")
    repo = fetched(world)
    tree = repo.undo(repo.tip(), bad, FOLDER)
    assert world.at(tree, CONF, repo) == lines()
    assert world.at(tree, f"{FOLDER}/new", repo) is None
    assert repo.changed(tree, repo._objects.first_parent(bad)) == ()


def test_undo_must_refuse_where_adding_and_removing_disagree_with_later_commits(world: World) -> None:
    files = {name: f"{FOLDER}/{name}" for name in ("removed-then-made", "made-then-changed", "changed-then-removed")}
    world.ship({files["removed-then-made"]: b"1\n", files["changed-then-removed"]: b"1\n"}, "before")
    bad = world.ship(
        {
            files["removed-then-made"]: None,
            files["made-then-changed"]: b"2\n",
            files["changed-then-removed"]: b"2\n",
        },
        "bad",
    )
    world.ship(
        {
            files["removed-then-made"]: b"3\n",
            files["made-then-changed"]: b"3\n",
            files["changed-then-removed"]: None,
        },
        "later",
    )
    repo = fetched(world)
    with pytest.raises(PathConflict) as raised:
        repo.undo(repo.tip(), bad, FOLDER)
    assert {text.split(":")[0] for text in raised.value.because} == set(files.values())


def test_undo_must_leave_what_somebody_reversed_already(world: World) -> None:
    bad = world.ship({PIN: values("sha-2"), f"{FOLDER}/new": b"new\n"}, "bad")
    world.ship({PIN: values("sha-1"), f"{FOLDER}/new": None}, "reverted by hand")
    repo = fetched(world)
    assert repo.changed(repo.tip(), repo.undo(repo.tip(), bad, FOLDER)) == ()


def test_undo_must_put_modes_back(world: World) -> None:
    script = f"{FOLDER}/run.sh"
    world.ship({script: lines()}, "script")
    (world.colleague / script).chmod(0o755)
    bad = world.ship({}, "made executable")
    world.ship({script: lines(c="1")}, "later")
    repo = fetched(world)
    before = repo._git.output("ls-tree", repo.tip(), script)
    after = repo._git.output("ls-tree", repo.undo(repo.tip(), bad, FOLDER), script)
    assert before.startswith(b"100755")
    assert after.startswith(b"100644")
    assert before[6:] == after[6:]


def test_undo_must_refuse_where_a_folder_is_in_the_way(world: World) -> None:
    thing = f"{FOLDER}/thing"
    world.ship({thing: b"file\n"}, "file")
    bad = world.ship({thing: None}, "bad")
    world.ship({f"{thing}/inner": b"x\n"}, "a folder of that name")
    repo = fetched(world)
    with pytest.raises(PathConflict) as raised:
        repo.undo(repo.tip(), bad, FOLDER)
    assert thing in raised.value.because[0]


def test_undo_must_turn_a_folder_back_into_the_file_it_was(world: World) -> None:
    thing = f"{FOLDER}/thing"
    world.ship({thing: b"file\n"}, "file")
    (world.colleague / thing).unlink()
    bad = world.ship({f"{thing}/inner": b"x\n"}, "bad")
    repo = fetched(world)
    assert world.at(repo.undo(repo.tip(), bad, FOLDER), thing, repo) == b"file\n"


def test_undo_of_the_first_commit_must_empty_the_folder(world: World) -> None:
    first = world.head()
    repo = fetched(world)
    assert repo.changed(repo.tip(), repo.undo(repo.tip(), first, "")) == ("README", PIN)


def test_files_must_be_put_into_a_tree_without_touching_others(world: World) -> None:
    (world.colleague / "run.sh").write_bytes(b"#!/bin/sh\n")
    (world.colleague / "run.sh").chmod(0o755)
    world.ship({}, "script")
    repo = fetched(world)
    tree = repo.with_files(repo.tip(), {"run.sh": b"#!/bin/sh\nexit\n", "new/file": b"new", "README": None, "no": None})
    assert repo.changed(repo.tip(), tree) == ("README", "new/file", "run.sh")
    assert repo._git.output("ls-tree", tree, "run.sh").startswith(b"100755")
    assert repo.with_files(tree, {}) == tree


def test_a_file_must_not_silently_replace_a_folder(world: World) -> None:
    repo = fetched(world)
    with pytest.raises(Refused, match="folder"):
        repo.with_files(repo.tip(), {"envs": b"x"})
    with pytest.raises(Refused, match="one name"):
        repo.with_files(repo.tip(), {"README/x": b"x"})
    moved = repo.with_files(repo.tip(), {"README/x": b"x", "README": None})
    assert world.at(moved, "README/x", repo) == b"x"


def test_an_export_must_be_the_tree_with_links_and_modes_and_stay_inside(world: World) -> None:
    outside = world.folder / "outside"
    outside.mkdir()
    (world.colleague / "link").symlink_to(outside)
    (world.colleague / "run.sh").write_bytes(b"#!/bin/sh\n")
    (world.colleague / "run.sh").chmod(0o755)
    world.ship({"-rf": b"x", "a\nb": b"y"}, "files")
    repo = fetched(world)
    into = world.folder / "out"
    repo.export(repo.tip(), str(into))
    assert (into / "link").is_symlink()
    assert not list(outside.iterdir())
    assert (into / "run.sh").stat().st_mode & stat.S_IXUSR
    assert not (into / "README").stat().st_mode & stat.S_IXUSR
    assert (into / PIN).read_bytes() == values("sha-1")
    assert sorted(path.name for path in into.iterdir()) == ["-rf", "README", "a\nb", "envs", "link", "run.sh"]


def test_a_tree_that_would_write_through_a_link_must_not_escape(world: World) -> None:
    outside = world.folder / "outside"
    outside.mkdir()
    repo = fetched(world)
    git = repo._git
    link = git.output("hash-object", "-w", "--stdin", stdin=str(outside).encode()).decode().strip()
    blob = git.output("hash-object", "-w", "--stdin", stdin=b"evil").decode().strip()
    inner = git.output("mktree", stdin=f"100644 blob {blob}\tevil\n".encode()).decode().strip()
    both = f"120000 blob {link}\tx\n040000 tree {inner}\tx\n"
    tree = git.output("mktree", stdin=both.encode()).decode().strip()
    with contextlib.suppress(GitUnavailable):  # refusing it is fine too
        repo.export(tree, str(world.folder / "out"))
    assert list(outside.iterdir()) == []
    hook = git.output("mktree", stdin=f"100644 blob {blob}\t..\n".encode()).decode().strip()
    with pytest.raises(GitUnavailable):
        repo.export(hook, str(world.folder / "out2"))


def test_an_export_must_not_mix_with_what_is_there(world: World) -> None:
    repo = fetched(world)
    (world.folder / "full").mkdir()
    (world.folder / "full" / "x").touch()
    with pytest.raises(Refused, match="not empty"):
        repo.export(repo.tip(), str(world.folder / "full"))
    Path(world.folder / "file").touch()
    with pytest.raises(Refused):
        repo.export(repo.tip(), str(world.folder / "file"))


def test_a_submodule_must_be_left_out_of_an_export(world: World) -> None:
    world.git(world.colleague, "update-index", "--add", "--cacheinfo", f"160000,{world.head()},module")
    world.git(world.colleague, "commit", "-q", "-m", "module")
    world.git(world.colleague, "push", "-q", "origin", "HEAD:main")
    repo = fetched(world)
    repo.export(repo.tip(), str(world.folder / "out"))
    assert not list((world.folder / "out" / "module").iterdir())


def test_a_diff_must_show_every_kind_of_change_at_its_path(world: World) -> None:
    old = world.ship(
        {CONF: lines(), f"{FOLDER}/gone": b"-- x\n", f"{FOLDER}/bin": b"\0", f"{FOLDER}/kind": b"k\n"}, "old"
    )
    (world.colleague / FOLDER / "kind").unlink()
    (world.colleague / FOLDER / "kind").symlink_to("app.conf")
    new = world.ship({CONF: lines(a="1"), f"{FOLDER}/gone": None, f"{FOLDER}/bin": b"\0\1"}, "new")
    repo = fetched(world)
    found = dict(repo.diff(old, new, FOLDER))
    assert list(found) == [CONF, f"{FOLDER}/bin", f"{FOLDER}/gone", f"{FOLDER}/kind"]
    assert found[CONF] == ("@@ -1,4 +1,4 @@", "-a=0", "+a=1", " b=0", " c=0", " d=0")
    assert found[f"{FOLDER}/gone"] == ("@@ -1 +0,0 @@", "--- x")
    assert found[f"{FOLDER}/bin"] == ("Binary files differ",)
    assert [line for line in found[f"{FOLDER}/kind"] if line[0] in "+-"] == ["-k", "+app.conf"]
    assert repo.diff(old, old, FOLDER) == ()
