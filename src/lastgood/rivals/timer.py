"""`kind: timer`: systemd timers whose unit deploys, pulls, or removes images.

Facts: systemctl(1), "show" and its `--property`; the `ExecStart` property is shown as
`{ path=… ; argv[]=… ; ignore_errors=… ; … }`. A timer is stopped, not disabled: it comes back with the next boot
even if nobody starts it again. Stopping needs root, so for others it is only reported.
"""

import re
from collections.abc import Sequence

import msgspec

from lastgood.model.command import Command, Completed
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Container
from lastgood.model.rival import Harm, Seen
from lastgood.model.target import Target
from lastgood.model.text import sanitise
from lastgood.rivals import _lines

_SHOW = ("systemctl", "--no-pager", "show")
_TIMERS = (*_SHOW, "--property=Id,ActiveState,Triggers", "--", "*.timer")
_UNITS = (*_SHOW, "--property=Id,ExecStart", "--")
_WHO = ("id", "-u")
_ENGLISH = (("LC_ALL", "C"),)
_LIMIT = 10.0
_NO_PROGRAM = 127
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]{0,254}")
_ARGV = re.compile(r"argv\[\]=(.*?)(?: ; ignore_errors=|$)")
_AT_MOST = 200


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """There is nothing to set."""


class Timer:
    """Implements `ports.Rival`."""

    def questions(self, target: Target) -> tuple[Command, ...]:  # noqa: ARG002 - the port's signature
        """The timers that are loaded, and who we are."""
        return (Command(_TIMERS, env=_ENGLISH, timeout=_LIMIT), Command(_WHO, timeout=_LIMIT))

    def follow_up(self, target: Target, answers: Sequence[Completed]) -> tuple[Command, ...]:  # noqa: ARG002 - as above
        """What the active timers start."""
        units = tuple(dict.fromkeys(unit for _, unit in _timers(answers)))[:_AT_MOST]
        return (Command((*_UNITS, *units), env=_ENGLISH, timeout=_LIMIT),) if units else ()

    def read(self, target: Target, ours: tuple[Container, ...], answers: Sequence[Completed]) -> Fact[tuple[Seen, ...]]:  # noqa: ARG002 - as above
        """The timers that would do something to a rollback; none where there is no systemd."""
        listed = _answer(answers, _TIMERS)
        if listed is None:
            return Unknown("the host's timers were not asked for")
        if not listed.ok:
            return Known(()) if _absent(listed) else Unknown(listed.why())
        timers = _timers(answers)
        started = _started(_answer(answers, _UNITS)) if timers else Known({})
        if isinstance(started, Unknown):
            return started
        root = (who := _answer(answers, _WHO)) is not None and who.ok and who.text.strip() == "0"
        found = ((timer, line) for timer, unit in timers for line in started.value.get(unit, ()))
        return Known(
            tuple(
                _seen(timer, harm, said, root=root)
                for timer, line in found
                for harm, said in _lines.judged(line, target)
            )
        )


def make(options: Options) -> Timer:  # noqa: ARG001 - every member is made alike
    """The member."""
    return Timer()


def _seen(timer: str, harm: Harm, said: str, *, root: bool) -> Seen:
    if not root or harm is not Harm.UNDOES:
        return Seen("timer", sanitise(timer), said, harm)
    return Seen("timer", timer, said, harm, ("systemctl", "stop", "--", timer), ("systemctl", "start", "--", timer))


def _answer(answers: Sequence[Completed], argv: tuple[str, ...]) -> Completed | None:
    return next((one for one in answers if one.command.argv[: len(argv)] == argv), None)


def _absent(answer: Completed) -> bool:
    """No systemctl, or no systemd that it could speak to (containers, other init systems)."""
    said = answer.stderr.decode(errors="replace")
    gone = answer.status == _NO_PROGRAM or (answer.status is None and "not found" in answer.failure)
    return gone or "not been booted with systemd" in said


def _timers(answers: Sequence[Completed]) -> tuple[tuple[str, str], ...]:
    """Active timers and the units they start; names that systemd would not give out are left out."""
    listed = _answer(answers, _TIMERS)
    blocks = _blocks(listed) if listed and listed.ok else ()
    pairs = ((b.get("Id", ""), unit) for b in blocks if b.get("ActiveState") == "active" for unit in _triggers(b))
    return tuple((timer, unit) for timer, unit in pairs if _UNIT.fullmatch(timer) and _UNIT.fullmatch(unit))


def _triggers(block: dict[str, str]) -> tuple[str, ...]:
    return tuple(block.get("Triggers", "").split())


def _started(answer: Completed | None) -> Fact[dict[str, tuple[str, ...]]]:
    if answer is None or not answer.ok:
        return Unknown(answer.why() if answer else "what the timers start was not asked for")
    return Known({b.get("Id", ""): tuple(_ARGV.findall(b.get("ExecStart", ""))) for b in _blocks(answer)})


def _blocks(answer: Completed) -> tuple[dict[str, str], ...]:
    """Units as systemctl separates them, by an empty line. A property given twice has its values joined."""
    found: list[dict[str, str]] = []
    for block in re.split(r"\n\s*\n", answer.text.strip()):
        unit: dict[str, str] = {}
        for line in block.splitlines():
            key, equals, value = line.partition("=")
            if equals:
                unit[key] = f"{unit[key]} {value}" if key in unit else value
        found.append(unit)
    return tuple(found)
