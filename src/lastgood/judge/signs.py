"""What logs show: signs of causes, each with the line that shows it, when it was first seen and how often. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from lastgood.judge.patterns import ACCESS, CANCELLED, ENVIRON, FIRST_WORD, KEY_ERROR, QUIET, TABLE, WAITS, Pattern
from lastgood.model.diagnosis import Evidence, Scenario, Source
from lastgood.model.observed import State
from lastgood.model.situation import Body, Line, Log

_SERVER_ERROR: Final = 500
_NEAR: Final = 8
# What another container says counts only where the host is meant: its own troubles show in how it fares.
_OF_OTHERS: Final = (Scenario.DISK_FULL,)
_SHOWN: Final = 200


class Sign(msgspec.Struct, frozen=True):
    """A message that a container wrote, or the engine about it; `at` and `last` in Unix seconds, 0: not known."""

    scenario: Scenario
    text: str
    where: str
    mine: bool = True
    at: int = 0
    last: int = 0
    count: int = 1
    key: str = ""
    host: str = ""
    stuck: bool = False
    vague: bool = False
    engine: bool = False

    def evidence(self) -> Evidence:
        """As evidence: the line in quotes, so that nobody takes it for our words."""
        times = f" ({self.count} times)" if self.count > 1 else ""
        source = Source.ENGINE if self.engine else Source.LOG
        return Evidence(source, f'{self.where}: "{self.text[:_SHOWN]}"{times}', self.at or None)


def signs(logs: Sequence[Log], bodies: Sequence[Body], since: int) -> tuple[Sign, ...]:
    """All signs in log lines not older than `since` (Unix seconds; lines without a time are taken), and of the engine.

    Alike ones of one container are one sign. A job that failed (migrations, say) speaks for the service as well.
    """
    found: dict[tuple[str, Scenario, str], Sign] = {}
    jobs = {body.name for body in bodies if not body.mine and job(body) and body.exit_code}
    read = [msgspec.structs.replace(log, mine=True) if log.container in jobs else log for log in logs]
    for sign in (*_of_engine(bodies, since), *(sign for log in read for sign in _of_log(log, since))):
        name = (sign.where, sign.scenario, sign.key)
        found[name] = _added(found[name], sign) if name in found else sign
    return tuple(found.values())


def job(body: Body) -> bool:
    """Whether a container was to run once: it has ended, and nothing starts it again."""
    return body.state is State.EXITED and not body.kept_up


def _added(first: Sign, again: Sign) -> Sign:
    times = [at for at in (first.at, again.at) if at]
    host, stuck = first.host or again.host, first.stuck or again.stuck
    vague = first.vague and again.vague
    last, count = max(first.last, again.last), first.count + 1
    added = msgspec.structs.replace(first, at=min(times, default=0), last=last, count=count)
    return msgspec.structs.replace(added, host=host, stuck=stuck, vague=vague)


def _of_engine(bodies: Sequence[Body], since: int) -> Iterator[Sign]:
    """An engine does not say when a start failed: one of a container made before `since` has no time."""
    for body in bodies:
        found = _matched(body.error) if body.error else None
        if found:
            pattern, _ = found
            at = body.created if body.created >= since else 0
            yield Sign(pattern.scenario, body.error, body.name, body.mine, at, at, engine=True)


def _of_log(log: Log, since: int) -> Iterator[Sign]:
    lines = [line for line in log.lines if not line.at or line.at >= since]
    for number, line in enumerate(lines):
        sign = _of_line(log, lines, number, line)
        if sign and (log.mine or sign.scenario in _OF_OTHERS):
            yield sign


def _of_line(log: Log, lines: Sequence[Line], number: int, line: Line) -> Sign | None:
    access = ACCESS.search(line.text)
    if access:
        return _served(log, line, int(access["status"]))
    if QUIET.search(line.text[: _NEAR * 20]) and not WAITS.search(line.text):
        return None
    environ = KEY_ERROR.match(line.text)
    if environ and any(ENVIRON.search(near.text) for near in lines[max(0, number - _NEAR) : number]):
        return _sign(Scenario.CONFIGURATION, log, line, environ["key"])
    found = _matched(line.text)
    if found is None:
        return None
    pattern, groups = found
    if pattern.scenario is Scenario.API_ERRORS and CANCELLED.search(line.text):
        return None
    key = groups.get("key", "")
    if pattern.next_line and number + 1 < len(lines):
        below = FIRST_WORD.match(lines[number + 1].text)
        key = below["key"] if below else ""
    sign = _sign(pattern.scenario, log, line, key)
    return msgspec.structs.replace(sign, host=groups.get("host", ""), stuck=pattern.stuck, vague=pattern.vague)


def _served(log: Log, line: Line, status: int) -> Sign | None:
    """A request that was answered with a server error; what was asked for is not quoted."""
    if status < _SERVER_ERROR:
        return None
    return _sign(Scenario.API_ERRORS, log, Line(f"a request was answered with {status}", line.at), "")


def _sign(scenario: Scenario, log: Log, line: Line, key: str) -> Sign:
    return Sign(scenario, line.text.strip(), log.container, log.mine, line.at, line.at, key=key)


def _matched(text: str) -> tuple[Pattern, dict[str, str]] | None:
    for pattern in TABLE:
        found = pattern.words.search(text)
        if found:
            return pattern, {name: value for name, value in found.groupdict().items() if value}
    return None
