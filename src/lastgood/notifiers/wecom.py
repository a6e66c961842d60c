"""`kind: wecom`: a group bot of WeCom.

Facts from WeCom's documentation of group bots: POST `/cgi-bin/webhook/send?key=KEY` with `msgtype`; a text has at most
2,048 bytes, and in it `<@user>` calls somebody. It answers 200 with an `errcode` other than 0 where it refuses.
"""

from functools import partial
from typing import Annotated, Final
from urllib.parse import urlencode

import msgspec

from lastgood.outside.bots import Asking, Bot
from lastgood.outside.talk import REFERENCE, URL, secret
from lastgood.ports import Outside

STATE: Final = False
_MOST: Final = 2048


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token` is a reference to the key in the bot's address."""

    token: Annotated[str, msgspec.Meta(pattern=REFERENCE, min_length=1)]
    url: Annotated[str, msgspec.Meta(pattern=URL)] = "https://qyapi.weixin.qq.com"


def make(options: Options, outside: Outside) -> Bot:
    """The group that these options name."""
    return Bot(outside, partial(_asking, options, outside), _MOST)


def _asking(options: Options, outside: Outside, text: str) -> Asking:
    key = secret(outside, options.token)
    place = f"{options.url.rstrip('/')}/cgi-bin/webhook/send?{urlencode({'key': key})}"
    return Asking(place, {"msgtype": "text", "text": {"content": text}}, (key,))
