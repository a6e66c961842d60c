"""Asking a service outside by HTTP: a token that goes to it alone, and in plain words why it did not work.

A page of HTML is never an answer and a redirect is never followed: both are what a login page, a captive portal or a
proxy give in place of the service. Whether something may have arrived is kept apart from what certainly did not.
"""

import base64
import ipaddress
import re
from typing import Final, TypeVar
from urllib.parse import quote, unquote, urlsplit

import msgspec

from lastgood.model.facts import Unknown
from lastgood.model.message import Failed
from lastgood.model.text import sanitise
from lastgood.ports import Outside, Response

T = TypeVar("T")

REFERENCE: Final = r"^(?:(?:env|file|command):.+)?$"
"""What a secret's reference looks like, or nothing."""
URL: Final = r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$"
"""An address without a login, a query or anything else that may be a secret."""

_TIMEOUT: Final = 10.0
_SAID: Final = 200
_SURELY_NOT: Final = (
    "connection refused",
    "the name ",
    "certificate",
    "TLS",
    "the URL ",
    "there was no time",
    "no route",
)
_LOCAL: Final = (".local", ".internal", ".lan", ".home.arpa", ".localhost")
_SURE: Final = frozenset({501, 503})  # it says that it did nothing
_LONGEST: Final = 3600.0
_MINUTE: Final = 60.0
_SHORTEST: Final = 6
_NANO: Final = 1_000_000_000


