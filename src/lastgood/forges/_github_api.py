"""One conversation with GitHub's API: who we are, redirects, pages, GraphQL, and what went wrong in plain words.

Facts from docs.github.com: "Getting started with the REST API", "Best practices for using the REST API" (redirects),
"Rate limits for the REST API", "Using pagination in the REST API", "Forming calls with GraphQL".
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, TypeVar
from urllib.parse import quote, urlencode, urljoin, urlsplit

import msgspec

from lastgood.model.facts import Unknown
from lastgood.model.text import sanitise
from lastgood.ports import Line, Response

T = TypeVar("T")

# The newest version that GitHub Enterprise Server knows as well; `merge_commit_sha`, which the next one lacks, is
# not read here.
_VERSION: Final = "2022-11-28"
_TIMEOUT: Final = 10.0
_HOPS: Final = 3
_PAGES: Final = 100
_DEFAULTS: Final = ("env:GITHUB_TOKEN", "env:GH_TOKEN")
_MOVED: Final = frozenset({301, 302, 307, 308})
_REPEATED: Final = frozenset({307, 308})  # the others may turn a POST into a GET
_LOOPBACK: Final = re.compile(r"http://(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?(?:/|$)")
_NEXT: Final = re.compile(r'<([^<>]*)>\s*;[^,]*\brel="?next"?')
_FORBIDDEN: Final = 403
_TOO_MANY: Final = 429


class Trouble(Exception):
    """Why GitHub could not be asked, or said no. The text becomes the reason of an Unknown; `said` is GitHub's own."""

    def __init__(self, reason: str, status: int = 0, said: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.said = said


class _Fault(msgspec.Struct):
    message: str = ""


class _Refusal(msgspec.Struct):
    """GitHub's error document; an entry of `errors` is an object, or now and then plain text."""

    message: str = ""
    errors: list[_Fault | str] = []


class _Answer(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"null")
    errors: list[_Fault] = []


class Api:
    """GitHub's API at `base`. `token` is a reference to the secret; empty, the usual variables are looked at."""

    def __init__(self, line: Line, base: str, token: str) -> None:
        self._line = line
        self._base = base.rstrip("/")
        self._reference = token
        self._token: str | None = None
        self.host = urlsplit(self._base).netloc

    def get(self, path: str, kind: type[T], **query: str) -> T:
        """One document. Raises Trouble."""
        return self._read(self._send("GET", self._url(path, query)), kind)

    def post(self, path: str, content: dict[str, str], kind: type[T]) -> T:
        """Create something; never repeated by itself. Raises Trouble, also where there is no token."""
        self.needs_token()
        return self._read(self._send("POST", self._url(path, {}), msgspec.json.encode(content)), kind)

    def pages(self, path: str, kind: type[T], **query: str) -> Iterator[T]:
        """Every page of a list, by the `Link` header. Raises Trouble; a list that never ends is one as well."""
        url = self._url(path, query)
        for _ in range(_PAGES):
            answer = self._send("GET", url)
            yield self._read(answer, kind)
            following = _NEXT.search(answer.headers.get("link", ""))
            if not following:
                return
            url = self._same_origin(url, following[1])
        raise Trouble(f"{self.host} has more pages than can be read")

    def graphql(self, query: str, variables: dict[str, str | None], kind: type[T]) -> T:
        """Ask by GraphQL, which answers 200 for errors as well. Raises Trouble, with its words, for any."""
        self.needs_token()
        content = msgspec.json.encode({"query": query, "variables": variables})
        answer = self._read(self._send("POST", _graphql(self._base), content), _Answer)
        if answer.errors:
            said = self._clean("; ".join(fault.message for fault in answer.errors))
            raise Trouble(f"{self.host} refused: {said}", 200, said)
        try:
            return msgspec.json.decode(answer.data, type=kind)
        except msgspec.MsgspecError:
            raise self._not_understood() from None

    def needs_token(self) -> None:
        """Raises Trouble where there is no token: GitHub would only say 401, or 404."""
        if not self._secret():
            raise Trouble("there is no token for it: set GITHUB_TOKEN, or `token` of `forge` in lastgood.yaml")

    def _secret(self) -> str:
        """The token, looked up once; empty where none is set and none was asked for."""
        if self._token is None:
            found = self._looked_up()
            if not re.fullmatch(r"[\x21-\x7e]*", found):  # a header must not be split by what a file holds
                raise Trouble(f"{sanitise(self._reference or 'the token')} does not give a token")
            if found and not self._base.startswith("https://") and not _LOOPBACK.match(self._base):
                raise Trouble(f"the token is not sent to {self.host}, which is not https")
            self._token = found
        return self._token

    def _looked_up(self) -> str:
        try:
            if self._reference:
                found = self._line.secrets.read(self._reference)
                if not found:
                    raise Trouble(f"the token {sanitise(self._reference)} is not set")
                return found
            return next((value for name in _DEFAULTS if (value := self._line.secrets.read(name))), "")
        except OSError as error:
            raise Trouble(f"the token cannot be had: {error}") from error

    def _url(self, path: str, query: dict[str, str]) -> str:
        return f"{self._base}{path}" + (f"?{urlencode(query)}" if query else "")

    def _send(self, method: str, url: str, body: bytes | None = None) -> Response:
        """One request, and those that redirects ask for: a renamed repo answers 301 to its number's address."""
        for _ in range(_HOPS):
            answer = self._once(method, url, body)
            if answer.status not in (_MOVED if method == "GET" else _REPEATED) or "location" not in answer.headers:
                return self._good(answer)
            url = self._same_origin(url, answer.headers["location"])
        raise Trouble(f"{self.host} redirects without end")

    def _once(self, method: str, url: str, body: bytes | None) -> Response:
        headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": _VERSION}
        if token := self._secret():
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        answer = self._line.http.ask(url, method=method, headers=headers, timeout=_TIMEOUT, body=body)
        if isinstance(answer, Unknown):
            raise Trouble(f"{self.host}: {answer.reason}")
        return answer.value

    def _same_origin(self, here: str, there: str) -> str:
        """Where a redirect or a page points to, if that is the same server: the token goes nowhere else."""
        url = urljoin(here, there)
        if urlsplit(url)[:2] != urlsplit(self._base)[:2]:
            raise Trouble(f"{self.host} sends us to another server, which gets no token")
        return url

    def _good(self, answer: Response) -> Response:
        if answer.status // 100 == 2:  # noqa: PLR2004 - RFC 9110: the success statuses
            return answer
        raise self._refused(answer)

    def _refused(self, answer: Response) -> Trouble:
        said = self._said(answer)
        wait = _limited(answer, said)
        if wait:
            return Trouble(f"{self.host} limits our requests ({answer.status}); {wait}", answer.status, said)
        match answer.status:
            case 401:
                reason = "refused the token (401): it is expired, revoked or not one"
            case 403:
                reason = f"does not allow it (403){self._colon(said)}"
            case 404:
                reason = f"has no such thing, or {self._who()} may not see it (404){self._colon(said)}"
            case status if status // 100 == 5:  # noqa: PLR2004 - RFC 9110: the server's own errors
                reason = f"is in trouble itself ({status})"
            case status:
                reason = f"answered {status}{self._colon(said)}"
        return Trouble(f"{self.host} {reason}", answer.status, said)

    def _who(self) -> str:
        return "the token" if self._secret() else "we, without a token,"

    @staticmethod
    def _colon(said: str) -> str:
        return f": {said}" if said else ""

    def _said(self, answer: Response) -> str:
        """The words of GitHub's error document; nothing of a page that is none."""
        try:
            found = msgspec.json.decode(answer.body, type=_Refusal)
        except msgspec.MsgspecError:
            return ""
        words = [fault if isinstance(fault, str) else fault.message for fault in found.errors]
        return self._clean("; ".join(word for word in (found.message, *words) if word))

    def _clean(self, text: str) -> str:
        """Words of others, short and fit to show. An error may quote what was sent."""
        text = text.replace(self._token, "***") if self._token else text
        return sanitise(text[:300])

    def _read(self, answer: Response, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except msgspec.MsgspecError:
            raise self._not_understood() from None

    def _not_understood(self) -> Trouble:
        return Trouble(f"{self.host} answered with something that is not what GitHub's API says; is it a proxy?")


def segment(text: str) -> str:
    """A name as one part of a path."""
    return quote(text, safe="")


def _graphql(base: str) -> str:
    """GraphQL is beside REST, not below it: `/graphql` on github.com, `/api/graphql` on Enterprise Server."""
    return f"{base.removesuffix('/v3')}/graphql"


def _limited(answer: Response, said: str) -> str:
    """When to ask again, where it is the rate limit that refused; empty where it is not."""
    spent = answer.headers.get("x-ratelimit-remaining") == "0"
    after, reset = answer.headers.get("retry-after", ""), answer.headers.get("x-ratelimit-reset", "")
    if answer.status not in {_FORBIDDEN, _TOO_MANY}:
        return ""
    if answer.status == _FORBIDDEN and not (after or spent or "rate limit" in said.lower()):
        return ""
    if re.fullmatch(r"\d{1,6}", after):
        return f"it may be asked again in {after} s"
    if spent and re.fullmatch(r"\d{1,11}", reset):
        return f"it may be asked again at {datetime.fromtimestamp(int(reset), UTC):%Y-%m-%d %H:%M} UTC"
    return "wait a minute or more"
