"""Offering a commit to the deploy branch: on its tip, as a fast-forward, made again where others were faster."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from lastgood.ports import DeployRepo, Pushed

T = TypeVar("T")
_TRIES = 5


class Offered(msgspec.Struct, frozen=True):
    """The commit that was offered last, and how its push went."""

    commit: str
    pushed: Pushed


def offer(repo: DeployRepo, tree_on: Callable[[str], str | T], message: str) -> Offered | T:
    """Commit the tree that `tree_on` makes for the branch's tip, and push it; called with the repo's lock held.

    Where the branch moved meanwhile, the tree is made again on its new tip. What `tree_on` returns instead of a
    tree's id ends it: nothing is pushed then, and that is the answer.
    """
    offered = Offered("", Pushed(ok=False))
    for _ in range(_TRIES):
        tip = repo.tip()
        tree = tree_on(tip)
        if not isinstance(tree, str):
            return tree
        commit = repo.commit(tree, tip, message)
        offered = Offered(commit, repo.push(commit))
        if offered.pushed.ok or not offered.pushed.moved:
            break
        repo.fetch()
    return offered
