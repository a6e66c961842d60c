"""Random histories: the tree that a revert leaves is that of `git revert`, or both conflict."""

import random
import shutil
from pathlib import Path

from codeworld import by_git, code, remote
from gitworld import World
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lastgood.model.errors import PathConflict
from lastgood.model.revert import Wish
from lastgood.run.code import prepare

FILES = ("a", "b", "dir/c", "dir/d")


def history(world: World, rng: random.Random) -> list[str]:
    """A random history: edits, additions, removals, renames, modes and merges; its commits but the first."""
    work = world.colleague
    world.ship({name: _lines(rng) for name in FILES}, "begin")
    for number in range(rng.randint(2, 6)):
        if rng.random() < 0.25:
            _merge(world, rng, number)
            continue
        _change(world, rng)
        world.git(work, "commit", "-q", "--allow-empty", "-m", f"change {number}")
    world.git(work, "push", "-q", "origin", "HEAD:main")
    return world.git(work, "rev-list", "HEAD").split()[:-1]


def _lines(rng: random.Random) -> bytes:
    return "".join(f"{rng.randint(0, 3)}\n" for _ in range(12)).encode()


def _change(world: World, rng: random.Random) -> None:
    work = world.colleague
    path = Path(rng.choice(world.git(work, "ls-files").splitlines()))
    file = work / path
    what = rng.choice(("edit", "edit", "edit", "add", "remove", "rename", "mode"))
    if what == "edit":
        lines = file.read_bytes().splitlines(keepends=True) or [b"\n"]
        lines[rng.randrange(len(lines))] = f"{rng.randint(4, 9)}\n".encode()
        file.write_bytes(b"".join(lines))
    elif what == "remove":
        file.unlink()
    elif what == "mode":
        file.chmod(0o755)
    else:
        fresh = work / f"new{rng.randint(0, 9)}" / "x"
        fresh.parent.mkdir(exist_ok=True)
        if what == "rename":
            file.rename(fresh)
        else:
            fresh.write_bytes(_lines(rng))
    world.git(work, "add", "-A")


def _merge(world: World, rng: random.Random, number: int) -> None:
    work = world.colleague
    here = world.head()
    world.git(work, "switch", "-q", "--detach")
    _change(world, rng)
    world.git(work, "commit", "-q", "--allow-empty", "-m", f"side {number}")
    side = world.head()
    world.git(work, "switch", "-q", "main")
    assert world.head() == here
    _change(world, rng)
    world.git(work, "commit", "-q", "--allow-empty", "-m", f"main {number}")
    world.git(work, "merge", "-q", "--no-ff", "-X", "ours", "-m", f"merge {number}", side, check=False)
    if world.git(work, "ls-files", "--unmerged"):
        world.git(work, "merge", "--abort")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_the_tree_must_be_that_of_git_revert_or_both_must_conflict(world: World, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - a history, not a secret
    folder = world.folder / f"seed{seed}-{rng.random()}"
    folder.mkdir()
    fresh = World(folder)
    commit = rng.choice(history(fresh, rng))
    parents = fresh.git(fresh.colleague, "rev-list", "--parents", "-1", commit).split()[1:]
    mainline = rng.randint(1, 2) if len(parents) > 1 else 0
    tip = remote(fresh, "rev-parse", "main")
    try:
        made = prepare(code(fresh), Wish((commit,), mainline))
    except PathConflict:
        ours = None
    else:
        ours = made.undos[-1].tree if made.undos else remote(fresh, "rev-parse", "main^{tree}")
    wanted = by_git(fresh, *(("-m", str(mainline)) if mainline else ()), commit)
    if ours == remote(fresh, "rev-parse", "main^{tree}"):
        wanted = wanted or ours  # git ends with 1 where nothing is left to revert
        assert remote(fresh, "rev-parse", "main^{tree}") == wanted
    assert ours == wanted
    assert remote(fresh, "rev-parse", "main") == tip
    shutil.rmtree(folder)
