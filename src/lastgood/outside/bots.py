"""What the group bots of Feishu, DingTalk and WeCom share: they answer 200 and say in the body that they refused."""

from typing import Final

import msgspec

from lastgood.model.message import Delivered, Delivery, Message
from lastgood.outside.talk import Talk, Trouble
from lastgood.outside.text import chat, cut, plain
from lastgood.ports import Response

_BUSY: Final = frozenset({11232, 130101, 45009})
"""Feishu's, DingTalk's and WeCom's numbers for too many messages."""
_MINUTE: Final = 60.0


class _Answer(msgspec.Struct):
    """`code` and `msg` are Feishu's and Lark's, `errcode` and `errmsg` DingTalk's and WeCom's."""

    code: int | None = None
    errcode: int | None = None
    StatusCode: int | None = None
    msg: str = ""
    errmsg: str = ""


def accepted(talk: Talk, answer: Response) -> Delivery:
    """Delivered only where the body says 0. Raises Trouble where it says anything else, or nothing."""
    found = talk.read(answer, _Answer)
    numbers = [number for number in (found.code, found.errcode, found.StatusCode) if number is not None]
    if not numbers:
        raise Trouble(f"{talk.host} does not say whether it took the message", doubtful=True)
    if any(numbers):
        number = next(filter(None, numbers))
        said = talk.clean(found.msg or found.errmsg)
        again = _MINUTE if number in _BUSY else 0.0
        raise Trouble(f"{talk.host} refused the message ({number}): {said}", code=number, again=again)
    return Delivered(talk.host)


def words(message: Message, most: int, *, again: bool) -> str:
    """The message for a group, at most so many bytes; a bot cannot tell whether it has it, so a reader is told."""
    first = "(perhaps told already) " if again else ""
    return cut(chat(first + plain(message)), most)
