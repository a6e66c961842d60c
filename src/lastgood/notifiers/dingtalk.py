r"""`kind: dingtalk`: a group bot of DingTalk.

Facts from DingTalk's documentation of custom bots: POST `/robot/send?access_token=TOKEN` with `msgtype`; where the bot
signs, `timestamp` in milliseconds and `sign`, the base64 of an HMAC-SHA256 over `TIMESTAMP\nSECRET` with the secret.
It answers 200 with an `errcode` other than 0 where it refuses. Somebody is called only by what stands in `at`.
"""

import base64
import hmac
from functools import partial
from typing import Annotated, Final
from urllib.parse import urlencode

import msgspec

from lastgood.outside.bots import Asking, Bot
from lastgood.outside.talk import REFERENCE, URL, secret
from lastgood.ports import Outside

STATE: Final = False
_MILLI: Final = 1_000_000
_MOST: Final = 9_000
"""Bytes; the bot takes 20,000, and in JSON a quotation mark takes two."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token` is a reference to the bot's access token, `secret` one to what it signs with, where it does."""

    token: Annotated[str, msgspec.Meta(pattern=REFERENCE, min_length=1)]
    secret: Annotated[str, msgspec.Meta(pattern=REFERENCE)] = ""
    url: Annotated[str, msgspec.Meta(pattern=URL)] = "https://oapi.dingtalk.com"


def make(options: Options, outside: Outside) -> Bot:
    """The group that these options name."""
    return Bot(outside, partial(_asking, options, outside), _MOST)


def _asking(options: Options, outside: Outside, text: str) -> Asking:
    login = _login(options, outside)
    place = f"{options.url.rstrip('/')}/robot/send?{urlencode(login)}"
    content = {"msgtype": "text", "text": {"content": text}, "at": {"isAtAll": False}}
    return Asking(place, content, (login["access_token"], login.get("sign", "")))


def _login(options: Options, outside: Outside) -> dict[str, str]:
    token = {"access_token": secret(outside, options.token)}
    if not options.secret:
        return token
    moment, key = str(outside.now // _MILLI), secret(outside, options.secret)
    sign = hmac.new(key.encode(), f"{moment}\n{key}".encode(), "sha256").digest()
    return token | {"timestamp": moment, "sign": base64.b64encode(sign).decode()}
