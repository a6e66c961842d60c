"""What the group bots of Feishu, DingTalk and WeCom share: they answer 200 and say in the body that they refused."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.message import Delivered, Delivery, Message
from lastgood.outside.talk import Talk, Trouble
from lastgood.outside.text import chat, fitted
from lastgood.ports import Outside, Response

_BUSY: Final = {11232: 60.0, 130101: 600.0, 45009: 60.0}
"""Feishu's, DingTalk's and WeCom's numbers for too many messages, and for how many seconds they then take none."""


class _Answer(msgspec.Struct):
    """`code` and `msg` are Feishu's and Lark's, `errcode` and `errmsg` DingTalk's and WeCom's."""

    code: int | None = None
    errcode: int | None = None
    StatusCode: int | None = None
    msg: str = ""
    errmsg: str = ""


class Asking(NamedTuple):
    """The request that says a text in a group: where, with what, and what of that must never be shown."""

    place: str
    content: Mapping[str, object]
    hidden: tuple[str, ...]


class Bot:
    """One group. `asking` makes the request for a text; it raises Trouble where a secret cannot be had."""

    def __init__(self, outside: Outside, asking: Callable[[str], Asking], most: int) -> None:
        self._outside = outside
        self._asking = asking
        self._most = most

    def deliver(self, message: Message, ref: str, *, again: bool) -> Delivery:  # noqa: ARG002 - the port's signature
        """Say it in the group, in at most so many bytes; nobody is called."""
        try:
            wanted = self._asking(_words(message, self._most, again=again))
            talk = Talk(self._outside, wanted.place, hidden=wanted.hidden)
            return _accepted(talk, talk.ask("POST", "", dict(wanted.content)))
        except Trouble as trouble:
            return trouble.failed()

    def check(self) -> Fact[str]:
        """Whether the secrets can be had; a bot has no question that its group does not see."""
        try:
            self._asking("")
        except Trouble as trouble:
            return Unknown(str(trouble))
        return Known("the bot's secrets are there; whether it takes them shows only in the group")


def _accepted(talk: Talk, answer: Response) -> Delivery:
    """Delivered only where the body says 0. Raises Trouble where it says anything else, or nothing."""
    found = talk.read(answer, _Answer)
    numbers = [number for number in (found.code, found.errcode, found.StatusCode) if number is not None]
    if not numbers:
        raise Trouble(f"{talk.host} does not say whether it took the message", doubtful=True)
    if any(numbers):
        number = next(filter(None, numbers))
        said = talk.clean(found.msg or found.errmsg)
        raise Trouble(f"{talk.host} refused the message ({number}): {said}", code=number, again=_BUSY.get(number, 0.0))
    return Delivered(talk.host)


def _words(message: Message, most: int, *, again: bool) -> str:
    """The message for a group, at most so many bytes; a bot cannot tell whether it has it, so a reader is told."""
    first = "(perhaps told already) " if again else ""
    return fitted(message, most, lambda text: chat(first + text))
