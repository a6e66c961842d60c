"""What watches a target from outside, asked all at once and within a time; what is late is unknown."""

import time
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias

import msgspec

from lastgood.judge.logs import read
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.situation import Log, Watched
from lastgood.model.telemetry import Reading, Recorded, Routing, Span
from lastgood.model.text import sanitise
from lastgood.observe.together import Asked, answer_by
from lastgood.ports import Telemetry, Tools
from lastgood.record.redact import without

_NANO = 1_000_000_000
_LONGEST = 300
_MOST = 256 * 1024  # bytes: taking secrets out of more takes longer than a run should wait
Readings: TypeAlias = dict[str, Fact[Reading]]


class Asking:
    """Every source asked about a span of time, each in a thread of its own, from now on for so many seconds."""

    def __init__(self, tools: Tools, span: Span, seconds: float, only: frozenset[str] | None = None) -> None:
        self.span = span
        self._end = time.monotonic() + seconds
        self._asked = {
            name: Asked(partial(source.look, span))
            for name, source in (tools.telemetry(seconds) if tools.telemetry else {}).items()
            if only is None or name in only
        }

    def answers(self) -> Readings:
        """What there is by the end; waits for it."""
        return {name: answer_by(one, self._end) for name, one in self._asked.items()}


def checks(sources: dict[str, Telemetry], seconds: float) -> dict[str, Fact[str]]:
    """What every source says of itself, within so many seconds."""
    end = time.monotonic() + seconds
    asked = {name: Asked(source.check) for name, source in sources.items()}
    found = {name: answer_by(one, end) for name, one in asked.items()}
    return {name: fact if isinstance(fact, Unknown) else fact.value for name, fact in found.items()}


def watched(found: Readings) -> tuple[Watched, ...]:
    """Readings as a diagnosis takes them: harmless on a terminal, and with secrets masked."""
    return tuple(_watched(name, fact) for name, fact in found.items())


def _watched(name: str, fact: Fact[Reading]) -> Watched:
    if isinstance(fact, Unknown):
        return Watched(name, late=_clean(fact.reason))
    reading = fact.value
    return Watched(
        name=name,
        figures={figure: _known(one) for figure, one in reading.figures.items()},
        log=_log(name, reading),
        routing=None if reading.routing is None else _routing(reading.routing),
    )


def _known(fact: Fact) -> Fact:  # type: ignore[type-arg]
    return Unknown(_clean(fact.reason)) if isinstance(fact, Unknown) else fact


def _log(name: str, reading: Reading) -> Fact[Log] | None:
    if reading.lines is None or isinstance(reading.lines, Unknown):
        return reading.lines and Unknown(_clean(reading.lines.reason))
    stamped = (
        f"{datetime.fromtimestamp(one.at // _NANO, UTC):%Y-%m-%dT%H:%M:%S}Z {one.text}".replace("\n", " ")
        for one in reading.lines.value
    )
    log = read(name, "\n".join(stamped).encode(errors="replace"))
    return Known(msgspec.structs.replace(log, cut=log.cut or reading.cut))


def _routing(fact: Fact[Routing]) -> Fact[Routing]:
    """With every text in it clean."""
    if isinstance(fact, Unknown):
        return Unknown(_clean(fact.reason))
    return Known(msgspec.convert(_cleaned(msgspec.to_builtins(fact.value)), Routing))


def _cleaned(node: object) -> object:
    if isinstance(node, str):
        return _clean(node)
    if isinstance(node, dict):
        return {key: _cleaned(value) for key, value in node.items()}
    return [_cleaned(one) for one in node] if isinstance(node, list | tuple) else node


def _clean(text: str) -> str:
    return sanitise(without(text))[:_LONGEST]


def files(step: str, span: Span, found: Readings) -> dict[str, bytes]:
    """Readings as files of evidence: what was understood, and the answers as they came. Secrets are still in them.

    Of lines that are long together the newest are kept; other long answers are left out, since half of one is of no
    use: what was understood of them is kept.
    """
    made: dict[str, bytes] = {}
    for name, fact in found.items():
        made[f"telemetry-{step}-{name}.json"] = msgspec.json.encode(_recorded(name, span, fact))
        for part, content in fact.value.raw.items() if isinstance(fact, Known) else ():
            if part.endswith(".txt"):
                made[f"log-{step}-{name}-{part}"] = _end(content)
            elif len(content) <= _MOST:
                made[f"telemetry-{step}-{name}-{part}"] = content
    return made


def _end(content: bytes) -> bytes:
    """The end, from a whole line on: of half a secret nobody would see that it is one."""
    return content if len(content) <= _MOST else content[-_MOST:].partition(b"\n")[2]


def _recorded(name: str, span: Span, fact: Fact[Reading]) -> Recorded:
    if isinstance(fact, Unknown):
        return Recorded(name, span, because=fact.reason)
    one = fact.value
    lines = Known(len(one.lines.value)) if isinstance(one.lines, Known) else one.lines
    return Recorded(name, span, one.figures, lines, one.cut, one.routing)
