"""Code rollback: what a revert would do, then the commits and their push, or a pull request."""

import msgspec

from lastgood.git.revert import CodeRepo
from lastgood.model.errors import Exit, InDoubt, PathConflict, Refused, WorldMoved
from lastgood.model.facts import Known, Unknown
from lastgood.model.forge import ProposalState
from lastgood.model.release import short
from lastgood.model.revert import Commit, Passed, Reverted, Reverting, Undo, Wish
from lastgood.ports import Forge, Pushed
from lastgood.run.propose import ask

_TRIES = 5
_DEPLOY = "this repo has a lastgood.yaml: what a deploy repo pins goes back by `lastgood rollback`"


def prepare(repo: CodeRepo, wish: Wish) -> Reverting:
    """What reverting would do on the newest tip of the branch. Touches nothing but lastgood's own copy.

    Raises UsageError, Refused, and PathConflict with the files where a commit cannot be reverted.
    """
    with repo.lock():
        remote = repo.fetch()
        tip = repo.tip()
        commits = repo.pick(wish.commits, wish.mainline)
        first = tree = repo.with_files(tip, {})
        undos: list[Undo] = []
        passed: list[Passed] = []
        for commit in commits:
            undo = _undo(repo, tree, commit, wish)
            if undo.tree == tree:
                passed.append(Passed(commit, _nothing_left(repo, commit, tip)))
            else:
                undos.append(undo)
                tree = undo.tree
        changes = repo.changes(first, tree)
    shown = repo.origin.shown or repo.origin.top
    deploy = (_DEPLOY,) if repo.blob(tip, "lastgood.yaml") is not None else ()
    warnings = (*_warnings(undos), *deploy)
    return Reverting(shown, repo.branch, tip, remote, tuple(undos), tuple(passed), changes, warnings)


def _undo(repo: CodeRepo, tree: str, commit: Commit, wish: Wish) -> Undo:
    at = wish.mainline - 1 if commit.is_merge else 0
    against = commit.parents[at] if commit.parents else ""
    try:
        left = repo.without(tree, commit, against)
    except PathConflict as error:
        by = repo.reverted_by(commit.commit)
        told = (f"{short(by)} says that it reverted it already",) if by else ()
        raise PathConflict(error.what, because=(*error.because, *told), next=error.next) from error
    return Undo(commit, against, repo.message(commit, against, wish.because), left)


def _nothing_left(repo: CodeRepo, commit: Commit, tip: str) -> str:
    if commit.commit == tip:
        return "it changes nothing"
    by = repo.reverted_by(commit.commit)
    return f"already reverted by {short(by)}" if by else "nothing that it changed is left"


def _warnings(undos: list[Undo]) -> tuple[str, ...]:
    merges = [short(undo.commit.commit) for undo in undos if undo.commit.is_merge]
    again = "merging that branch again brings nothing back; revert the revert instead"
    return (f"{', '.join(merges)}: {again}",) if merges else ()


def carry(repo: CodeRepo, wish: Wish, made: Reverting, forge: Forge, *, pull_request: bool) -> Reverted:
    """Make the commits and push them, or propose them where asked or where the branch is protected.

    Where others pushed meanwhile they are made again on the new tip. Raises what `prepare` raises; Refused where the
    push failed, InDoubt where it is not known whether it did, WorldMoved where others push faster than we do.
    """
    for _ in range(_TRIES):
        if not made.undos:
            return _nothing(made)
        _needs_remote(made)
        commits = repo.chained(made.undos, made.tip)
        if pull_request:
            return _proposed(repo, made, commits, forge, "", wish)
        pushed = repo.push(commits[-1])
        if pushed.ok or (not pushed.moved and not pushed.refused and _arrived(repo, commits[-1], pushed)):
            return _done(made, commits)
        if pushed.refused:
            return _proposed(repo, made, commits, forge, pushed.because, wish)
        made = prepare(repo, wish)
    raise WorldMoved(
        f"Nothing was pushed: others pushed to {made.branch} {_TRIES} times meanwhile.", next=("the same again",)
    )


def _needs_remote(made: Reverting) -> None:
    if isinstance(made.remote, Unknown):
        raise Refused(
            "Nothing was touched: the code repo's remote does not answer.",
            because=(made.remote.reason,),
            next=("the same with --dry-run shows what would be done on what is known here",),
        )


