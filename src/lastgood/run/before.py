"""What a release's logs showed before a run: as this machine has read them, and as its hosts tell of other machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lastgood.judge import errors
from lastgood.model.details import BEFORE, HOSTS_ALONE, NOBODY
from lastgood.model.event import ErrorLine
from lastgood.model.facts import Known, Unknown
from lastgood.model.step import WatchStep
from lastgood.model.target import shown
from lastgood.observe import kinds
from lastgood.observe.kinds import Answers, Heard
from lastgood.run.doing import Doing


@dataclass(frozen=True)
class Before:
    """`own` is what this machine knows, None where it never read the release's logs.

    `heard` is what hosts tell of other machines' reading, `silent` why others do not answer, both by host. `log` says
    that the log itself goes back that far.
    """

    own: tuple[ErrorLine, ...] | None
    heard: Mapping[str, Heard]
    silent: Mapping[str, str]
    log: bool = False

    def sources(self) -> tuple[str, ...]:
        """Who knows anything of it; nobody, and what is new cannot be told."""
        mine = ("this machine",) * (self.own is not None)
        return ("its log",) * self.log + mine + tuple(map(shown, self.heard))

    def heard_of(self, found: Sequence[ErrorLine]) -> tuple[ErrorLine, ...]:
        """Those of `found` that hosts have heard of."""
        theirs = {kind for one in self.heard.values() for kind in one.kinds}
        return tuple(one for one in found if one.signature in theirs)

    def told(self, alone: int) -> str:
        """Where it is known from, in words; `alone` is how many kinds count as known by the word of hosts only."""
        sources = self.sources()
        whence = f"known from {', '.join(sources)}" if sources else "not known"
        only = f"; {alone} kind{'s' if alone > 1 else ''} of it from hosts alone" if alone else ""
        silent = "".join(f"; {shown(host)} does not tell: {why}" for host, why in self.silent.items())
        return f"what it showed earlier is {whence}{only}{silent}"

    def details(self, alone: int) -> dict[str, str]:
        """As `told`, for programs."""
        return {BEFORE: ", ".join(self.sources()) or NOBODY} | ({HOSTS_ALONE: str(alone)} if alone else {})


def before(step: WatchStep, doing: Doing, told: Answers, *, log: bool) -> Before:
    """What is known, of other runs than this one; `told` is what the hosts answered.

    What this machine reads out of its own journal it does not take from a host, where anybody may have changed it.
    """
    read = doing.desk.journal.log_errors(doing.target.name, besides=doing.run.id)
    mine = [(run, one.found) for run, one in read if one.image.same(step.image.image)]
    besides = {doing.run.id, *(run for run, _ in mine)}
    found = {
        host: kinds.heard(fact.value, step.image.image, besides)
        for host, fact in told.items()
        if isinstance(fact, Known)
    }
    return Before(
        errors.merged(each for _, each in mine) if mine else None,
        {host: one for host, one in found.items() if one},
        {host: fact.reason for host, fact in told.items() if isinstance(fact, Unknown)},
        log,
    )
