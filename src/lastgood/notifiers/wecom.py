"""`kind: wecom`: a group bot of WeCom.

Facts from WeCom's documentation of group bots: POST `/cgi-bin/webhook/send?key=KEY` with `msgtype`; a text has at most
2,048 bytes, and in it `<@user>` calls somebody. It answers 200 with an `errcode` other than 0 where it refuses.
"""

from typing import Annotated, Final
from urllib.parse import urlencode

import msgspec

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.message import Delivery, Message
from lastgood.outside.bots import accepted, words
from lastgood.outside.talk import REFERENCE, URL, Talk, Trouble, secret
from lastgood.ports import Outside

STATE: Final = False
_MOST: Final = 2048


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token` is a reference to the key in the bot's address."""

    token: Annotated[str, msgspec.Meta(pattern=REFERENCE, min_length=1)]
    url: Annotated[str, msgspec.Meta(pattern=URL)] = "https://qyapi.weixin.qq.com"


class WeCom:
    """One group."""

    def __init__(self, options: Options, outside: Outside) -> None:
        self._options = options
        self._outside = outside

    def deliver(self, message: Message, ref: str, *, again: bool) -> Delivery:  # noqa: ARG002 - the port's signature
        """Say it in the group; nobody is called."""
        try:
            key = secret(self._outside, self._options.token)
            place = f"{self._options.url.rstrip('/')}/cgi-bin/webhook/send?{urlencode({'key': key})}"
            talk = Talk(self._outside, place, hidden=(key,))
            content = {"msgtype": "text", "text": {"content": words(message, _MOST, again=again)}}
            return accepted(talk, talk.ask("POST", "", content))
        except Trouble as trouble:
            return trouble.failed()

    def check(self) -> Fact[str]:
        """Whether the secret can be had; a bot has no question that its group does not see."""
        try:
            secret(self._outside, self._options.token)
        except Trouble as trouble:
            return Unknown(str(trouble))
        return Known("the bot's key is there; whether it is taken shows only in the group")


def make(options: Options, outside: Outside) -> WeCom:
    """The group that these options name."""
    return WeCom(options, outside)
