"""Asking round a cache, and noticing where it answered."""

import secrets
from typing import Final

from lastgood.judge.fresh import kept
from lastgood.model.facts import Fact, Known
from lastgood.ports import Http, Response

ROUND: Final = {"Cache-Control": "no-cache", "Pragma": "no-cache"}
"""RFC 9111, 5.2.1.4. Many CDNs do not heed it, so a query that they cannot know goes with it."""


def beyond(url: str) -> str:
    """The address with a query that no cache has an answer to."""
    return f"{url}{'&' if '?' in url else '?'}lastgood={secrets.token_hex(8)}"


class Noticing:
    """`ports.Http` that notices whether a cache answered; with `around`, it asks round caches."""

    def __init__(self, http: Http, *, around: bool) -> None:
        self._http = http
        self.around = around
        self.kept = ""
        self.asked = False

    def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        timeout: float = 5.0,
        body: bytes | None = None,
    ) -> Fact[Response]:
        """As `ports.Http`."""
        where, given = (beyond(url), ROUND | (headers or {})) if self.around else (url, headers)
        self.asked = True
        answer = self._http.ask(where, method=method, headers=given, timeout=timeout, body=body)
        if isinstance(answer, Known):
            self.kept = self.kept or kept(answer.value.headers)
        return answer
