"""Everything that a diagnosis is made from, asked for at once and within a time; what is late is unknown."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar, cast

import msgspec

from lastgood.judge.decide import diagnose
from lastgood.judge.view import BLAMED
from lastgood.model.diagnosis import Diagnosis
from lastgood.model.duration import spoken
from lastgood.model.errors import LastgoodError
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import HostView, Observed
from lastgood.model.release import Grade, Image
from lastgood.model.report import Health, History
from lastgood.model.situation import Back, Body, Log, Neighbour, Pinned, SchemaSeen, Situation, Watched
from lastgood.model.standing import DatabaseStatus
from lastgood.model.target import Target
from lastgood.model.telemetry import Span
from lastgood.observe import changes, pages, surroundings, symptoms, telemetry, visits
from lastgood.observe.together import Asked, together
from lastgood.plan import report
from lastgood.ports import DeployRepo, Tools

_T = TypeVar("_T")
_NANO = 1_000_000_000
_MOST = 12
_PATIENCE = 0.05
_ASKED = 2 * 3600  # seconds back: as long as points lie a scrape apart
_EARLIER = 30 * 60
_SHARE = 0.9  # of the time: who is late must not take the answers of the others along


@dataclass(frozen=True)
class Ward:
    """What a diagnosis is made with. `observe` and `schema` may raise LastgoodError; `schema` is None without one.

    `others` are the other services of the environment, with how to get their tools.
    """

    target: Target
    tools: Tools
    observe: Callable[[], Observed]
    schema: Callable[[Observed], DatabaseStatus] | None
    others: Sequence[tuple[Target, Callable[[], Tools]]]


class _AsFetched:
    """A deploy repo that is only read, as its copy is: no remote is waited for, nobody is kept from the copy."""

    def __init__(self, repo: DeployRepo) -> None:
        self._repo = repo

    def lock(self) -> AbstractContextManager[None]:
        """None: git's objects can be read while others add some."""
        return nullcontext()

    def fetch(self) -> Fact[str]:
        """Not done."""
        return Unknown("not asked: as last fetched")

    def __getattr__(self, name: str) -> object:
        return getattr(self._repo, name)


def as_fetched(tools: Tools) -> Tools:
    """The tools with git as it was last fetched."""
    return replace(tools, repo=cast("DeployRepo", _AsFetched(tools.repo)))


class _Within:
    """Questions that share one end; what raises or is late is Unknown.

    The end comes after so many seconds, and not before `hurried` says so.
    """

    def __init__(self, tools: Tools, seconds: float, hurried: Callable[[], bool]) -> None:
        self._clock = tools.clock
        self._begun = tools.clock.monotonic()
        self._end = self._begun + seconds
        self._hurried = hurried

    def answer(self, asked: Asked[_T]) -> _T | Unknown:
        """The answer, or why there is none."""
        try:
            found = asked.within(self.left())
            while found is None and not self._hurried():
                found = asked.within(_PATIENCE)
        except LastgoodError as error:
            return Unknown(" ".join((error.what, *error.because[:1])))
        except Exception as error:  # noqa: BLE001 - a defect in one look must not take the others' answers away
            return Unknown(f"{type(error).__name__}: {error}")
        waited = spoken(self._clock.monotonic() - self._begun)
        return Unknown(f"no answer within {waited}") if found is None else found

    def left(self) -> float:
        """Seconds until the end."""
        return max(0.0, self._end - self._clock.monotonic())


def examine(ward: Ward, seconds: float, hurried: Callable[[], bool] = lambda: True) -> Diagnosis:
    """Look at everything for at most so many `seconds`, and judge. Never raises for what the world does.

    As long as `hurried` says no, nobody waits, and it is looked for longer.
    """
    within = _Within(ward.tools, seconds, hurried)
    observing = Asked(ward.observe)
    around = Asked(partial(surroundings.hosts, ward.target, ward.tools))
    others: Asked[tuple[Neighbour, ...] | Unknown] = Asked(partial(_neighbours, ward.others))
    page = Asked(lambda: (pages.page(ward.tools),))
    visiting = Asked(lambda: (visits.visit(ward.tools, visits.SECONDS),))
    watching = Asked(partial(_watching, ward, Span(_now(ward) - _ASKED, _now(ward)), _SHARE * seconds))
    observed = within.answer(observing)
    if isinstance(observed, Unknown):
        seen = Situation(ward.target.name, _now(ward), observed, changes=observed, pinned=observed)
    else:
        seen = _seen(ward, observed, within)
    shown, visit = within.answer(page), within.answer(visiting)
    watched = within.answer(watching)
    return diagnose(
        msgspec.structs.replace(
            seen,
            hosts=within.answer(around),
            neighbours=_flat(within.answer(others)),
            page=shown if isinstance(shown, Unknown) else shown[0],
            visit=visit if isinstance(visit, Unknown) else visit[0],
            watched=_late(ward, watched) if isinstance(watched, Unknown) else watched,
            earlier=_earlier(ward, seen, watched, within),
        )
    )