class Trouble(Exception):
    """Why it did not work. `status` and `code` are the other side's, 0 where it said none; `said` are its words."""

    def __init__(  # noqa: PLR0913 - what is known of it
        self, reason: str, *, status: int = 0, code: int = 0, said: str = "", doubtful: bool = False, again: float = 0.0
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code
        self.said = said
        self.doubtful = doubtful
        self.again = again

    def failed(self) -> Failed:
        """As what became of a delivery."""
        return Failed(str(self), self.doubtful, self.again)


class _Said(msgspec.Struct):
    """The ways in which services say what is wrong; RFC 9457 has `title` and `detail`."""

    message: str = ""
    msg: str = ""
    detail: str = ""
    title: str = ""
    error: str = ""
    code: int | str = 0
    errors: msgspec.Raw = msgspec.Raw(b"[]")


class _Fault(msgspec.Struct):
    """One of several errors, as Cloudflare has them."""

    message: str = ""
    code: int | str = 0


class Talk:
    """One service at the address `base`, asked with the bearer token that `reference` names.

    `hidden` are secrets in the address itself, which must not come back in what the service says of it. The token goes
    into a `header` of its own where one is named, and is the password of `user` where there is one (RFC 7617).
    `timeout` bounds each answer, in seconds.
    """

    def __init__(  # noqa: PLR0913 - how a service is talked to
        self,
        outside: Outside,
        base: str,
        reference: str = "",
        *,
        user: str = "",
        hidden: tuple[str, ...] = (),
        header: str = "",
        timeout: float = _TIMEOUT,
    ) -> None:
        self._outside = outside
        self._header = header
        self._timeout = timeout
        self._base = base
        self._reference = reference
        self._user = user
        self._hidden = (base, *hidden)
        self._secret: str | None = None
        self.host = urlsplit(self._base).hostname or "the address"

    def ask(
        self,
        method: str,
        path: str,
        content: object = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        """One request with `content` as JSON, or `raw`; the answer where it is a success. Raises Trouble."""
        given = {"Accept": "application/json", **self._login(), **(headers or {})}
        body = raw
        if content is not None:
            body = content if isinstance(content, bytes) else msgspec.json.encode(content)
            given = {"Content-Type": "application/json"} | given
        writing = method not in {"GET", "HEAD"}
        url = f"{self._base.rstrip('/')}{path}" if path else self._base
        found = self._outside.http.ask(url, method=method, headers=given, timeout=self._timeout, body=body)
        if isinstance(found, Unknown):
            surely_not = not writing or found.reason.startswith(_SURELY_NOT)
            raise Trouble(f"{self.host}: {found.reason}", doubtful=not surely_not)
        return self._good(found.value, writing=writing)

    def read(self, answer: Response, kind: type[T]) -> T:
        """The answer's JSON as a `kind`. Raises Trouble."""
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except msgspec.MsgspecError:
            said = "answered with something that is not what its API says; is it a proxy, or another service?"
            raise Trouble(f"{self.host} {said}", status=answer.status, doubtful=True) from None

    def clean(self, text: str) -> str:
        """Words of the other side, short and fit to show, without our secret, which an error may quote as it came."""
        known = [each for each in (self._secret or "", self._basic(), *self._hidden) if each]
        forms = {form for one in known for form in (one, quote(one, safe=""), unquote(one))}
        for each in sorted(forms, key=len, reverse=True):
            text = text.replace(each, "***")
        return sanitise(text[:_SAID])

    def _login(self) -> dict[str, str]:
        if not self._reference:
            return {}
        if self._secret is None:
            self._secret = secret(self._outside, self._reference)
            if not self._base.startswith("https://") and not near(self.host):
                raise Trouble(f"the token is not sent to {self.host}, which is neither https nor in a private network")
        if self._header:
            return {self._header: self._secret}
        return {"Authorization": f"Basic {self._basic()}" if self._user else f"Bearer {self._secret}"}

    def _basic(self) -> str:
        return base64.b64encode(f"{self._user}:{self._secret}".encode()).decode() if self._user else ""

    def _good(self, answer: Response, *, writing: bool) -> Response:
        kind = answer.headers.get("content-type", "").lower()
        if answer.status // 100 == 3:  # noqa: PLR2004 - RFC 9110: redirects
            said = f"redirects elsewhere ({answer.status}), perhaps to a login"
            raise Trouble(f"{self.host} {said}", status=answer.status, doubtful=writing)
        if answer.status // 100 != 2:  # noqa: PLR2004 - RFC 9110: the success statuses
            raise self._refused(answer, writing=writing)
        if "html" in kind or answer.body.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
            said = "answered with a web page, perhaps a login"
            raise Trouble(f"{self.host} {said}", status=answer.status, doubtful=writing)
        return answer

    def _refused(self, answer: Response, *, writing: bool) -> Trouble:
        said, code = self._words(answer)
        doubtful = writing and answer.status // 100 == 5 and answer.status not in _SURE  # noqa: PLR2004 - as above
        again = _wait(answer, said, self._outside.now)
        colon = f": {said}" if said else ""
        words = {401: "refused the login", 403: "does not allow it", 404: "has no such thing, or we may not see it"}
        reason = f"{self.host} {words.get(answer.status, 'answered')} ({answer.status}){colon}"
        return Trouble(reason, status=answer.status, code=code, said=said, doubtful=doubtful, again=again)

    def _words(self, answer: Response) -> tuple[str, int]:
        """The words and number of an error document, or of plain text; nothing of a page that is none."""
        try:
            found = msgspec.json.decode(answer.body, type=_Said | str)
        except msgspec.MsgspecError:
            plain = answer.headers.get("content-type", "").lower().startswith("text/plain")
            return self.clean(answer.body.decode(errors="replace").strip().split("\n")[0]) if plain else "", 0
        if isinstance(found, str):
            return self.clean(found), 0
        number = found.code if isinstance(found.code, int) else 0
        said = "; ".join(filter(None, (found.message or found.msg or found.title, found.detail, found.error)))
        return self.clean(said or _faults(found.errors)), number


def _faults(errors: msgspec.Raw) -> str:
    """The words of a list of errors; nothing where it is made in another way."""
    try:
        found = msgspec.json.decode(errors, type=list[_Fault])
    except msgspec.MsgspecError:
        return ""
    return "; ".join(f"{one.message} ({one.code})" for one in found)


def check_login(user: str, reference: str) -> None:
    """Refuse a user's name without a password. Raises ValueError."""
    if user and not reference:
        raise ValueError("user needs token, a reference to the password")


def secret(outside: Outside, reference: str) -> str:
    """The secret that a reference names. Raises Trouble, which names the reference only."""
    shown = sanitise(reference)
    try:
        found = outside.secrets.read(reference)
    except OSError as error:
        raise Trouble(f"the secret cannot be had: {error}") from error
    if not found:
        raise Trouble(f"the secret {shown} is not set")
    if not re.fullmatch(r"[\x21-\x7e]+", found):  # a header or an address must not be split by what a file holds
        raise Trouble(f"{shown} gives something that is neither a token nor an address")
    return found


def address(outside: Outside, given: str) -> str:
    """An address, which may itself be a reference, because it holds a secret. Raises Trouble, without the address."""
    if not given.startswith(("env:", "file:", "command:")):
        return given
    found = secret(outside, given)
    if not re.match(r"https?://[^\s/@?#]+", found):
        raise Trouble(f"{sanitise(given)} does not give an address (https://…)")
    return found


def near(host: str) -> bool:
    """Whether a host is this machine or in a private network, as far as its name tells."""
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_LOCAL)
    return number.is_private or number.is_loopback


def _wait(answer: Response, said: str, now: int) -> float:
    """The seconds that `Retry-After` asks for (RFC 9110, 10.2.3), 0 for its other form, a date; or what stands for it.

    Feishu has a header of its own ("Rate limits"). GitHub answers 403 or 429: with a moment in Unix seconds where the
    limit is used up, and where it says nothing, of its secondary limits, there is a minute to be waited ("Best
    practices for using the REST API").
    """
    after = answer.headers.get("retry-after") or answer.headers.get("x-ogw-ratelimit-reset", "")
    reset = answer.headers.get("x-ratelimit-reset", "")
    if re.fullmatch(r"\d{1,6}", after):
        return min(float(after), _LONGEST)
    if answer.headers.get("x-ratelimit-remaining") == "0" and re.fullmatch(r"\d{1,12}", reset):
        return min(max(0.0, int(reset) - now / _NANO), _LONGEST)
    return _MINUTE if "rate limit" in said.lower() else 0.0


def segments(url: str) -> tuple[str, ...]:
    """The parts of an address that holds a secret, any of which the other side may quote; short ones are words."""
    inside = urlsplit(url)
    whole = (inside.path.strip("/"), inside.query)
    parts = re.split(r"[/&=]", f"{inside.path}&{inside.query}")
    return (*whole, *(part for part in parts if len(part) >= _SHORTEST))
