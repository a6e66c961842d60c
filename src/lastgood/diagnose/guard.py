"""Is the guard's hook in the clone, and can the quarantine be read?"""

from lastgood.config.quarantine import NAME, quarantined_at
from lastgood.diagnose.case import fail, ok, warn
from lastgood.git.hook import HookState, place, state
from lastgood.model.facts import Unknown
from lastgood.model.report import Check
from lastgood.model.target import Target
from lastgood.ports import Tools


def hook(target: Target, tools: Tools) -> tuple[Check, ...]:
    """The pre-push hook of the operator's clone."""
    where = place(tools.process, target.repo)
    found = state(tools.files("local").read(where.path))
    if found is HookState.OURS:
        return (ok("guard hook", f"installed: {where.path}"),)
    other = "another hook is there; it would be kept and run first" if found is HookState.OTHER else "not installed"
    said = f"{other}: nothing here stops a push that rewrites {target.branch} or pins a quarantined release"
    return (warn("guard hook", said, f"lastgood guard install --repo {target.repo}"),)


def quarantine(target: Target, tools: Tools, tip: str) -> Check:
    """The file that everybody's guard reads, at the branch's tip."""
    found = quarantined_at(tools.repo, tip)
    if isinstance(found, Unknown):
        said = f"it cannot be read, so no release is chosen by itself: {found.reason}"
        return fail("quarantine", said, f"mend {NAME} on {target.branch}")
    standing = sum(entry.lifted is None for entry in found.value)
    return ok("quarantine", f"{NAME}: {standing} standing" if found.value else "nothing is in it")
