"""Apprise as a library: mail, chats and a hundred more, each by its URL, without a server between.

Facts from the source of apprise 2.3 (BSD-2): `Apprise.instantiate(url)` gives a plugin, or None for a URL that it does
not know; `plugin.notify` answers a bool, and says why in its log alone; its requests take `socket_connect_timeout` and
`socket_read_timeout`, and SMTP takes the first for each of its answers; its plugins for Feishu, Lark, DingTalk and
WeCom say True where the bot refused (it answers 200). `Apprise.notify` would use a pool of threads, for which Python
waits at its end, however long one hangs: so plugins are asked one by one.
"""

import contextlib
import hashlib
import logging
import re
import smtplib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import msgspec

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.message import Delivered, Delivery, Failed, Message
from lastgood.model.text import sanitise
from lastgood.outside.talk import Trouble, secret
from lastgood.outside.text import chat, fitted, title, weight
from lastgood.ports import Outside

if TYPE_CHECKING:
    from apprise import NotifyBase
    from apprise.plugins.email import NotifyEmail

_OWN: Final = {"feishu": "feishu", "lark": "feishu", "dingtalk": "dingtalk", "wecombot": "wecom"}
"""Schemas of bots that are kinds of their own here, and these."""
_SHORTEST: Final = 4
"""Parts of a URL shorter than this are no secrets, and would be found in any text."""
_LEAST: Final = 80
"""Bytes of a text that say anything."""
_LONGEST: Final = 10.0
_REASON: Final = 200
_SURELY_NOT: Final = re.compile(
    r"Connection refused|Name or service not known|No route to host|\(5\d\d, |was refused: 5\d\d|Authentication"
)
_LOGGING: Final = threading.Lock()


class _Arrived(msgspec.Struct):
    """Whom a message reached so far, by a hash of their URLs: nobody gets it again because another did not."""

    key: str
    urls: list[str]


class Library:
    """Those whom these references to URLs reach."""

    def __init__(self, references: Sequence[str], outside: Outside) -> None:
        self._references = references
        self._outside = outside

    def deliver(self, message: Message, ref: str, *, again: bool) -> Delivery:
        """Tell all of them who have not been told yet; delivered once all have."""
        arrived = _arrived(message, ref)
        end = time.monotonic() + min(self._outside.seconds, _LONGEST)
        names, troubles = [], []
        for reference in self._references:
            try:
                url = secret(self._outside, reference)
                plugin = _plugin(reference, url)
                if (mark := hashlib.sha256(url.encode()).hexdigest()[:16]) not in arrived.urls:
                    _tell(plugin, url, message, end, again=again)
                    arrived.urls.append(mark)
                names.append(str(plugin.service_name))
            except Trouble as trouble:
                troubles.append(trouble)
        kept = msgspec.json.encode(arrived).decode()
        if not troubles:
            return Delivered(", ".join(names), kept)
        said = "; ".join(map(str, troubles)) + (f"; {', '.join(names)} took it" if names else "")
        return Failed(said, any(trouble.doubtful for trouble in troubles), ref=kept if arrived.urls else "")

    def check(self) -> Fact[str]:
        """Whether each URL can be had and is understood; a mail server is asked whether it lets us in."""
        names = []
        try:
            for reference in self._references:
                url = secret(self._outside, reference)
                plugin = _plugin(reference, url)
                mail = _mail(plugin)
                names.append(f"{plugin.service_name}{_logs_in(mail, url) if mail else ''}")
        except Trouble as trouble:
            return Unknown(str(trouble))
        return Known(f"{', '.join(names)}: understood; whether they take a message shows only when they get one")


def _arrived(message: Message, ref: str) -> _Arrived:
    with contextlib.suppress(msgspec.MsgspecError):
        known = msgspec.json.decode(ref or "{}", type=_Arrived)
        if known.key == message.key:
            return known
    return _Arrived(message.key, [])


def _plugin(reference: str, url: str) -> "NotifyBase":
    """What a URL stands for. Raises Trouble, which never names the URL."""
    with _quiet():
        try:
            import apprise
        except ImportError as error:
            raise Trouble("the library apprise is not installed: pip install 'lastgood[apprise]'") from error
        asset = apprise.AppriseAsset(storage_mode="memory", secure_logging=True)
        asset.app_id, asset.app_desc, asset.app_url = "lastgood", "lastgood", ""
        found = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if found is None:
        raise Trouble(f"what {sanitise(reference)} gives is no URL that apprise knows")
    if kind := next((own for schema, own in _OWN.items() if schema in _schemas(found)), ""):
        said = f"apprise says that it was told even where this bot refuses; use a notifier of `kind: {kind}`"
        raise Trouble(f"{sanitise(reference)} is for {found.service_name}: {said}")
    return found


