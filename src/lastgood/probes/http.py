"""`kind: http`: one request; its status, body, JSON fields and latency are judged."""

import re
from typing import Final

import msgspec

from lastgood.model.answers import difference, line
from lastgood.model.duration import Duration, spoken
from lastgood.model.facts import Unknown
from lastgood.model.observed import Container, Look
from lastgood.model.release import Image
from lastgood.ports import Http, Response

_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_]+)\}")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked and what must come back.

    `json` maps dotted paths (`build.version`, `checks.0.ok`) to the text expected there; numbers and booleans are
    compared as JSON writes them. In `json` and `contains`, `{tag}`, `{digest}` and `{repository}` stand for those of
    the release that ought to answer. `timeout` ends the request; an answer slower than `max_latency` is a failure.
    """

    url: str
    status: int = 200
    json: dict[str, str] = {}
    contains: str = ""
    timeout: Duration = Duration(5)
    max_latency: Duration | None = None

    def __post_init__(self) -> None:
        """Refuse what could never pass. Raises ValueError, which the configuration reports with its place."""
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"{self.url!r} is not an http:// or https:// URL")
        if self.timeout <= 0 or (self.max_latency is not None and self.max_latency <= 0):
            raise ValueError("timeout and max_latency must be longer than nothing")
        if _PLACEHOLDER.search(self.url) and not _only(self.url, {"env", "service"}):
            raise ValueError("a URL may hold {env} and {service} only")
        if not all(_only(text, {"tag", "digest", "repository", "env", "service"}) for text in self.json.values()):
            raise ValueError("json may hold {tag}, {digest}, {repository}, {env} and {service} only")


class HttpProbe:
    """Asks one URL once per look."""

    def __init__(self, options: Options) -> None:
        self._options = options

    @property
    def name(self) -> str:
        """The URL."""
        return self._options.url

    def look(self, http: Http, image: Image, containers: tuple[Container, ...]) -> Look:  # noqa: ARG002 - another kind's food
        """Ask once. The signature of a failure names its kind, never the release or a number that varies."""
        answer = http.ask(self._options.url, timeout=float(self._options.timeout))
        if isinstance(answer, Unknown):
            said = f"no answer: {answer.reason}"
            return Look(self.name, ok=False, said=said, signature=f"http {said}")
        response = answer.value
        wrong = self._status(response) or self._contains(response, image) or self._json(response, image)
        wrong = wrong or self._slow(response)
        if wrong:
            return Look(self.name, ok=False, said=wrong[0], signature=wrong[1], elapsed=response.elapsed)
        return Look(self.name, ok=True, said=self._praise(response, image), elapsed=response.elapsed)

    def _status(self, response: Response) -> tuple[str, str] | None:
        if response.status == self._options.status:
            return None
        location = response.headers.get("location", "")
        said = f"to {line(location)}" if location else line(response.body.decode(errors="replace"))
        return f"{response.status}: {said}" if said else str(response.status), f"http {response.status}"

    def _contains(self, response: Response, image: Image) -> tuple[str, str] | None:
        if not self._options.contains:
            return None
        expected = _filled(self._options.contains, image)
        if expected is None:
            return f"the pin has nothing to put into {self._options.contains!r}", "http contains"
        if expected in response.body.decode(errors="replace"):
            return None
        return f"{response.status}, but without {line(expected)!r}", "http contains"

    def _json(self, response: Response, image: Image) -> tuple[str, str] | None:
        if not self._options.json:
            return None
        try:
            document = msgspec.json.decode(response.body)
        except msgspec.DecodeError:
            shown = line(response.body.decode(errors="replace"))
            return f"{response.status}, but not JSON: {shown}", "http not json"
        for path, template in self._options.json.items():
            wrong = difference(document, path, _filled(template, image))
            if wrong:
                return f"{response.status}, but {wrong}", f"http json {path}"
        return None

    def _slow(self, response: Response) -> tuple[str, str] | None:
        limit = self._options.max_latency
        if limit is None or response.elapsed <= limit:
            return None
        return f"{response.status}, but in {response.elapsed:.2f} s; the limit is {spoken(limit)}", "http slow"

    def _praise(self, response: Response, image: Image) -> str:
        fields = [f"{path} {_filled(text, image)}" for path, text in self._options.json.items()]
        return ", ".join([f"{response.status} in {response.elapsed:.2f} s", *fields])


def make(options: Options) -> HttpProbe:
    """The probe for these options."""
    return HttpProbe(options)


def _only(text: str, allowed: set[str]) -> bool:
    return set(_PLACEHOLDER.findall(text)) <= allowed


def _filled(template: str, image: Image) -> str | None:
    """`template` with the release's own values, or None where one is empty: nothing must never equal nothing."""
    text = template
    for name, value in (("tag", image.tag), ("digest", image.digest), ("repository", image.repository)):
        mark = f"{{{name}}}"
        if mark in text and not value:
            return None
        text = text.replace(mark, value)
    return text
