"""`kind: webhook`: the message as plain JSON, by POST to any address.

The body is `{"kind", "run", "seq", "at", "target", …}`, `at` in RFC 3339. Every delivery of the same message has the
same `Idempotency-Key`. With a `secret`, `X-Lastgood-Signature` is `sha256=` and the HMAC-SHA256 of the body in hex.
"""

from datetime import UTC, datetime
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.message import Delivered, Delivery, Message
from lastgood.outside.talk import REFERENCE, Talk, Trouble, address, secret, segments
from lastgood.outside.text import state, title
from lastgood.ports import Outside

STATE: Final = False
_NANO: Final = 1_000_000_000


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`url` is the address, or a reference to it where it holds a secret; `token` is sent as a bearer token."""

    url: Annotated[str, msgspec.Meta(pattern=r"^(?:https?://[^\s/@?#]+(/[^\s@#]*)?|(?:env|file|command):.+)$")]
    token: Annotated[str, msgspec.Meta(pattern=REFERENCE)] = ""
    secret: Annotated[str, msgspec.Meta(pattern=REFERENCE)] = ""


class Webhook:
    """One address that takes JSON."""

    def __init__(self, options: Options, outside: Outside) -> None:
        self._options = options
        self._outside = outside

    def deliver(self, message: Message, ref: str, *, again: bool) -> Delivery:  # noqa: ARG002 - the port's signature
        """POST it; any 2xx that is no web page means that it arrived."""
        try:
            talk = self._talk()
            body = msgspec.json.encode(_shown(message, again=again))
            talk.ask("POST", "", body, headers={"Idempotency-Key": f'"{message.key}"', **self._signed(body)})
        except Trouble as trouble:
            return trouble.failed()
        return Delivered(talk.host)

    def check(self) -> Fact[str]:
        """Whether secrets can be had and the host answers at all: a HEAD request, whatever its status."""
        try:
            url = address(self._outside, self._options.url)
            for reference in filter(None, (self._options.token, self._options.secret)):
                secret(self._outside, reference)
        except Trouble as trouble:
            return Unknown(str(trouble))
        # Without the token: to the host it is enough, and HEAD is where a proxy may log what it gets.
        found = self._outside.http.ask(url, method="HEAD")
        host = urlsplit(url).hostname
        return Unknown(f"{host}: {found.reason}") if isinstance(found, Unknown) else Known(f"{host} answers")

    def _talk(self) -> Talk:
        url = address(self._outside, self._options.url)
        hidden = segments(url) if url != self._options.url else ()
        return Talk(self._outside, url, self._options.token, hidden=hidden)

    def _signed(self, body: bytes) -> dict[str, str]:
        if not self._options.secret:
            return {}
        import hmac

        key = secret(self._outside, self._options.secret)
        return {"X-Lastgood-Signature": f"sha256={hmac.new(key.encode(), body, 'sha256').hexdigest()}"}


def _shown(message: Message, *, again: bool) -> dict[str, object]:
    moment = datetime.fromtimestamp(message.at / _NANO, UTC).isoformat(timespec="milliseconds")
    known = msgspec.structs.asdict(message) | {"kind": message.kind.value, "at": moment}
    return known | {"title": title(message), "state": state(message), "key": message.key, "repeated": again}


def make(options: Options, outside: Outside) -> Webhook:
    """The address that these options name."""
    return Webhook(options, outside)