def _schemas(plugin: "NotifyBase") -> set[str]:
    """What its URLs may begin with: a plugin has one word, several, or none for each of both forms."""
    both: tuple[object, ...] = (plugin.protocol, plugin.secure_protocol)
    words = (one if isinstance(one, list | tuple | set | frozenset) else (one,) for one in both)
    return {str(word) for several in words for word in several}


def _mail(plugin: "NotifyBase") -> "NotifyEmail | None":
    from apprise.plugins.email import NotifyEmail

    return plugin if isinstance(plugin, NotifyEmail) else None


def _tell(plugin: "NotifyBase", url: str, message: Message, end: float, *, again: bool) -> None:
    """Tell one. Raises Trouble."""
    from apprise import NotifyFormat, NotifyType

    left = end - time.monotonic()
    if left <= 0:
        raise Trouble(f"{plugin.service_name}: there was no time left to tell")
    plugin.socket_connect_timeout = min(plugin.socket_connect_timeout, left)
    plugin.socket_read_timeout = min(plugin.socket_read_timeout, left)
    mail = _mail(plugin)
    if mail:
        mail.headers |= _headers(message)
    first = "(perhaps told already)\n" if again else ""
    # In mail nothing is a mention, and what is to be typed has to stay what it is.
    safe: Callable[[str], str] = str if mail else chat
    head = safe(title(message))
    # apprise hands on what is too long, and most services refuse it; where there is no title it stands in the text.
    most = max(plugin.body_maxlen - len(head.encode()) - 2, _LEAST)
    shown = fitted(message, most, lambda text: safe(first + text))
    kind = NotifyType(weight(message))
    with _quiet() as said:
        taken = plugin.notify(body=shown, title=head, notify_type=kind, body_format=NotifyFormat.TEXT)
    if not taken:
        raise _refused(plugin, url, said)


def _headers(message: Message) -> dict[str, str]:
    """That no program answers it (RFC 3834), which message it is, and one thread for each run (RFC 5322, 3.6.4)."""
    key = re.sub(r"[^\w./-]", "_", message.key, flags=re.ASCII)
    run = re.sub(r"[^\w.-]", "_", message.run, flags=re.ASCII)
    return {"Auto-Submitted": "auto-generated", "X-Lastgood-Message": key, "References": f"<{run}@lastgood.invalid>"}


def _refused(plugin: "NotifyBase", url: str, said: Sequence[str]) -> Trouble:
    """Why it was not taken, in apprise's words without any part of the URL."""
    words = _cleaned("; ".join(dict.fromkeys(said)), url)
    doubtful = not _SURELY_NOT.search(words)
    return Trouble(
        f"{plugin.service_name} did not take it: {words[:_REASON] or 'apprise does not say why'}", doubtful=doubtful
    )


def _cleaned(text: str, url: str) -> str:
    parts = {unquote(part) for part in re.split(r"[:/@?&=#,;]+", url)} | set(re.split(r"[:/@?&=#,;]+", url))
    for part in sorted((one for one in parts if len(one) >= _SHORTEST), key=len, reverse=True):
        text = text.replace(part, "***")
    return sanitise(text)


def _logs_in(plugin: "NotifyEmail", url: str) -> str:
    """Connect to a mail server as a message would, and leave. Raises Trouble."""
    from apprise.plugins.email.smtp import AppriseSMTPController

    try:
        with (
            _quiet(),
            AppriseSMTPController(
                host=plugin.smtp_host,
                port=plugin.port or 0,
                secure_mode=plugin.secure_mode or "",
                user=plugin.user,
                password=plugin.password,
                verify_certificate=plugin.verify_certificate,
                socket_connect_timeout=_SHORTEST,
            ),
        ):
            return " (the server lets us in)"
    except (OSError, smtplib.SMTPException, RuntimeError) as error:
        raise Trouble(
            f"{plugin.service_name}: the server does not let us in: {_cleaned(str(error), url)[:_REASON]}"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[list[str]]:
    """What apprise says in its log meanwhile, which goes nowhere else: it may name what is secret."""
    log, said = logging.getLogger("apprise"), list[str]()
    mine = threading.get_ident()

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            if record.thread == mine and (record.levelno >= logging.WARNING or text.startswith("Socket Exception")):
                said.append(text.removeprefix("Socket Exception: "))

    handler = Heard()
    with _LOGGING:
        log.propagate = False
        log.setLevel(logging.DEBUG)
        log.addHandler(handler)
    try:
        yield said
    finally:
        with _LOGGING:
            log.removeHandler(handler)
            if not log.handlers:
                log.addHandler(logging.NullHandler())
