r"""`kind: dingtalk`: a group bot of DingTalk.

Facts from DingTalk's documentation of custom bots: POST `/robot/send?access_token=TOKEN` with `msgtype`; where the bot
signs, `timestamp` in milliseconds and `sign`, the base64 of an HMAC-SHA256 over `TIMESTAMP\nSECRET` with the secret.
It answers 200 with an `errcode` other than 0 where it refuses. Somebody is called only by what stands in `at`.
"""

import base64
import hmac
from typing import Annotated, Final
from urllib.parse import urlencode

import msgspec

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.message import Delivery, Message
from lastgood.outside.bots import accepted, words
from lastgood.outside.talk import REFERENCE, URL, Talk, Trouble, secret
from lastgood.ports import Outside

STATE: Final = False
_MILLI: Final = 1_000_000
_MOST: Final = 15_000
"""Bytes; the bot takes 20,000."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token` is a reference to the bot's access token, `secret` one to what it signs with, where it does."""

    token: Annotated[str, msgspec.Meta(pattern=REFERENCE, min_length=1)]
    secret: Annotated[str, msgspec.Meta(pattern=REFERENCE)] = ""
    url: Annotated[str, msgspec.Meta(pattern=URL)] = "https://oapi.dingtalk.com"


class DingTalk:
    """One group."""

    def __init__(self, options: Options, outside: Outside) -> None:
        self._options = options
        self._outside = outside

    def deliver(self, message: Message, ref: str, *, again: bool) -> Delivery:  # noqa: ARG002 - the port's signature
        """Say it in the group; nobody is called."""
        try:
            login = self._login()
            place = f"{self._options.url.rstrip('/')}/robot/send?{urlencode(login)}"
            talk = Talk(self._outside, place, hidden=(login["access_token"], login.get("sign", "")))
            text = words(message, _MOST, again=again)
            content = {"msgtype": "text", "text": {"content": text}, "at": {"isAtAll": False}}
            return accepted(talk, talk.ask("POST", "", content))
        except Trouble as trouble:
            return trouble.failed()

    def check(self) -> Fact[str]:
        """Whether the secrets can be had; a bot has no question that its group does not see."""
        try:
            self._login()
        except Trouble as trouble:
            return Unknown(str(trouble))
        return Known("the bot's secrets are there; whether it takes them shows only in the group")

    def _login(self) -> dict[str, str]:
        token = {"access_token": secret(self._outside, self._options.token)}
        if not self._options.secret:
            return token
        moment, key = str(self._outside.now // _MILLI), secret(self._outside, self._options.secret)
        sign = hmac.new(key.encode(), f"{moment}\n{key}".encode(), "sha256").digest()
        return token | {"timestamp": moment, "sign": base64.b64encode(sign).decode()}


def make(options: Options, outside: Outside) -> DingTalk:
    """The group that these options name."""
    return DingTalk(options, outside)
