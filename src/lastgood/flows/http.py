"""`kind: http`: a sequence of requests as a customer's browser would send them, cookies and redirects included.

Cookies are kept by the standard library's jar; redirects are followed as browsers do (RFC 9110, 15.4).
"""

import re
from email.message import Message
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import Request as Asked

import msgspec

from lastgood.model.answers import difference, field, line
from lastgood.model.duration import Duration, spoken
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.flow import FlowRun, failed, passed, untried
from lastgood.model.secretive import concealed
from lastgood.ports import Browser, Response, Stage

if TYPE_CHECKING:
    from http.client import HTTPResponse

_HOPS: Final = 5
_FINE: Final = 200
_MOVING: Final = 300
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_AS_IT_WAS: Final = frozenset({307, 308})
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_REFERENCE: Final = re.compile(r"(?:env|file|command):\S.*", re.DOTALL)
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_RELEASE: Final = ("tag", "digest", "repository")
_LEAST: Final = 4


class Expect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What has to come back: any 2xx where no `status` is said. `json` maps dotted paths to texts, as probes do.

    `url` is what the address has to contain once redirects were followed.
    """

    status: int | None = None
    contains: str = ""
    lacks: str = ""
    json: dict[str, str] = {}
    url: str = ""
    max_latency: Duration | None = None


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request: the method's key gives its path or URL. At most one of `form`, `json` and `body` is sent.

    Values of `headers` and `form`, and the whole `body`, may be references to secrets (`env:NAME`, `file:PATH`,
    `command:ARGV`). `keep` names what later requests may use as `{name}`: a pattern with one group, for the body, or
    `json:PATH`.
    """

    get: str = ""
    post: str = ""
    put: str = ""
    patch: str = ""
    delete: str = ""
    headers: dict[str, str] = {}
    form: dict[str, str] = {}
    json: dict[str, Any] | None = None  # Any: what is sent is the team's
    body: str = ""
    expect: Expect = Expect()
    keep: dict[str, str] = {}
    follow: bool = True

    def __post_init__(self) -> None:
        """Refuse what is no one request. Raises ValueError."""
        if sum(bool(getattr(self, method)) for method in _METHODS) != 1:
            raise ValueError(f"a step has exactly one of {', '.join(_METHODS)}")
        if bool(self.form) + (self.json is not None) + bool(self.body) > 1:
            raise ValueError("at most one of form, json and body is sent")
        for name, pattern in self.keep.items():
            _check_kept(name, pattern)

    @property
    def method(self) -> str:
        """The method, in lower case."""
        return next(method for method in _METHODS if getattr(self, method))

    @property
    def where(self) -> str:
        """The path or URL as it was written."""
        found: str = getattr(self, self.method)
        return found


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`base` is the public address, `timeout` the time that each request may take."""

    base: str
    steps: tuple[Request, ...]
    timeout: Duration = Duration(10)

    def __post_init__(self) -> None:
        """Refuse what could never pass. Raises ValueError."""
        if not self.base.startswith(("http://", "https://")):
            raise ValueError(f"{self.base!r} is not an http:// or https:// URL")
        if not self.steps:
            raise ValueError("name at least one step")
        if self.timeout <= 0:
            raise ValueError("timeout must be longer than nothing")


def _check_kept(name: str, pattern: str) -> None:
    if not _NAME.fullmatch(name) or name in _RELEASE:
        raise ValueError(f"what is kept has a name of its own, of small letters; {name!r} is none")
    if pattern.startswith("json:"):
        return
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"keep.{name} is no pattern: {error}") from error
    if groups != 1:
        raise ValueError(f"keep.{name} needs exactly one group: what is in it is kept")


class HttpFlow:
    """One declared sequence."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def missing(self, _browser: Browser | None) -> str:
        """Nothing: requests need no more than this machine's network."""
        return ""

    def run(self, stage: Stage) -> FlowRun:
        """Take the steps one after the other, up to the first that does not go as it has to."""
        walk, taken = _Walk(self._options, stage), list[str]()
        for request in self._options.steps:
            shown = f"{request.method.upper()} {request.where}"
            try:
                taken.append(f"{shown}: {walk.take(request)}")
            except _NoSecret as error:
                return untried(walk.masked(str(error)))
            except _Wrong as error:
                said = walk.masked(f"{shown}: {error}")
                return failed((*map(walk.masked, taken), said), said, f"{shown}: {error.signature}", walk.last(error))
        return passed(tuple(map(walk.masked, taken)))


