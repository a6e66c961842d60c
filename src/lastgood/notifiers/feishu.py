r"""`kind: feishu`: a group bot of Feishu, or of Lark with `url: https://open.larksuite.com`.

Facts from Feishu's documentation of custom bots: POST `/open-apis/bot/v2/hook/TOKEN` with `msg_type` and `content`;
where the bot signs, `timestamp` in seconds and `sign`, the base64 of an HMAC-SHA256 over nothing with the key
`TIMESTAMP\nSECRET`. It answers 200 with a `code` other than 0 where it refuses.
"""

import base64
import hmac
from typing import Annotated, Final

import msgspec

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.message import Delivery, Message
from lastgood.outside.bots import accepted, words
from lastgood.outside.talk import REFERENCE, URL, Talk, Trouble, secret
from lastgood.ports import Outside

STATE: Final = False
_NANO: Final = 1_000_000_000
_MOST: Final = 15_000
"""Bytes; the bot takes requests of 20 KB."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token` is a reference to the last part of the bot's address, `secret` one to what it signs with."""

    token: Annotated[str, msgspec.Meta(pattern=REFERENCE, min_length=1)]
    secret: Annotated[str, msgspec.Meta(pattern=REFERENCE)] = ""
    url: Annotated[str, msgspec.Meta(pattern=URL)] = "https://open.feishu.cn"


class Feishu:
    """One group."""

    def __init__(self, options: Options, outside: Outside) -> None:
        self._options = options
        self._outside = outside

    def deliver(self, message: Message, ref: str, *, again: bool) -> Delivery:  # noqa: ARG002 - the port's signature
        """Say it in the group."""
        try:
            token = self._token()
            place = f"{self._options.url.rstrip('/')}/open-apis/bot/v2/hook/{token}"
            talk = Talk(self._outside, place, hidden=(token,))
            content = {"msg_type": "text", "content": {"text": words(message, _MOST, again=again)}}
            return accepted(talk, talk.ask("POST", "", content | self._signed()))
        except Trouble as trouble:
            return trouble.failed()

    def check(self) -> Fact[str]:
        """Whether the secrets can be had; a bot has no question that its group does not see."""
        try:
            self._token()
            self._signed()
        except Trouble as trouble:
            return Unknown(str(trouble))
        return Known("the bot's secrets are there; whether it takes them shows only in the group")

    def _token(self) -> str:
        return secret(self._outside, self._options.token)

    def _signed(self) -> dict[str, str]:
        if not self._options.secret:
            return {}
        moment = str(self._outside.now // _NANO)
        key = f"{moment}\n{secret(self._outside, self._options.secret)}".encode()
        return {"timestamp": moment, "sign": base64.b64encode(hmac.new(key, b"", "sha256").digest()).decode()}


def make(options: Options, outside: Outside) -> Feishu:
    """The group that these options name."""
    return Feishu(options, outside)
