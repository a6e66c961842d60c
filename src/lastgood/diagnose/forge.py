"""Whether the remote itself keeps the deploy branch's history: no client, ours or another's, can promise that."""

from lastgood.diagnose.case import ok, unknown, warn
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.forge import Protection
from lastgood.model.report import Check
from lastgood.model.target import Target
from lastgood.ports import Tools

_NAME = "remote protects the branch"


def checks(target: Target, tools: Tools) -> tuple[Check, ...]:
    """Ask the host of the remote; one check, none where the tools know no host."""
    if tools.forge is None:
        return ()
    return (_judged(target.branch, tools.forge().protected(target.branch)),)


def _judged(branch: str, fact: Fact[Protection]) -> Check:
    force = fact if isinstance(fact, Unknown) else fact.value.refuses_force
    then = f"see the host's settings for {branch}: forced pushes must be refused"
    if isinstance(force, Unknown):
        return unknown(_NAME, f"whether forced pushes to {branch} are refused cannot be told: {force.reason}", then)
    if force.value and not isinstance(fact, Unknown):
        direct = fact.value.refuses_direct
        too = "; so are direct ones: a rollback is proposed there" if direct == Known(value=True) else ""
        return ok(_NAME, f"forced pushes to {branch} are refused ({fact.value.because}){too}")
    said = f"forced pushes to {branch} are not refused: anybody who may push can take releases out of the history"
    return warn(_NAME, said, f"refuse forced pushes to {branch} in the host's settings (on GitHub: a ruleset)")