class _NoSecret(Exception):
    """A secret that the flow needs cannot be had, so the flow cannot be tried."""


class _Wrong(Exception):
    """A step did not go as it has to; `signature` holds nothing that varies between alike failures."""

    def __init__(self, said: str, signature: str, answer: Response | None = None) -> None:
        super().__init__(said)
        self.signature = signature
        self.answer = answer


class _Headers:
    """As much of an answer as the jar reads."""

    def __init__(self, cookies: tuple[str, ...]) -> None:
        self._message = Message()
        for cookie in cookies:
            self._message["Set-Cookie"] = cookie

    def info(self) -> Message:
        return self._message


class _Walk:
    """One walk through the steps: the cookies, what was kept, and the secrets that must not be shown."""

    def __init__(self, options: Options, stage: Stage) -> None:
        self._options = options
        self._stage = stage
        self._jar = CookieJar()
        self._secrets: set[str] = set()
        image = stage.image
        self._names = {"tag": image.tag, "digest": image.digest, "repository": image.repository}

    def take(self, request: Request) -> str:
        """Send one request and judge the answer; gives what was seen. Raises _Wrong, _NoSecret."""
        url = _joined(self._options.base, self._filled(request.where))
        headers, body = self._content(request)
        final, answer = self._asked(request, url, headers, body)
        self._judge(request.expect, final, answer)
        for name, pattern in request.keep.items():
            self._names[name] = _kept(name, pattern, answer)
        return f"{answer.status} in {answer.elapsed:.2f} s"

    def masked(self, text: str) -> str:
        """The text without the secrets that were sent."""
        return concealed(text, self._secrets)

    def last(self, wrong: _Wrong) -> dict[str, bytes]:
        """The answer that was wrong, as evidence."""
        if wrong.answer is None:
            return {}
        return {"answer.txt": self.masked(wrong.answer.body.decode(errors="replace")).encode()}

    def _filled(self, text: str) -> str:
        """The text with what was kept and the release's own values. Raises _Wrong for what the pin lacks."""
        for name, value in self._names.items():
            mark = f"{{{name}}}"
            if mark in text and not value:
                raise _Wrong(f"the pin has no {name}", f"no {name}")
            text = text.replace(mark, value)
        return text

    def _value(self, text: str) -> str:
        """A value to send: a secret where it is a reference."""
        if not _REFERENCE.fullmatch(text):
            return self._filled(text)
        try:
            found = self._stage.secrets.read(text)
        except OSError as error:
            raise _NoSecret(f"the secret cannot be had: {error}") from error
        if not found:
            raise _NoSecret(f"the secret {line(text)} is not set")
        if len(found) >= _LEAST:
            self._secrets |= {found, urlencode({"": found})[1:]}
        return found

    def _content(self, request: Request) -> tuple[dict[str, str], bytes | None]:
        headers = {name: self._value(value) for name, value in request.headers.items()}
        if request.form:
            form = urlencode({name: self._value(value) for name, value in request.form.items()})
            return {"Content-Type": "application/x-www-form-urlencoded", **headers}, form.encode()
        if request.json is not None:
            sent = msgspec.json.encode(self._document(request.json))
            return {"Content-Type": "application/json", **headers}, sent
        if request.body:
            return headers, self._value(request.body).encode()
        return headers, b"" if request.method in ("post", "put", "patch") else None

    def _document(self, node: object) -> object:
        if isinstance(node, dict):
            return {key: self._document(value) for key, value in node.items()}
        if isinstance(node, list):
            return [self._document(value) for value in node]
        return self._value(node) if isinstance(node, str) else node

    def _asked(self, request: Request, url: str, headers: dict[str, str], body: bytes | None) -> tuple[str, Response]:
        """The answer and the address that gave it, redirects followed."""
        method = request.method.upper()
        for _ in range(_HOPS + 1):
            answer = self._once(url, method, headers, body)
            location = answer.headers.get("location", "")
            if answer.status not in _MOVED or not location or not request.follow:
                return url, answer
            onward = _joined(url, location)
            if answer.status not in _AS_IT_WAS and method != "GET":
                method, body = "GET", None
                headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
            if urlsplit(onward).netloc != urlsplit(url).netloc:
                headers, body = {}, None  # what was meant for one host is no other's business
            url = onward
        raise _Wrong(f"more than {_HOPS} redirects", "redirects")

    def _once(self, url: str, method: str, headers: dict[str, str], body: bytes | None) -> Response:
        asked = Asked(url, method=method)  # noqa: S310 - only the jar reads it: nothing is opened
        self._jar.add_cookie_header(asked)
        cookie = asked.get_header("Cookie")
        found: Fact[Response] = self._stage.http.ask(
            url,
            method=method,
            headers=headers | ({"Cookie": cookie} if cookie else {}),
            timeout=float(self._options.timeout),
            body=body,
        )
        if isinstance(found, Unknown):
            raise _Wrong(f"no answer: {found.reason}", f"no answer: {found.reason}")
        answer: HTTPResponse = _Headers(found.value.cookies)  # type: ignore[assignment] # the jar asks for info() alone
        self._jar.extract_cookies(answer, asked)
        return found.value

    def _judge(self, expect: Expect, url: str, answer: Response) -> None:
        """Raise _Wrong where the answer is not what is expected."""
        if not (_FINE <= answer.status < _MOVING if expect.status is None else answer.status == expect.status):
            wanted = "" if expect.status is None else f", not {expect.status}"
            said = line(answer.headers.get("location", "") or answer.body.decode(errors="replace"))
            raise _Wrong(f"{answer.status}{wanted}: {said}".rstrip(": "), str(answer.status), answer)
        if expect.url and self._filled(expect.url) not in url:
            raise _Wrong(f"it led to {line(url)}, not to {line(expect.url)}", "url", answer)
        self._judge_body(expect, answer)
        if expect.max_latency is not None and answer.elapsed > expect.max_latency:
            limit = spoken(expect.max_latency)
            raise _Wrong(f"{answer.status}, but in {answer.elapsed:.2f} s; the limit is {limit}", "slow", answer)

    def _judge_body(self, expect: Expect, answer: Response) -> None:
        text = answer.body.decode(errors="replace")
        if expect.contains and self._filled(expect.contains) not in text:
            raise _Wrong(f"{answer.status}, but without {line(expect.contains)!r}", "contains", answer)
        if expect.lacks and self._filled(expect.lacks) in text:
            raise _Wrong(f"{answer.status}, but with {line(expect.lacks)!r}", "lacks", answer)
        if not expect.json:
            return
        document = _json(answer)
        if isinstance(document, Unknown):
            raise _Wrong(f"{answer.status}, but not JSON: {line(text)}", "not json", answer)
        for path, wanted in expect.json.items():
            wrong = difference(document.value, path, self._filled(wanted))
            if wrong:
                raise _Wrong(f"{answer.status}, but {wrong}", f"json {path}", answer)


def _joined(base: str, place: str) -> str:
    """The address of a place, which an answer may have named. Raises _Wrong where that is none that can be asked."""
    try:
        found = urljoin(base, place)
        parts = urlsplit(found)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _Wrong(f"{line(place)} is no web address", "no web address")
    return found


def _json(answer: Response) -> Fact[object]:
    try:
        return Known(msgspec.json.decode(answer.body))
    except msgspec.DecodeError as error:
        return Unknown(str(error))


def _kept(name: str, pattern: str, answer: Response) -> str:
    """What a later request needs of this answer. Raises _Wrong where it is not there."""
    if pattern.startswith("json:"):
        document = _json(answer)
        value = field(document.value, pattern.removeprefix("json:")) if isinstance(document, Known) else None
    else:
        found = re.search(pattern, answer.body.decode(errors="replace"))
        value = found[1] if found else None
    if not value:
        raise _Wrong(f"{answer.status}, but there is no {name} to keep", f"keep {name}", answer)
    return value


def make(options: Options) -> HttpFlow:
    """The flow for these options."""
    return HttpFlow(options)
