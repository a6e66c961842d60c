"""HTTP with an end: several requests that must not take longer together than somebody waits."""

import time

from lastgood.model.facts import Fact, Unknown
from lastgood.ports import Http, Response


class Bounded:
    """HTTP whose requests together end before a moment of the monotonic clock. Implements `ports.Http`."""

    def __init__(self, http: Http, end: float) -> None:
        self._http = http
        self._end = end

    def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        timeout: float = 5.0,
        body: bytes | None = None,
    ) -> Fact[Response]:
        """One request, within what is left of the time; Unknown where nothing is."""
        left = self._end - time.monotonic()
        if left <= 0:
            return Unknown("there was no time left to ask")
        return self._http.ask(url, method=method, headers=headers, timeout=min(timeout, left), body=body)
