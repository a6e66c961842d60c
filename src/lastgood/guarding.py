"""Putting the guard together: it works in any clone, and needs no journal, no engine and no host."""

import os
import sys
from functools import partial

import msgspec

from lastgood.config.find import NAME
from lastgood.config.load import load
from lastgood.config.schema import SourceFile
from lastgood.effects.hooks import HookFile
from lastgood.effects.process import LocalProcess
from lastgood.git.clone import Clone
from lastgood.git.hook import HookState, Place, place, private, script, state
from lastgood.git.names import without_secrets
from lastgood.git.origin import read_origin
from lastgood.model.errors import ConfigError, GitUnavailable, LastgoodError, Refused
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.forge import Checks, CheckState
from lastgood.model.report import GuardReport, HookReport
from lastgood.model.target import Target
from lastgood.run import guard
from lastgood.wiring import Places, code_repo, forge_of

_SHA1 = 40


def check(repo: str, base: str, head: str, branch: str, *, require_green: bool) -> GuardReport:
    """What the guard says of a change in the clone at `repo`. Raises what `run.guard` raises."""
    change = guard.change(Clone(LocalProcess(), repo), base, head, branch)
    return guard.check(change, partial(_ci, change) if require_green else None)


def _ci(change: guard.Change, named: str, target: Target) -> Fact[str]:
    """What is wrong with the commit that an image's tag names, as CI of its repo says; empty where it passed."""
    deploy = read_origin(LocalProcess(), change.clone.repo).url
    source = change.source(target.service)
    try:
        commit, remote = _own(change, named, deploy) if source is None else _elsewhere(change, named, source)
    except LastgoodError as error:
        return Unknown(" ".join((error.what, *error.because)))
    if not commit:
        return Unknown(f"no commit of {without_secrets(remote) or 'the clone'} is known that begins like that")
    said = forge_of(remote, os.environ, target.forge, deploy).checks(commit)
    return said if isinstance(said, Unknown) else Known(_wrong(said.value))


def _own(change: guard.Change, named: str, deploy: str) -> tuple[str, str]:
    """A service without a code repo of its own is built from the deploy repo."""
    return (named if _whole(named) else change.clone.known(named)), deploy


def _elsewhere(change: guard.Change, named: str, source: SourceFile) -> tuple[str, str]:
    """The full id and the remote's address; a shortened id is looked up on the code repo's branch."""
    repo = code_repo(source.repo, change.clone.repo, source.branch, Places.of(os.environ))
    if _whole(named):
        return named, repo.origin.url
    fetched = repo.fetch()
    if isinstance(fetched, Unknown):
        raise GitUnavailable("The code repo's remote does not answer.", because=(fetched.reason,))
    return repo.resolve(named) or "", repo.origin.url


def _whole(named: str) -> bool:
    return len(named) == _SHA1


def _wrong(checks: Checks) -> str:
    match checks.state:
        case CheckState.PASSING:
            return ""
        case CheckState.FAILING:
            return f"failed: {', '.join(checks.failing)}"
        case CheckState.PENDING:
            return f"not finished: {', '.join(checks.pending)}"
        case CheckState.NONE:
            return "nothing ever judged it"


def branches(repo: str) -> tuple[str, ...]:
    """The branches that a clone's `lastgood.yaml` deploys from; `main` where it has none."""
    clone = Clone(LocalProcess(), repo)
    head = clone.known("HEAD")
    text = clone.blob(head, NAME) if head else None
    if text is None:
        return ("main",)
    return tuple(dict.fromkeys(target.branch for target in load(text, NAME).targets(repo)))


def install(repo: str, protected: tuple[str, ...]) -> HookReport:
    """Put the hook into the clone at `repo`, once however often it is called. A hook that is there runs first.

    Raises Refused where that cannot be done without losing something.
    """
    where = private(place(LocalProcess(), repo), repo)
    hook = HookFile(where.path, where.kept)
    content = script(protected, _program())
    try:
        return _installed(where, hook, content, protected)
    except OSError as error:
        raise _unwritable(where, error) from error


def _installed(where: Place, hook: HookFile, content: bytes, protected: tuple[str, ...]) -> HookReport:
    found = hook.read()
    done = HookReport(where.path, protected, chained=os.path.lexists(where.kept))
    if found == content:
        return msgspec.structs.replace(done, said="it was there already")
    if state(found) is HookState.OTHER and not hook.keep():
        raise Refused(
            "Two hooks would have to be kept, so nothing was changed.",
            because=(f"{where.path} is not ours", f"{where.kept} is there as well, from an earlier installation"),
            next=(f"make one of both files, remove {where.kept}, then: lastgood guard install",),
        )
    hook.put(content)
    said = "a hook that was there is kept and runs first" if state(found) is HookState.OTHER else "installed"
    return msgspec.structs.replace(done, said=said, chained=os.path.lexists(where.kept))


def uninstall(repo: str) -> HookReport:
    """Take the hook out, and put back what was there before. Raises Refused where the hook is not ours."""
    where = place(LocalProcess(), repo)
    hook = HookFile(where.path, where.kept)
    try:
        match state(hook.read()):
            case HookState.NONE:
                return HookReport(where.path, (), chained=False, said="no hook is installed")
            case HookState.OTHER:
                raise Refused(f"{where.path} is not the guard's, so it stays.", next=("lastgood guard install",))
            case HookState.OURS:
                back = hook.restore()
    except OSError as error:
        raise _unwritable(where, error) from error
    return HookReport(where.path, (), chained=False, said="the hook from before is back" if back else "removed")


def _unwritable(where: Place, error: OSError) -> Refused:
    return Refused(f"{where.path} cannot be changed.", because=(error.strerror or str(error),))


def _program() -> str:
    """The lastgood that runs now, as a program that a hook can call; empty where it is none."""
    path = os.path.abspath(sys.argv[0])  # noqa: PTH100 - links stay as they are: they outlive what they point to
    runs = os.path.basename(path) == "lastgood" and os.access(path, os.X_OK)  # noqa: PTH119 - as above
    beside = os.path.join(os.path.dirname(sys.executable), "lastgood")  # noqa: PTH118, PTH120 - as above
    return path if runs else beside if os.access(beside, os.X_OK) else ""


def configured_branch(repo: str) -> str:
    """The one branch that changes are for by default. Raises ConfigError where the configuration has several."""
    found = branches(repo)
    if len(found) != 1:
        raise ConfigError("Which branch is the change for?", because=found, next=("--branch NAME, or --base REV",))
    return found[0]
