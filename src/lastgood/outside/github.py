"""What a tracker and a notifier on GitHub share: one repo's REST API, version 2022-11-28."""

from collections.abc import Iterator
from typing import Final, TypeVar

from lastgood.outside.talk import Talk, Trouble
from lastgood.ports import Outside, Response

T = TypeVar("T")

REPO: Final = r"^(?!\.{1,2}/)[A-Za-z0-9_.-]+/(?!\.{1,2}$)[A-Za-z0-9_.-]+$"
"""owner/name."""
_HEADERS: Final = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_PAGES: Final = 50
_PAGE: Final = 20  # bodies may be long, and an answer over 1 MiB is not read


class Repo:
    """One repo at the API `url`, asked with the token that `reference` names."""

    def __init__(self, outside: Outside, url: str, reference: str, name: str) -> None:
        self._talk = Talk(outside, url, reference)
        self._place = f"/repos/{name}"
        self.host = self._talk.host

    def send(self, method: str, path: str, content: object = None) -> Response:
        """One request below the repo. Raises Trouble."""
        return self._talk.ask(method, f"{self._place}{path}", content, headers=_HEADERS)

    def get(self, path: str, kind: type[T]) -> T:
        """One document. Raises Trouble."""
        return self._talk.read(self.send("GET", path), kind)

    def post(self, path: str, content: object, kind: type[T]) -> T:
        """Create something. Raises Trouble."""
        return self._talk.read(self.send("POST", path, content), kind)

    def pages(self, path: str, kind: type[list[T]]) -> Iterator[list[T]]:
        """Every page of a list. Raises Trouble, also where it never ends."""
        join = "&" if "?" in path else "?"
        for number in range(1, _PAGES + 1):
            page = self.get(f"{path}{join}per_page={_PAGE}&page={number}", kind)
            yield page
            if len(page) < _PAGE:
                return
        raise Trouble(f"{self.host} has more pages than can be read")

    def clean(self, text: str) -> str:
        """Words of GitHub's, fit to show."""
        return self._talk.clean(text)
