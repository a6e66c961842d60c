"""Whether the CDN would be purged, and whether it can be seen what customers get; nobody notices that it was asked."""

from functools import partial

from lastgood.diagnose.case import Case, guarded, ok, unknown, warn
from lastgood.judge.fresh import Fresh, Stale, Unseen
from lastgood.model.facts import Unknown
from lastgood.model.report import Check
from lastgood.observe.stale import look

_THEN = "so a rollback would end with 9"


def checks(case: Case) -> tuple[Check, ...]:
    """One check for the purge and one for the page; none where no CDN is declared."""
    if case.target.cdn is None:
        return ()
    purge, page = f"{case.name}: CDN", f"{case.name}: CDN page"
    return (*guarded(purge, partial(_purge, purge, case)), *guarded(page, partial(_page, page, case)))


def _purge(name: str, case: Case) -> tuple[Check, ...]:
    found = case.tools.cache().check() if case.tools.cache else Unknown("it was not put together")
    if isinstance(found, Unknown):
        return (warn(name, f"would not be purged, {_THEN}: {found.reason}", "see cdn in lastgood.yaml, and its token"),)
    return (ok(name, found.value),)


def _page(name: str, case: Case) -> tuple[Check, ...]:
    """What customers get now, which need not be right in the middle of a deploy."""
    if case.target.cdn is None:
        return ()
    passed = case.tools.cache().passed if case.tools.cache else lambda _: True
    found = look(case.tools.http, case.tools.clock, case.target.cdn, passed).freshness
    match found:
        case Fresh(seen):
            return (ok(name, seen),)
        case Stale(because):
            said = f"customers get something else than runs: {'; '.join(because)}"
            return (warn(name, said, "purge it, or: lastgood resume"),)
        case Unseen(because):
            return (unknown(name, f"{because}; {_THEN}", "see page and origin of cdn in lastgood.yaml"),)
