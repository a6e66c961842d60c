"""The deploy repo: can it be read, reached, committed to, signed and pushed, and how far back does it go?"""

from functools import partial

from lastgood.diagnose import forge, guard, signing
from lastgood.diagnose.case import fail, guarded, ok, unknown, warn
from lastgood.git.origin import Origin, read_origin
from lastgood.git.plumbing import FETCH_SECONDS, PUSH_SECONDS, Git, configured, why
from lastgood.model.facts import Known
from lastgood.model.release import short
from lastgood.model.report import Check
from lastgood.model.target import Push, Target
from lastgood.observe.together import together
from lastgood.ports import Tools

_REFUSED = ("permission denied", "authentication failed", "could not read username", "403", "401", "access denied")
# A name that nobody uses; a dry run creates nothing under it.
_NOWHERE = "refs/lastgood/doctor"


def checks(target: Target, tools: Tools) -> tuple[Check, ...]:
    """Everything about the branch that the target's releases are pinned on."""
    looks = {
        "deploy repo": partial(_history, target, tools),
        "git push": partial(_push, target, tools),
        "git identity": partial(_identity, target, tools),
        "signing": partial(_signing, target, tools),
        "remote protects the branch": partial(forge.checks, target, tools),
        "guard": partial(guard.hook, target, tools),
    }
    found = together([partial(guarded, name, look) for name, look in looks.items()])
    return tuple(check for answers in found for check in answers)


def _history(target: Target, tools: Tools) -> tuple[Check, ...]:
    remote = tools.repo.fetch()
    tip = tools.repo.tip()
    readable = ok("deploy repo", f"branch {target.branch} is at {short(tip)}")
    if isinstance(remote, Known):
        reached = ok("git remote", f"{remote.value} answers")
    else:
        judged = fail if target.push is Push.REQUIRED else warn
        effect = "is refused" if target.push is Push.REQUIRED else "only mitigates, until git can be settled (exit 9)"
        said = f"it does not answer: {remote.reason}; a rollback {effect}"
        reached = judged("git remote", said, f"git -C {target.repo} ls-remote origin {target.branch}")
    return (readable, reached, _depth(target, tools), guard.quarantine(target, tools, tip))


def _depth(target: Target, tools: Tools) -> Check:
    if not tools.repo.shallow():
        return ok("git history", "it is whole")
    said = "it is cut off (a shallow clone): older releases cannot be seen"
    return warn("git history", said, f"git -C {target.repo} fetch --unshallow")


def _push(target: Target, tools: Tools) -> tuple[Check, ...]:
    """A dry run ends before the server's rules are asked: those stay unknown, and that is said."""
    origin = read_origin(tools.process, target.repo)
    if not origin.url:
        said = "no remote is configured, so a rollback stays on this machine"
        return (warn("git push", said, f"git -C {target.repo} remote add origin URL"),)
    return (_dry_run(target, tools, origin), _rules(target))


def _dry_run(target: Target, tools: Tools, origin: Origin) -> Check:
    how = ("--dry-run", "--porcelain", "--no-verify", "--no-follow-tags", "--no-recurse-submodules", "--no-signed")
    done = Git(tools.process, "-C", target.repo).attempt(
        *("push", *how, origin.remote, f"HEAD:{_NOWHERE}"),
        env=configured(origin.settings),
        hermetic=False,
        timeout=FETCH_SECONDS + PUSH_SECONDS,
    )
    if done.ok:
        return ok("git push", f"{origin.shown} can be reached for writing and knows us (dry run)")
    reason = why(done, origin.secrets)
    judged = fail if target.push is Push.REQUIRED else warn
    again = f"git -C {target.repo} push --dry-run {origin.remote} HEAD:{_NOWHERE}"
    if any(word in reason.lower() for word in _REFUSED):
        return judged("git push", f"the remote does not let us write: {reason}", again)
    return judged("git push", f"it cannot be reached for writing: {reason}", again)


def _rules(target: Target) -> Check:
    said = f"what the server's rules (protected branch, hooks) would refuse on {target.branch} shows only at a push"
    return unknown("server rules", said, f"see that the account used here may push to {target.branch}")


def _identity(target: Target, tools: Tools) -> tuple[Check, ...]:
    """Asked as commits are made: an identity guessed from the machine's name does not count."""
    git = Git(tools.process, "-C", target.repo, "-c", "user.useConfigOnly=true")
    asked = [git.attempt("var", name, hermetic=False) for name in ("GIT_COMMITTER_IDENT", "GIT_AUTHOR_IDENT")]
    for done in asked:
        if not done.ok:
            then = ("git config --global user.name NAME", "git config --global user.email ADDRESS")
            return (fail("git identity", f"git does not know who commits: {why(done)}", *then),)
    return (ok("git identity", f"commits are by {asked[0].text.rpartition('>')[0]}>"),)


def _signing(target: Target, tools: Tools) -> tuple[Check, ...]:
    origin = read_origin(tools.process, target.repo)
    return (signing.check(tools.process, origin),)
