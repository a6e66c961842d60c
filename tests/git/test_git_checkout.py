"""The server's checkout as real git shows it."""

import subprocess
from pathlib import Path

import msgspec
import pytest
from gitworld import PIN, World, values

from lastgood.effects.process import LocalProcess
from lastgood.git import checkout
from lastgood.model.command import Command, Completed
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Checkout


def seen(folder: Path, **env: str) -> Fact[Checkout]:
    command = checkout.look(str(folder))
    return checkout.read(LocalProcess().run(msgspec.structs.replace(command, env=(*command.env, *env.items()))))


def known(folder: Path) -> Checkout:
    found = seen(folder)
    assert isinstance(found, Known), found
    return found.value


def why(folder: Path, **env: str) -> str:
    found = seen(folder, **env)
    assert isinstance(found, Unknown), found
    return found.reason


def test_a_clean_checkout_must_be_on_its_branch_at_its_commit(world: World) -> None:
    assert known(world.clone) == Checkout("main", world.git(world.clone, "rev-parse", "HEAD"))


@pytest.mark.parametrize("staged", [True, False])
def test_a_changed_file_must_be_named_staged_or_not(world: World, *, staged: bool) -> None:
    (world.clone / PIN).write_bytes(values("sha-9"))
    if staged:
        world.git(world.clone, "add", "-A")
    assert known(world.clone).dirty == (PIN,)


def test_removed_and_added_files_must_be_named(world: World) -> None:
    (world.clone / "README").unlink()
    (world.clone / "new").write_bytes(b"x")
    world.git(world.clone, "add", "new")
    assert set(known(world.clone).dirty) == {"README", "new"}


def test_files_that_git_does_not_know_must_be_none_of_its_business(world: World) -> None:
    (world.clone / ".env").write_bytes(b"SECRET=1")
    assert known(world.clone).dirty == ()


@pytest.mark.parametrize(
    "name", ["with blanks", "1 M N... looks like an entry", "line\nend", "# branch.head x", "--force"]
)
def test_a_renamed_file_must_be_named_whatever_it_is_called(world: World, name: str) -> None:
    world.git(world.clone, "mv", "README", f"./{name}")
    (world.clone / PIN).write_bytes(values("sha-9"))
    there = known(world.clone)
    assert (there.branch, set(there.dirty)) == ("main", {name, PIN})


def test_a_conflict_must_be_named(world: World) -> None:
    world.git(world.clone, "checkout", "-q", "-b", "theirs")
    (world.clone / "README").write_bytes(b"theirs\n")
    world.git(world.clone, "commit", "-qam", "theirs")
    world.git(world.clone, "checkout", "-q", "main")
    (world.clone / "README").write_bytes(b"ours\n")
    world.git(world.clone, "commit", "-qam", "ours")
    world.git(world.clone, "merge", "theirs", check=False)
    assert known(world.clone).dirty == ("README",)


def test_a_name_that_is_no_text_must_be_named_as_text_that_can_be_journalled(world: World) -> None:
    name = b"caf\xe9"
    subprocess.run([b"touch", str(world.clone).encode() + b"/" + name], check=True)
    subprocess.run(["git", "-C", str(world.clone), "add", "-A"], check=True, env=world.env)
    assert msgspec.json.encode(known(world.clone).dirty) == rb'["caf\\xe9"]'


def test_a_detached_checkout_must_be_on_no_branch(world: World) -> None:
    world.git(world.clone, "checkout", "-q", "--detach")
    there = known(world.clone)
    assert (there.branch, there.commit) == ("", world.git(world.clone, "rev-parse", "HEAD"))


@pytest.mark.parametrize("name", ["main(detached)", "(detached)main", "feature/x"])
def test_a_branch_must_never_pass_for_another_one(world: World, name: str) -> None:
    world.git(world.clone, "checkout", "-q", "-b", name)
    assert known(world.clone).branch == name


def test_a_checkout_without_a_commit_must_be_unknown(world: World) -> None:
    world.git(world.folder, "init", "-q", "empty")
    assert "no commit" in why(world.folder / "empty")


def test_a_folder_that_is_no_checkout_must_be_unknown_with_git_s_reason(world: World) -> None:
    (world.folder / "plain").mkdir()
    assert "not a git repository" in why(world.folder / "plain", GIT_CEILING_DIRECTORIES=str(world.folder))
    assert "No such file" in why(world.folder / "nowhere")


def test_somebody_else_s_checkout_must_be_unknown_with_git_s_reason(world: World) -> None:
    assert "dubious ownership" in why(world.clone, GIT_TEST_ASSUME_DIFFERENT_OWNER="1")


@pytest.mark.parametrize("stdout", [b"", b"\0", b"garbage", b"\xff\xfe", b"# branch.head main\0", b"1 M\0"])
def test_an_answer_that_is_none_must_be_unknown(stdout: bytes) -> None:
    assert isinstance(checkout.read(Completed(Command(("git",)), 0, stdout)), Unknown)


def test_looking_must_change_nothing(world: World) -> None:
    index = world.clone / ".git/index"
    (world.clone / "README").touch()
    before = (index.read_bytes(), index.stat().st_mtime_ns)
    seen(world.clone)
    assert (index.read_bytes(), index.stat().st_mtime_ns) == before


def test_bringing_it_forward_must_be_a_fast_forward_or_nothing(world: World) -> None:
    world.ship({PIN: values("sha-2")}, "second")
    new = world.git(world.colleague, "rev-parse", "HEAD")
    run = LocalProcess().run
    assert run(checkout.fetch(str(world.clone), "main")).ok
    assert run(checkout.forward(str(world.clone), new)).ok
    assert known(world.clone) == Checkout("main", new)
    (world.clone / "README").write_bytes(b"ours\n")
    world.git(world.clone, "commit", "-qam", "ours")
    ours = known(world.clone).commit
    world.ship({PIN: values("sha-3")}, "third")
    assert run(checkout.fetch(str(world.clone), "main")).ok
    assert not run(checkout.forward(str(world.clone), "FETCH_HEAD")).ok
    assert known(world.clone) == Checkout("main", ours)


def test_bringing_it_forward_must_never_take_somebody_s_change(world: World) -> None:
    world.ship({PIN: values("sha-2")}, "second")
    (world.clone / PIN).write_bytes(values("mine"))
    run = LocalProcess().run
    assert run(checkout.fetch(str(world.clone), "main")).ok
    assert not run(checkout.forward(str(world.clone), "FETCH_HEAD")).ok
    assert (world.clone / PIN).read_bytes() == values("mine")
    committed = run(checkout.committed(str(world.clone), PIN))
    assert committed.stdout == values("sha-1")