def _arrived(repo: CodeRepo, commit: str, pushed: Pushed) -> bool:
    """Whether a push that failed without a verdict took effect all the same. Raises Refused where it did not."""
    seen = repo.fetch()
    if isinstance(seen, Known) and repo.contains(repo.tip(), commit):
        return True
    if isinstance(seen, Known):
        raise Refused("Nothing was pushed.", because=(pushed.because,), next=("the same again",))
    raise InDoubt(
        f"It is not known whether {short(commit)} was pushed to {repo.branch}.",
        because=(pushed.because, f"asked again, the remote does not answer: {seen.reason}"),
        next=("the same again: what was reverted already is not reverted twice",),
    )


def _done(made: Reverting, commits: tuple[str, ...]) -> Reverted:
    return msgspec.structs.replace(
        _result(made, commits),
        exit=Exit.DONE,
        branch=made.branch,
        what=f"{_named(made)} reverted: {short(commits[-1])} is on {made.branch} now.",
        because=(f"pushed to {made.repo}; CI builds it now, where it builds pushes to {made.branch}",),
        next=(
            "what runs is unchanged until that is deployed; until then: lastgood rollback SERVICE ENV",
            "once it is deployed: lastgood check SERVICE ENV",
        ),
    )


def _proposed(  # noqa: PLR0913, PLR0917 - what is proposed, to whom, and why
    repo: CodeRepo, made: Reverting, commits: tuple[str, ...], forge: Forge, refused: str, wish: Wish
) -> Reverted:
    """The commits on a branch of their own, and a proposal to merge it."""
    branch = f"lastgood/revert-{made.undos[0].commit.commit[:12]}"
    pushed = repo.propose_branch(commits[-1], branch)
    said = (f"{made.branch} takes no pushes: {refused}",) if refused else ()
    if not pushed.ok and not (pushed.held and repo.same(commits[-1], pushed.held)):
        raise _unproposed(repo, made, branch, (*said, pushed.because), forge)
    asked = ask(forge.propose, branch, made.branch, _letter(made, wish))
    link = asked.link or pushed.link
    merged = asked.state is ProposalState.MERGED
    return msgspec.structs.replace(
        _result(made, commits if pushed.ok else (*commits[:-1], pushed.held)),
        exit=Exit.DONE if merged or not refused else Exit.NEEDS_HUMAN,
        branch=branch,
        link=link,
        what=f"{_named(made)} reverted on the branch {branch}; "
        + (f"{made.branch} has it." if merged else f"{made.branch} is as it was."),
        because=(*said, asked.because),
        next=() if merged else (f"merge {branch} into {made.branch}" + (f": {link}" if link else ""),),
    )


def _letter(made: Reverting, wish: Wish) -> str:
    """What the proposal says: the one commit's message, or a list of several."""
    if len(made.undos) == 1:
        return made.undos[0].message
    listed = "\n".join(f"* {undo.message.partition(chr(10))[0]}" for undo in made.undos)
    return "\n\n".join(filter(None, (f"Revert {len(made.undos)} commits", wish.because, listed)))


def _unproposed(repo: CodeRepo, made: Reverting, branch: str, because: tuple[str, ...], forge: Forge) -> Refused:
    """The branch could not be pushed; where it was proposed before, that is where to look."""
    before = forge.proposal(branch, made.branch)
    known = before.value if isinstance(before, Known) else None
    look = f"look at {known.url}" if known and known.url else f"git ls-remote {repo.origin.remote or 'origin'} {branch}"
    return Refused(
        f"Nothing changed on {made.branch}: the branch {branch} could not be pushed.",
        because=because,
        next=(f"{look}   # it may have been proposed before",),
    )


def _nothing(made: Reverting) -> Reverted:
    because = tuple(f"{short(each.commit.commit)}: {each.because}" for each in made.passed)
    what = f"Nothing to revert on {made.branch}; nothing was touched."
    return msgspec.structs.replace(_result(made, ()), branch=made.branch, what=what, because=because)


def _result(made: Reverting, commits: tuple[str, ...]) -> Reverted:
    reverts = tuple(undo.commit.commit for undo in made.undos)
    return Reverted(made.repo, made.branch, "", commits, reverts, "", Exit.DONE, "")


def _named(made: Reverting) -> str:
    count = len(made.undos)
    return short(made.undos[0].commit.commit) if count == 1 else f"{count} commits"
