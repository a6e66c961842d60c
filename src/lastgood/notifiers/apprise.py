"""`kind: apprise`: mail, chats and a hundred more, by the library, or by an Apprise API server that passes messages on.

The library is in `_apprise_library`; here is the server.

Facts from the README of caronc/apprise-api and its source: POST `/notify/KEY` answers 204 where the key has no
configuration, and 424 where one or more of its services did not take the message. GET `/json/urls/KEY?privacy=1` lists
the services with their secrets masked. The library itself says success where the bots of Feishu, DingTalk and WeCom
refuse, so these are kinds of their own here.
"""

from typing import Annotated, Final

import msgspec

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.message import Delivered, Delivery, Message
from lastgood.outside.talk import REFERENCE, URL, Talk, Trouble, secret
from lastgood.outside.text import chat, plain, title, weight
from lastgood.ports import Notifier, Outside

STATE: Final = False
_NOTHING: Final = 204
_PARTLY: Final = 424


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`urls` are references to Apprise URLs, for the library.

    Else `url` is the server's address, `key` its configuration's name or a reference to it, `tag` one of its tags.
    """

    url: Annotated[str, msgspec.Meta(pattern=URL)] = ""
    key: Annotated[str, msgspec.Meta(pattern=r"^(?:[A-Za-z0-9_-]{1,64}|(?:env|file|command):.+)$")] = ""
    tag: str = ""
    token: Annotated[str, msgspec.Meta(pattern=REFERENCE)] = ""
    urls: tuple[Annotated[str, msgspec.Meta(pattern=REFERENCE, min_length=1)], ...] = ()

    def __post_init__(self) -> None:
        """Refuse both ways at once, and half of one. Raises ValueError."""
        if self.urls and (self.url or self.key or self.tag or self.token):
            raise ValueError("urls goes with nothing else: the library asks no Apprise server")
        if not self.urls and not (self.url and self.key):
            raise ValueError("urls is missing, or url and key of an Apprise server")


class _Service(msgspec.Struct):
    tags: list[str] = []


class _Listed(msgspec.Struct):
    tags: list[str] = []
    urls: list[_Service] = []


class Apprise:
    """One configuration of an Apprise API server."""

    def __init__(self, options: Options, outside: Outside) -> None:
        self._options = options
        self._outside = outside
        self._talk = Talk(outside, options.url, options.token)

    def deliver(self, message: Message, ref: str, *, again: bool) -> Delivery:  # noqa: ARG002 - the port's signature
        """Hand it to the server, as plain text; the server tells whether all of its services took it."""
        try:
            said = ("(perhaps told already)\n" if again else "") + plain(message)
            content = {"title": chat(title(message)), "body": chat(said), "type": weight(message), "format": "text"}
            tag = {"tag": self._options.tag} if self._options.tag else {}
            answer = self._talk.ask("POST", f"/notify/{self._key()}", content | tag)
        except Trouble as trouble:
            if trouble.status == _PARTLY:
                return Trouble(f"{trouble}; some of its services did not take it", doubtful=True).failed()
            return trouble.failed()
        if answer.status == _NOTHING:
            return Trouble(f"{self._talk.host} has no configuration of that key, or nothing with that tag").failed()
        return Delivered(self._talk.host)

    def check(self) -> Fact[str]:
        """Whether the server has the key, and a service for the tag."""
        try:
            answer = self._talk.ask("GET", f"/json/urls/{self._key()}?privacy=1")
            found = _Listed() if answer.status == _NOTHING else self._talk.read(answer, _Listed)
        except Trouble as trouble:
            return Unknown(str(trouble))
        tag = self._options.tag
        told = [one for one in found.urls if not tag or tag in one.tags]
        if not told:
            return Unknown(f"{self._talk.host} has no service for that key" + (f" and tag {tag}" if tag else ""))
        return Known(f"{self._talk.host} passes on to {len(told)} services; whether they take it shows when they do")

    def _key(self) -> str:
        key = self._options.key
        return secret(self._outside, key) if ":" in key else key


def make(options: Options, outside: Outside) -> Notifier:
    """The server and key, or the URLs, that these options name."""
    if options.urls:
        from lastgood.notifiers._apprise_library import Library

        return Library(options.urls, outside)
    return Apprise(options, outside)
