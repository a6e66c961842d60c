"""`kind: cron`: lines in crontabs that deploy, pull, or remove images.

What is looked at: the login user's own crontab, /etc/crontab, /etc/cron.d and the scripts of /etc/cron.hourly to
cron.monthly. What a script calls in turn is not followed. They are only reported: pausing a cron line means to edit it.
"""

import re
from collections.abc import Sequence

import msgspec

from lastgood.model.command import Command, Completed
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Container
from lastgood.model.rival import Seen
from lastgood.model.target import Target
from lastgood.model.text import sanitise
from lastgood.rivals import _lines

_PLACES = (
    "/etc/crontab",
    "/etc/cron.d",
    "/etc/cron.hourly",
    "/etc/cron.daily",
    "/etc/cron.weekly",
    "/etc/cron.monthly",
)
_OWN = ("crontab", "-l")
_GREP = ("grep", "-r", "-I", "-n", "-H", "-E")
_ENGLISH = (("LC_ALL", "C"),)  # messages are told apart below
_LIMIT = 10.0
_NO_PROGRAM = 127
_NOTHING_FOUND = 1
_FOUND = re.compile(r"(?P<path>/[^:\n]+):(?P<number>\d+):(?P<line>.*)")
_COMMENT = re.compile(r"\s*#")
_AT_MOST = 50


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """There is nothing to set."""


class Cron:
    """Implements `ports.Rival`."""

    def questions(self, target: Target) -> tuple[Command, ...]:
        """The user's crontab, and the lines of the system's that may concern us; other lines are not fetched."""
        words = _lines.WORDS + (f"|{re.escape(target.checkout)}" if _plain(target.checkout) else "")
        search = Command((*_GREP, "-e", words, "--", *_PLACES), env=_ENGLISH, timeout=_LIMIT)
        return (Command(_OWN, env=_ENGLISH, timeout=_LIMIT), search)

    def follow_up(self, target: Target, answers: Sequence[Completed]) -> tuple[Command, ...]:  # noqa: ARG002 - the port's signature
        """Nothing more."""
        return ()

    def read(self, target: Target, ours: tuple[Container, ...], answers: Sequence[Completed]) -> Fact[tuple[Seen, ...]]:  # noqa: ARG002 - as above
        """Every line that would do something to a rollback; Unknown where a place could not be read."""
        own, system = (next((a for a in answers if a.command.argv[:2] == argv[:2]), None) for argv in (_OWN, _GREP))
        lines = (*_own(own), *_system(system))
        seen = tuple(
            Seen("cron", name, said, harm) for name, line in lines for harm, said in _lines.judged(line, target)
        )
        unread = _unread(own, system)
        if unread and not seen:
            return Unknown(unread)
        rest = (Seen("cron", "crontabs", f"not all of them could be read: {unread}"),) if unread else ()
        return Known((*seen[:_AT_MOST], *rest))


def make(options: Options) -> Cron:  # noqa: ARG001 - every member is made alike
    """The member."""
    return Cron()


def _plain(path: str) -> bool:
    return bool(path) and path.isprintable()


def _own(answer: Completed | None) -> tuple[tuple[str, str], ...]:
    if answer is None or not answer.ok:
        return ()
    lines = enumerate(answer.text.splitlines(), 1)
    return tuple((f"crontab line {number}", line) for number, line in lines if not _COMMENT.match(line))


def _system(answer: Completed | None) -> tuple[tuple[str, str], ...]:
    if answer is None or answer.status is None:
        return ()
    found = (_FOUND.fullmatch(line) for line in answer.text.splitlines())
    return tuple(
        (sanitise(f"{one['path']} line {one['number']}"), one["line"])
        for one in found
        if one and not _COMMENT.match(one["line"])
    )


def _unread(own: Completed | None, system: Completed | None) -> str:
    """What could not be read; a cron that is not there, and a place that does not exist, hold nothing."""
    if own is None or system is None:
        return "the host was not asked"
    if not own.ok and not _absent(own) and "no crontab for" not in own.stderr.decode(errors="replace"):
        return own.why()
    if system.status is None:
        return system.why()
    said = system.stderr.decode(errors="replace").splitlines()
    wrong = [line for line in said if not line.endswith("No such file or directory")]
    failed = system.status not in {0, _NOTHING_FOUND} and not said
    return sanitise(wrong[0]) if wrong else system.why() if failed else ""


def _absent(answer: Completed) -> bool:
    """Whether the program is not installed, here or over SSH."""
    return answer.status == _NO_PROGRAM or (answer.status is None and "not found" in answer.failure)
