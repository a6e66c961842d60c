"""`kind: oci`: any registry of the OCI distribution protocol (GHCR, Docker Hub, Harbor, Gitea, docker-registry).

Protocol: OCI Distribution Specification 1.1 ("Pulling manifests", "Error codes"), and for logins the Docker
registry's token authentication. Traps that this module is built around were observed on distribution 2.8.2: without
the full list of media types a HEAD answers 404 for images that exist, so a 404 alone never means "gone".
"""

import hashlib
import re
from typing import Final, Literal

import msgspec

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Availability
from lastgood.model.release import Image
from lastgood.ports import Credentials, Http, Response
from lastgood.registries import _pages, _platforms

_ACCEPT: Final = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)
_TIMEOUT: Final = 5.0
_OK: Final = 200
_LOGIN: Final = 401
_FORBIDDEN: Final = 403
_MISSING: Final = 404
_TOO_MANY: Final = 429
_HUB: Final = "registry-1.docker.io"
_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME: Final = re.compile(rf"{_PART}(?:/{_PART})*")
_HOST: Final = re.compile(r"(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_TAG: Final = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_LOOPBACK: Final = re.compile(r"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?")
_CHALLENGE: Final = re.compile(
    r"""([A-Za-z][\w-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))   # a parameter, quoted or not
      | ([A-Za-z][\w-]*)(?=\s|,|$)                                   # or the scheme of the next challenge
    """,
    re.VERBOSE,
)


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`scheme: auto` speaks http to this machine's own registries (localhost, 127.0.0.0/8, [::1]), https to others."""

    scheme: Literal["auto", "http", "https"] = "auto"


class _Failed(Exception):
    """Why the registry could not be asked; the text becomes the reason of an Unknown."""


class _Place(msgspec.Struct, frozen=True):
    """Where an image's manifest is: `host` as Docker's configuration knows it, `base` as one speaks to it."""

    host: str
    base: str
    name: str
    reference: str

    @property
    def url(self) -> str:
        return f"{self.base}/v2/{self.name}/manifests/{self.reference}"

    @property
    def local(self) -> bool:
        return _LOOPBACK.fullmatch(self.host) is not None


class OciRegistry:
    """Asks registries for manifests. Keeps logins in memory, per repository, for as long as it lives."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._logins: dict[tuple[str, str], str] = {}

    def available(self, http: Http, image: Image, credentials: Credentials) -> Fact[Availability]:
        """What is there under the image's digest, or its tag where it has none.

        Known with a digest, Known with None only where the registry itself says MANIFEST_UNKNOWN or NAME_UNKNOWN,
        and Unknown with the reason for everything else: refused, rate limited, broken, unreachable.
        """
        try:
            place = _place(image, self._options.scheme)
            return Known(self._available(http, place, credentials))
        except _Failed as failed:
            return Unknown(str(failed))

    def platforms(self, http: Http, image: Image, credentials: Credentials) -> Fact[tuple[str, ...]]:
        """What an index lists, or what a single image's configuration says; one or two requests."""
        try:
            place = _place(image, self._options.scheme)
            return Known(self._platforms(http, place, credentials))
        except _Failed as failed:
            return Unknown(str(failed))

    def _platforms(self, http: Http, place: _Place, credentials: Credentials) -> tuple[str, ...]:
        manifest = self._body(http, place, credentials, place.url)
        listed = _platforms.of_index(manifest.body)
        if listed is not None:
            return listed
        config = _platforms.config_of(manifest.body)
        if not config:
            raise _Failed(f"{place.host} answered 200 with something that is not a manifest")
        blob = self._body(http, place, credentials, f"{place.base}/v2/{place.name}/blobs/{config}")
        if "sha256:" + hashlib.sha256(blob.body).hexdigest() != config:
            raise _Failed(f"{place.host} answered with another image configuration than was asked for")
        return _platforms.of_config(blob.body)

    def tags(self, http: Http, repository: str, credentials: Credentials) -> Fact[tuple[str, ...]]:
        """Every tag. A page's `Link` is followed only to the same list of the same registry, a bounded number of times.

        Source: OCI Distribution Specification 1.1, "Listing Tags"; RFC 8288 for `Link`.
        """
        try:
            place = _place(Image(repository, "latest"), self._options.scheme)
            return Known(self._tags(http, place, credentials))
        except _Failed as failed:
            return Unknown(str(failed))

    def _tags(self, http: Http, place: _Place, credentials: Credentials) -> tuple[str, ...]:
        start = f"{place.base}/v2/{place.name}/tags/list"
        url, seen, found = f"{start}?n={_pages.SIZE}", set[str](), dict[str, None]()
        while url:
            if url in seen or len(seen) == _pages.MOST:
                raise _Failed(f"{place.host}: its list of tags has no end")
            seen.add(url)
            page = self._body(http, place, credentials, url)
            tags = _pages.tags(page.body)
            if tags is None:
                raise _Failed(f"{place.host} answered 200 with something that is not a list of tags")
            found |= dict.fromkeys(tag for tag in tags if _TAG.fullmatch(tag))
            url = _pages.following(page.headers.get("link", ""), url)
            if url and not url.startswith(f"{start}?"):
                raise _Failed(f"{place.host}: its list of tags goes on in another place")
        return tuple(found)

    def _body(self, http: Http, place: _Place, credentials: Credentials, url: str) -> Response:
        answer = self._ask(http, place, credentials, "GET", url)
        if answer.status != _OK:
            raise _Failed(_trouble(answer, place))
        return answer

    def _available(self, http: Http, place: _Place, credentials: Credentials) -> Availability:
        answer = self._ask(http, place, credentials, "HEAD", place.url)
        digest = answer.headers.get("docker-content-digest", "")
        if answer.status == _OK and digest:
            return Availability(_checked(digest, place), _platforms.is_index(answer.headers))
        if answer.status not in {_OK, _MISSING}:
            raise _Failed(_trouble(answer, place))
        # Either the digest is missing or the 404 has no body to say why: only a GET tells.
        answer = self._ask(http, place, credentials, "GET", place.url)
        if answer.status == _OK:
            digest = answer.headers.get("docker-content-digest") or _hashed(answer, place)
            return Availability(_checked(digest, place), _platforms.is_index(answer.headers))
        if answer.status == _MISSING and _code(answer) in {"MANIFEST_UNKNOWN", "NAME_UNKNOWN"}:
            return Availability(None)
        raise _Failed(_trouble(answer, place))

    def _ask(self, http: Http, place: _Place, credentials: Credentials, method: str, url: str) -> Response:
        """One request, with one login where the registry asks for it. A login that does not help is a failure."""
        key = (place.base, place.name)
        answer = _fetch(http, place, url, method, self._logins.get(key, ""))
        if answer.status != _LOGIN:
            return answer
        self._logins[key] = _login(http, place, credentials, answer.headers.get("www-authenticate", ""))
        answer = _fetch(http, place, url, method, self._logins[key])
        if answer.status == _LOGIN:
            self._logins.pop(key, None)
            raise _Failed(f"{place.host} refused the login (401)")
        return answer


def make(options: Options) -> OciRegistry:
    """The registry client for these options."""
    return OciRegistry(options)


def _place(image: Image, scheme: str) -> _Place:
    """Where Docker would look: a first part with a dot, a colon or `localhost` is a host, all else is Docker Hub."""
    first, slash, rest = image.repository.partition("/")
    named = bool(slash) and ("." in first or ":" in first or first == "localhost")
    host, name = (first, rest) if named else ("docker.io", image.repository)
    if host in {"docker.io", "index.docker.io", _HUB}:
        host, name = "docker.io", name if "/" in name else f"library/{name}"
    reference = image.digest or image.tag
    if not _HOST.fullmatch(host) or not _NAME.fullmatch(name):
        raise _Failed(f"{image.repository!r} is not a repository name")
    if not (_DIGEST.fullmatch(reference) or _TAG.fullmatch(reference)):
        raise _Failed(f"{reference!r} is not a tag or digest" if reference else "the image has no tag and no digest")
    if scheme == "auto":
        scheme = "http" if _LOOPBACK.fullmatch(host) else "https"
    return _Place(host, f"{scheme}://{_HUB if host == 'docker.io' else host}", name, reference)


def _fetch(http: Http, place: _Place, url: str, method: str, authorization: str) -> Response:
    headers = {"Accept": _ACCEPT} | ({"Authorization": authorization} if authorization else {})
    answer = http.ask(url, method=method, headers=headers, timeout=_TIMEOUT)
    if isinstance(answer, Unknown):
        raise _Failed(f"{place.host}: {answer.reason}")
    return answer.value


def _login(http: Http, place: _Place, credentials: Credentials, header: str) -> str:
    """The `Authorization` that answers a challenge. Raises _Failed; never goes on without a login that was due."""
    try:
        basic = credentials.basic(place.host)
    except OSError as error:
        raise _Failed(str(error)) from error
    challenges = _challenges(header)
    if "bearer" in challenges:
        return "Bearer " + _token(http, place, basic, challenges["bearer"])
    if "basic" not in challenges:
        raise _Failed(f"{place.host} asks for a login of a kind that is not known")
    if basic is None:
        raise _Failed(f"{place.host} asks for a login, and Docker's configuration has none")
    return basic


def _challenges(header: str) -> dict[str, dict[str, str]]:
    """`WWW-Authenticate` by scheme, lower case (RFC 9110, 11.6.1): several challenges may share the header."""
    found: dict[str, dict[str, str]] = {}
    parameters: dict[str, str] = {}
    for key, quoted, bare, scheme in _CHALLENGE.findall(header):
        if scheme:
            parameters = found.setdefault(scheme.lower(), {})
        else:
            parameters[key.lower()] = re.sub(r"\\(.)", r"\1", quoted) or bare
    return found


def _token(http: Http, place: _Place, basic: str | None, challenge: dict[str, str]) -> str:
    """Exchange the login, or none for public images, for a pull token (distribution's token authentication)."""
    from urllib.parse import urlencode

    realm = challenge.get("realm", "")
    if not realm.startswith("https://") and not (place.local and realm.startswith("http://")):
        raise _Failed(f"{place.host} wants the login sent to an address that is not https")
    query = {"scope": challenge.get("scope") or f"repository:{place.name}:pull"}
    if challenge.get("service"):
        query = {"service": challenge["service"]} | query
    url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}"
    answer = _fetch(http, place, url, "GET", basic or "")
    if answer.status != _OK:
        who = "the login" if basic else "to serve us without a login"
        raise _Failed(f"{place.host} refused {who} ({answer.status} from its token service)")
    return _token_of(answer, place)


