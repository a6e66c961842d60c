"""What a tracker and a notifier on GitHub share: one repo's REST API, version 2022-11-28."""

from collections.abc import Iterator
from typing import Final, TypeVar

import msgspec

from lastgood.outside.talk import Talk, Trouble
from lastgood.ports import Outside, Response

T = TypeVar("T")

REPO: Final = r"^(?!\.{1,2}/)[A-Za-z0-9_.-]+/(?!\.{1,2}$)[A-Za-z0-9_.-]+$"
"""owner/name."""
_HEADERS: Final = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_PAGES: Final = 50
_PAGE: Final = 20  # bodies may be long, and an answer over 1 MiB is not read


class About(msgspec.Struct):
    """What a repo says of itself. `permissions` are those of the token's owner; the token itself may have fewer."""

    has_issues: bool = True
    archived: bool = False
    permissions: dict[str, bool] = {}


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

    def about(self, *scopes: str) -> About:
        """The repo. Raises Trouble also where nothing can be written: it is archived, or the token lacks the scopes.

        Only a classic token has scopes, and names them (`X-OAuth-Scopes`); one of these is needed.
        """
        answer = self.send("GET", "")
        found, given = self._talk.read(answer, About), answer.headers.get("x-oauth-scopes")
        if found.archived:
            raise Trouble(f"{self._place} at {self.host} is archived, and takes nothing")
        if given is not None and not {each.strip() for each in given.split(",")} & set(scopes):
            raise Trouble(f"the token has none of the scopes {', '.join(scopes)} at {self.host}")
        return found

    def clean(self, text: str) -> str:
        """Words of GitHub's, fit to show."""
        return self._talk.clean(text)
