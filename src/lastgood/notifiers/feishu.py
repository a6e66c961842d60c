r"""`kind: feishu`: a group bot of Feishu, or of Lark with `url: https://open.larksuite.com`.

Facts from Feishu's documentation of custom bots: POST `/open-apis/bot/v2/hook/TOKEN` with `msg_type` and `content`;
where the bot signs, `timestamp` in seconds and `sign`, the base64 of an HMAC-SHA256 over nothing with the key
`TIMESTAMP\nSECRET`. It answers 200 with a `code` other than 0 where it refuses.
"""

import base64
import hmac
from functools import partial
from typing import Annotated, Final

import msgspec

from lastgood.outside.bots import Asking, Bot
from lastgood.outside.talk import REFERENCE, URL, secret
from lastgood.ports import Outside

STATE: Final = False
_NANO: Final = 1_000_000_000
_MOST: Final = 9_000
"""Bytes; the bot takes requests of 20 KB, and in JSON a quotation mark takes two."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token` is a reference to the last part of the bot's address, `secret` one to what it signs with."""

    token: Annotated[str, msgspec.Meta(pattern=REFERENCE, min_length=1)]
    secret: Annotated[str, msgspec.Meta(pattern=REFERENCE)] = ""
    url: Annotated[str, msgspec.Meta(pattern=URL)] = "https://open.feishu.cn"


def make(options: Options, outside: Outside) -> Bot:
    """The group that these options name."""
    return Bot(outside, partial(_asking, options, outside), _MOST)


def _asking(options: Options, outside: Outside, text: str) -> Asking:
    token = secret(outside, options.token)
    content = {"msg_type": "text", "content": {"text": text}, **_signed(options, outside)}
    return Asking(f"{options.url.rstrip('/')}/open-apis/bot/v2/hook/{token}", content, (token,))


def _signed(options: Options, outside: Outside) -> dict[str, str]:
    if not options.secret:
        return {}
    moment = str(outside.now // _NANO)
    key = f"{moment}\n{secret(outside, options.secret)}".encode()
    return {"timestamp": moment, "sign": base64.b64encode(hmac.new(key, b"", "sha256").digest()).decode()}