class _TokenAnswer(msgspec.Struct):
    token: str = ""
    access_token: str = ""


def _token_of(answer: Response, place: _Place) -> str:
    try:
        said = msgspec.json.decode(answer.body, type=_TokenAnswer)
    except msgspec.MsgspecError:
        said = _TokenAnswer()
    token = said.token or said.access_token
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise _Failed(f"{place.host}: its token service answered without a token")
    return token


def _checked(digest: str, place: _Place) -> str:
    """`digest` if it is one, and the one that was asked for. Raises _Failed."""
    if not _DIGEST.fullmatch(digest):
        raise _Failed(f"{place.host} names the image by something that is not a sha256 digest")
    if ":" in place.reference and digest != place.reference:
        raise _Failed(f"{place.host} answered with another digest than was asked for")
    return digest


class _Manifest(msgspec.Struct):
    schemaVersion: Literal[2]  # noqa: N815 - the format's own key


def _hashed(answer: Response, place: _Place) -> str:
    """The digest of a manifest's bytes. A login page with status 200 is none, so it has to look like one first."""
    try:
        msgspec.json.decode(answer.body, type=_Manifest)
    except msgspec.MsgspecError:
        raise _Failed(f"{place.host} answered 200 with something that is not a manifest") from None
    return "sha256:" + hashlib.sha256(answer.body).hexdigest()


class _Error(msgspec.Struct):
    code: str = ""


class _Errors(msgspec.Struct):
    errors: list[_Error] = []


def _code(answer: Response) -> str:
    """The first error code of the registry's own error document; empty where there is no such document."""
    try:
        said = msgspec.json.decode(answer.body, type=_Errors).errors
    except msgspec.MsgspecError:
        return ""
    code = said[0].code if said else ""
    return code if re.fullmatch(r"[A-Z_]{1,40}", code) else ""


def _trouble(answer: Response, place: _Place) -> str:
    """Why an answer says nothing about the image, in one clause."""
    if answer.status == _TOO_MANY:
        return f"{place.host} limits our requests (429)"
    if answer.status == _FORBIDDEN:
        return f"{place.host} refused us (403)"
    code = _code(answer)
    said = f"{answer.status} {code}" if code else str(answer.status)
    return f"{place.host} answered {said}, which says nothing about the image"
