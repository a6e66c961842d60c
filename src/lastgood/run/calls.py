"""What lies on the hosts of a target for the people who are called: they answer on a machine of their own.

`calls/NAME.json` is an ask, `calls/NAME.ack` who has it. NAME is the ask's id, or `RUN.LINE` for a run that another
machine may still be at: nobody else adds a line to its record then.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import msgspec

from lastgood.model.errors import LastgoodError, Refused
from lastgood.model.event import Acked
from lastgood.model.message import ASKED, Acknowledged, Ask, Message
from lastgood.observe.together import Asked
from lastgood.ports import Files
from lastgood.run import notes, trail
from lastgood.run.desk import Desk

T = TypeVar("T")

_SECONDS: Final = 3.0
_NANO: Final = 1_000_000_000


class Calls:
    """The hosts' side of calling people. `desk` is for a target by its name; it may raise LastgoodError.

    `learnt` is told of a run, and how many lines of it were known here, when the hosts knew more.
    """

    def __init__(self, desk: Callable[[str], Desk], learnt: Callable[[str, int], None]) -> None:
        self._desk = desk
        self._learnt = learnt

    def publish(self, ask: Ask) -> None:
        """Put an ask on the hosts, as far as they take it in time. Never raises."""
        self._bounded(lambda: self._put(ask.message, "json", msgspec.json.encode(ask)))

    def answered(self, stop: Message) -> Acknowledged | None:
        """Who has it, as far as a host says so in time; what the hosts know of its run is in the journal then.

        Never raises: whoever cannot be asked has not answered.
        """
        return self._bounded(lambda: self._answered(stop))

    def find(self, targets: tuple[str, ...], name: str) -> Ask | None:
        """An ask that another machine put on the hosts of one of the targets."""
        for target in targets:
            with contextlib.suppress(LastgoodError, msgspec.MsgspecError, UnicodeDecodeError):
                for files, folder in _places(self._desk(target)):
                    with contextlib.suppress(OSError):
                        if content := files.read(f"{folder}/{name}.json"):
                            return msgspec.json.decode(content, type=Ask)
        return None

    def answer(self, stop: Message, made: Acknowledged) -> tuple[Acknowledged, bool]:
        """Say who has it; whoever said so first, and whether a host knows it. Raises LastgoodError as `desk` does."""
        told = self._put(stop, "ack", msgspec.json.encode(made))
        return self._said(stop) or made, told

    def _put(self, stop: Message, kind: str, content: bytes) -> bool:
        told = False
        for files, folder in _places(self._desk(stop.target)):
            with contextlib.suppress(OSError):
                files.create(f"{folder}/{_name(stop)}.{kind}", content)
                told = True
        return told

    def _said(self, stop: Message) -> Acknowledged | None:
        for files, folder in _places(self._desk(stop.target)):
            with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
                if content := files.read(f"{folder}/{_name(stop)}.ack"):
                    return msgspec.json.decode(content, type=Acknowledged)
        return None

    def _answered(self, stop: Message) -> Acknowledged | None:
        said = self._said(stop)
        if not stop.run.startswith(ASKED):
            desk = self._desk(stop.target)
            self._learn(desk, stop.run)
            if said and not any(isinstance(each.event, Acked) for each in desk.journal.entries(stop.run)):
                # The run is this machine's, and nobody carries it out: its record can be added to here.
                event = Acked(said.by, "on another machine", said.at * _NANO)
                notes.note(desk, stop.run, event, _hosts(desk), lambda: None)
        return said

    def _learn(self, desk: Desk, run: str) -> None:
        """Have the journal know what the hosts know of a run."""
        known = len(desk.journal.lines(run))
        lines = trail.fetch(_hosts(desk), desk.shared.files, desk.group.first.state, run)
        with contextlib.suppress(Refused):  # they know it otherwise: then nobody has taken up this one
            desk.journal.adopt(lines)
            self._learnt(run, known)

    @staticmethod
    def _bounded(act: Callable[[], T]) -> T | None:
        with contextlib.suppress(LastgoodError, OSError):
            return Asked(act).within(_SECONDS)
        return None


def _name(stop: Message) -> str:
    return stop.run if stop.run.startswith(ASKED) else f"{stop.run}.{stop.seq}"


def _hosts(desk: Desk) -> tuple[str, ...]:
    return tuple(dict.fromkeys(host for member in desk.group.members for host in member.hosts))


def _places(desk: Desk) -> Iterator[tuple[Files, str]]:
    return ((desk.shared.files(host), f"{desk.group.first.state.rstrip('/')}/calls") for host in _hosts(desk))