def _watching(ward: Ward, span: Span, seconds: float, only: frozenset[str] | None = None) -> tuple[Watched, ...]:
    return telemetry.watched(telemetry.Asking(ward.tools, span, seconds, only).answers())


def _late(ward: Ward, why: Unknown) -> tuple[Watched, ...]:
    return tuple(Watched(name, late=why.reason) for name, _ in ward.target.telemetry)


def _earlier(ward: Ward, seen: Situation, watched: tuple[Watched, ...] | Unknown, within: _Within) -> tuple[Log, ...]:
    """What log stores have from just before the newest change: its containers are gone."""
    stores = frozenset(one.name for one in watched if one.log) if not isinstance(watched, Unknown) else frozenset()
    newest = seen.changes.value[0].at if isinstance(seen.changes, Known) and seen.changes.value else 0
    if not stores or seen.now - newest > BLAMED:
        return ()
    span = Span(newest - _EARLIER, newest - 1)
    found = within.answer(Asked(partial(_watching, ward, span, _SHARE * within.left(), stores)))
    logs = () if isinstance(found, Unknown) else tuple(one.log for one in found)
    return tuple(log.value for log in logs if isinstance(log, Known))


def _now(ward: Ward) -> int:
    return ward.tools.clock.now() // _NANO


def _seen(ward: Ward, observed: Observed, within: _Within) -> Situation:
    """What can be asked only of what was observed."""
    near = Asked(partial(symptoms.closely, ward.tools, observed))
    history = Asked(partial(changes.changes, ward.target, ward.tools, observed.tip.commit))
    schema: Asked[DatabaseStatus | Unknown] | None = Asked(partial(ward.schema, observed)) if ward.schema else None
    closely = within.answer(near)
    bodies: Fact[tuple[Body, ...]] = closely if isinstance(closely, Unknown) else closely[0]
    logs: Fact[tuple[Log, ...]] = closely if isinstance(closely, Unknown) else closely[1]
    past = report.history(ward.target, observed)
    return Situation(
        target=ward.target.name,
        now=_now(ward),
        bodies=bodies,
        looks=observed.looks,
        logs=logs,
        changes=within.answer(history),
        schema=_schema(within.answer(schema)) if schema else None,
        pinned=pinned(observed, past),
        back=_back(ward.target, observed),
        remote=observed.tip.remote,
        verified=any(one.runs and one.evidence.grade is Grade.VERIFIED for one in past.releases),
    )


def pinned(observed: Observed, past: History) -> Fact[Pinned]:
    """The image that git pins, against registry, hosts and what runs."""
    pin = observed.tip.pin
    if isinstance(pin, Unknown):
        return pin
    asked = observed.registry.get(str(pin.value), Unknown("not asked"))
    available: Fact[bool] = asked if isinstance(asked, Unknown) else Known(asked.value.digest is not None)
    running = next((one.release.image for one in past.releases if one.runs), None)
    runs: Fact[bool] = Known(running.same(pin.value)) if running else Unknown("what runs is not known")
    return Known(Pinned(pin.value.name, available, _here(observed, pin.value), runs))


def _here(observed: Observed, image: Image) -> Fact[bool]:
    """Whether every host has the image."""
    for view in observed.hosts.values():
        if isinstance(view.images, Unknown):
            return view.images
    return Known(all(_holds(view, image) for view in observed.hosts.values()))


def _holds(view: HostView, image: Image) -> bool:
    there = view.images.value if isinstance(view.images, Known) else ()
    if image.digest:
        return any(image.digest in one.digests for one in there)
    return any(image.tag in (*one.tags, *one.kept) for one in there)


def _back(target: Target, observed: Observed) -> Fact[Back]:
    good = report.status(target, observed).last_good
    if isinstance(good, Unknown):
        return good
    return Known(Back(good.value.image.name, _here(observed, good.value.image) == Known(value=True)))


def _schema(found: DatabaseStatus | Unknown) -> Fact[SchemaSeen]:
    if isinstance(found, Unknown):
        return found
    ahead = found.runs.value if isinstance(found.runs, Known) else None
    missing, pending = (ahead.missing, ahead.pending) if ahead else ((), ())
    return Known(SchemaSeen(found.schema_version, found.dirty, missing, pending))


def _neighbours(others: Sequence[tuple[Target, Callable[[], Tools]]]) -> tuple[Neighbour, ...]:
    return tuple(together([partial(_neighbour, *one) for one in others[:_MOST]])) if others else ()


def _neighbour(target: Target, tools: Callable[[], Tools]) -> Neighbour:
    try:
        return surroundings.neighbour(target, tools())
    except LastgoodError as error:
        return Neighbour(target.name, Health.UNKNOWN, error.what)


def _flat(found: tuple[Neighbour, ...] | Unknown) -> Fact[tuple[Neighbour, ...]]:
    return found if isinstance(found, Unknown) else Known(found)
