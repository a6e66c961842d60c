"""What tests of reverting share: a code repo's remote, and git itself as the judge."""

import shutil
import subprocess

from gitworld import World

from lastgood.effects.process import LocalProcess
from lastgood.git.revert import CodeRepo
from lastgood.model.revert import Reverting, Wish
from lastgood.run.code import carry, prepare
from lastgood.wiring import forge_of

# What stands for a host of git that nobody knows.
BY_HAND = forge_of("", {})


def code(world: World, branch: str = "main") -> CodeRepo:
    return CodeRepo(LocalProcess(), str(world.clone), branch, str(world.folder / "cache"))


def revert(world: World, *commits: str, mainline: int = 0, because: str = "") -> Reverting:
    """Revert and push."""
    wish = Wish(commits, mainline, because)
    repo = code(world)
    made = prepare(repo, wish)
    carry(repo, wish, made, BY_HAND, pull_request=False)
    return made


def remote(world: World, *args: str) -> str:
    return world.git(world.remote, *args)


def merged(world: World) -> str:
    """Two commits on a branch, merged into main with one of main's own; the merge."""
    work = world.colleague
    world.git(work, "switch", "-q", "-c", "topic")
    for name in ("one", "two"):
        world.write({name: name.encode()})
        world.git(work, "commit", "-qm", name)
    world.git(work, "switch", "-q", "-C", "main", "origin/main")
    world.ship({"main": b"main"}, "on main")
    world.git(work, "merge", "-q", "--no-ff", "-m", "Merge topic", "topic")
    world.git(work, "push", "-q", "origin", "HEAD:main")
    return world.head()


def by_git(world: World, *args: str) -> str | None:
    """The tree that `git revert` gives in a scratch clone of the remote; None where it conflicts."""
    scratch = world.folder / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    world.git(world.folder, "clone", "-q", str(world.remote), "scratch")
    done = subprocess.run(
        ["git", "revert", "--no-edit", *args], cwd=scratch, env=world.env, capture_output=True, check=False
    )
    return world.git(scratch, "rev-parse", "HEAD^{tree}") if done.returncode == 0 else None
