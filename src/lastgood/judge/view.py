"""A situation as the rules look at it: what fails, since when, which signs count, and what changed before. Pure."""

from functools import cached_property
from typing import Final

from msgspec.structs import replace

from lastgood.judge.errors import errors
from lastgood.judge.measured import Measured
from lastgood.judge.signs import Sign, job, signs
from lastgood.model.diagnosis import Evidence, Scenario, Source
from lastgood.model.facts import Known
from lastgood.model.observed import Look, State
from lastgood.model.report import Health
from lastgood.model.situation import Body, Change, HostSeen, Log, Neighbour, Page, Situation
from lastgood.model.telemetry import Routing
from lastgood.model.visit import Visit

RECENT: Final = 15 * 60
"""Seconds: log lines of a service that works, or runs with errors, count only where they are not older."""

BLAMED: Final = 6 * 3600
"""Seconds: a change counts as what began a failure only where the failure was first seen no later after it."""

_INCIDENT: Final = 3600
_SLACK: Final = 120
_OLD: Final = 24 * 3600
_MANY: Final = 3
_AGAIN: Final = 2
_JUST: Final = 90
_DOWN: Final = (State.EXITED, State.DEAD, State.RESTARTING, State.CREATED)


class View:
    """One situation with what follows from it."""

    def __init__(self, seen: Situation) -> None:
        self.seen = seen

    @cached_property
    def mine(self) -> tuple[Body, ...]:
        """The pin's containers; one-shots that ended well left out."""
        return tuple(body for body in self.seen.mine if not _done(body))

    @cached_property
    def down(self) -> tuple[Body, ...]:
        """Containers of the pin that do not run, or run only between two exits."""
        return tuple(body for body in self.mine if body.state in _DOWN or self._loops(body))

    def _loops(self, body: Body) -> bool:
        """Whether a container runs only until its next exit: the engine has started it again, and just now."""
        return body.restarts >= _AGAIN and self.seen.now - body.started < _JUST

    @cached_property
    def unhealthy(self) -> tuple[Body, ...]:
        """Running containers of the pin that the engine calls unhealthy."""
        return tuple(body for body in self.mine if body.state is State.RUNNING and body.health == "unhealthy")

    @cached_property
    def starting(self) -> tuple[Body, ...]:
        """Containers of the pin whose HEALTHCHECK has not said anything yet."""
        return tuple(b for b in self.mine if b.state is State.RUNNING and b.health == "starting" and not b.restarts)

    @cached_property
    def others_down(self) -> tuple[Body, ...]:
        """Other containers of the project that do not run well: what the service depends on, as a rule.

        One that ran once and ended, however that was, is none.
        """
        known = self.seen.bodies.value if isinstance(self.seen.bodies, Known) else ()
        beside = [body for body in known if not body.mine and not job(body)]
        return tuple(body for body in beside if body.state in _DOWN or body.health == "unhealthy")

    @cached_property
    def failing(self) -> tuple[Look, ...]:
        """Probes that fail, other than by being slow."""
        return tuple(look for look in self.seen.looks if not look.ok and look.signature != "http slow")

    @cached_property
    def slow(self) -> tuple[Look, ...]:
        """Probes whose answer was right and too late."""
        return tuple(look for look in self.seen.looks if look.signature == "http slow")

    @property
    def missing(self) -> bool:
        """Whether it is known that no container of the pin is there."""
        return isinstance(self.seen.bodies, Known) and not self.mine

    @property
    def broken(self) -> bool:
        """Whether the service is seen to fail."""
        return bool(self.failing or self.down or self.unhealthy or self.missing)

    @property
    def judged(self) -> bool:
        """Whether anything says that the service works: a probe, or a HEALTHCHECK of every container."""
        return bool(self.seen.looks) or bool(self.mine and all(body.health for body in self.mine))

    @cached_property
    def signs(self) -> tuple[Sign, ...]:
        """Signs of now: of the last hour where the service fails; of a service that works what is recent and often."""
        logs = (*(self.seen.logs.value if isinstance(self.seen.logs, Known) else ()), *self._stored())
        known = self.seen.bodies.value if isinstance(self.seen.bodies, Known) else ()
        found = signs(logs, known, self.seen.now - (_INCIDENT if self.broken else RECENT))
        return found if self.broken else tuple(sign for sign in found if sign.count >= _MANY)

    def _stored(self) -> tuple[Log, ...]:
        """What log stores have since the newest change, where no container's own log has anything.

        What both have would look like two witnesses.
        """
        own = self.seen.logs.value if isinstance(self.seen.logs, Known) else ()
        if any(log.mine and log.lines for log in own):
            return ()
        since = self.changes[0].at if self.changes else 0
        logs = [one.log.value for one in self.seen.watched if isinstance(one.log, Known)]
        return tuple(replace(log, lines=tuple(line for line in log.lines if line.at >= since)) for log in logs)

    @cached_property
    def unread(self) -> str:
        """An error that a service wrote of itself, where none of all that it wrote is understood; empty where it is."""
        own = self.seen.logs.value if isinstance(self.seen.logs, Known) else ()
        found = () if self.signs else errors((*own, *self._stored()), self.seen.now - _INCIDENT)
        return found[0].example if found else ""

    @cached_property
    def before(self) -> tuple[Sign, ...]:
        """Signs that were written often before the newest change: whatever ran then was no better."""
        found = signs(self.seen.earlier, (), 0)
        return tuple(sign for sign in found if sign.count >= _MANY)

    @cached_property
    def measured(self) -> Measured:
        """What was measured, against the newest change."""
        return Measured(self.seen, self.began(self.changes[0]) if self.changes else None)

    @cached_property
    def routings(self) -> tuple[Routing, ...]:
        """How requests are led to the service, by every router that told."""
        return tuple(one.routing.value for one in self.seen.watched if isinstance(one.routing, Known))

    @cached_property
    def sick(self) -> tuple[Evidence, ...]:
        """Servers that a router's own health check calls down."""
        found = (one for known in self.routings for one in known.services)
        down = ((one, [server.url for server in one.servers if server.up == Known(value=False)]) for one in found)
        return tuple(
            Evidence(
                Source.ROUTER, f"{one.name}: its health check fails for {len(urls)} of {len(one.servers)}: {urls[0]}"
            )
            for one, urls in down
            if urls
        )

    def of(self, scenario: Scenario) -> tuple[Sign, ...]:
        """The signs of one scenario."""
        return tuple(sign for sign in self.signs if sign.scenario is scenario)

    @cached_property
    def hosts(self) -> tuple[HostSeen, ...]:
        """The hosts that could be looked at."""
        return self.seen.hosts.value if isinstance(self.seen.hosts, Known) else ()

    @cached_property
    def neighbours(self) -> tuple[Neighbour, ...]:
        """The other services of which something is known."""
        found = self.seen.neighbours.value if isinstance(self.seen.neighbours, Known) else ()
        return tuple(one for one in found if one.health is not Health.UNKNOWN)

    @cached_property
    def ill(self) -> tuple[Neighbour, ...]:
        """The other services that are down as well."""
        return tuple(one for one in self.neighbours if one.health is Health.UNHEALTHY)

    @cached_property
    def page(self) -> Page | None:
        """The page, where one was seen."""
        return self.seen.page.value if isinstance(self.seen.page, Known) else None

    @cached_property
    def visit(self) -> Visit | None:
        """The page in a browser, where one saw it."""
        return self.seen.visit.value if isinstance(self.seen.visit, Known) else None

    @cached_property
    def runs_pinned(self) -> bool | None:
        """Whether what git pins is what runs; None where that is not known."""
        pinned = self.seen.pinned
        runs = pinned.value.runs if isinstance(pinned, Known) else None
        return runs.value if isinstance(runs, Known) else None

    @cached_property
    def onset(self) -> int | None:
        """When the failure was first seen, in Unix seconds; None where nothing tells."""
        own = [sign.at for sign in self.signs if sign.at and sign.mine]
        exits = [fell for body in self.down if body.restarts and (fell := self.fell(body))]
        measured = [self.measured.rose] if self.measured.rose else []
        return min((*own, *exits, *measured), default=None)

    def fell(self, body: Body) -> int | None:
        """Since when a container that does not run has not: since it was made, where that is not long ago."""
        return body.created if body.created and self.seen.now - body.created <= BLAMED else None

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What changed, newest first, none where that is not known."""
        return self.seen.changes.value if isinstance(self.seen.changes, Known) else ()

    def began(self, change: Change) -> int:
        """When a change took effect: a release may be deployed long after its commit, which its containers show.

        A container that was made anew for a release that had been proven before says nothing about the release.
        """
        if not change.image or self.runs_pinned is False:
            return change.at
        made = min((body.created for body in self.mine if body.created), default=0)
        proven = self.seen.verified and self.seen.now - change.at > _OLD
        return change.at if proven else max(change.at, made)

    @cached_property
    def suspect(self) -> Change | None:
        """The newest change that is old enough and new enough to have begun the failure."""
        moment = self.onset or self.seen.now
        for change in self.changes:
            if self.runs_pinned is False and change.image:
                continue
            if self.began(change) <= moment + _SLACK:
                return change if moment - self.began(change) <= BLAMED else None
        return None

    @cached_property
    def too_late(self) -> Change | None:
        """A change that people will blame, and that came after the failure."""
        newest = self.changes[0] if self.changes else None
        if newest is None or self.onset is None or self.seen.now - newest.at > BLAMED:
            return None
        return newest if newest.at > self.onset + _SLACK else None

    def symptoms(self) -> tuple[Evidence, ...]:
        """How the service is seen to fail."""
        looks = (Evidence(Source.HEALTH, f"{look.probe}: {look.said}") for look in (*self.failing, *self.slow))
        down = (Evidence(Source.ENGINE, _fate(body), self.fell(body)) for body in self.down)
        ill = (
            Evidence(Source.HEALTH, f'{body.name} is unhealthy: "{body.health_log}"'.removesuffix(': ""'))
            for body in self.unhealthy
        )
        gone = (Evidence(Source.ENGINE, "no container of the service is there"),) if self.missing else ()
        return (*gone, *down, *ill, *looks, *self.sick, *self.measured.errors(), *self.measured.slower())


def _done(body: Body) -> bool:
    return body.state is State.EXITED and body.exit_code == 0 and not body.restarts and not body.kept_up


def _fate(body: Body) -> str:
    parts = [body.state.value, f"exit status {body.exit_code}" if body.exit_code or body.restarts else ""]
    parts.append(f"{body.restarts} restarts" if body.restarts else "")
    parts.append("killed for memory" if body.oom else "")
    return f"{body.name}: {', '.join(part for part in parts if part)}"
