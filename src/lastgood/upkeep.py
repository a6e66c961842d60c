"""The facade behind `images` and `quarantine`: what is kept so that one can go back, and what must not come back."""

from collections.abc import Sequence

from lastgood.model.facts import Unknown
from lastgood.model.report import QuarantineChange, QuarantineList
from lastgood.model.retention import Images, Protection
from lastgood.model.target import Target
from lastgood.observe.images import look
from lastgood.run import quarantine, retention
from lastgood.service import Service


def images(service: Service, target: Target, releases: int) -> Images:
    """The images that going back so many releases needs, and where they are. Touches nothing."""
    return look(target, service.tools(target), service.observe(target, max(12, 3 * releases)), releases)


def protect(service: Service, target: Target, releases: int, *, release: bool) -> Protection:
    """Protect those images on every host by tags of ours, and take such tags from all others."""
    before = images(service, target, releases)
    done, failed, kept = retention.protect(service.tools(target), before, release=release)
    return Protection(done, failed, kept, images(service, target, releases))


def change(service: Service, target: Target, action: str, asked: quarantine.Asked) -> QuarantineChange:
    """`add` a release to the quarantine or `lift` it, in git. Raises what `run.quarantine` raises."""
    act = quarantine.add if action == "add" else quarantine.lift
    return act(target, service.tools(target), service.journal.judgements(target.name), asked)


def quarantined(service: Service, targets: Sequence[Target]) -> QuarantineList:
    """What is or was in quarantine for these targets, each branch fetched once; an old answer is said to be old."""
    tools = {target.name: service.tools(target) for target in targets}
    branches = {target.branch: tools[target.name].repo for target in targets}
    remotes = {branch: repo.fetch() for branch, repo in branches.items()}
    stale = (f"{b}: the remote does not answer: {r.reason}" for b, r in remotes.items() if isinstance(r, Unknown))
    found = (entry for target in targets for entry in quarantine.listed(target, tools[target.name]))
    return QuarantineList(tuple(dict.fromkeys(found)), tuple(stale))
