"""`kind: github-deployment`: each run as a deployment of the commit it goes to, with its state.

Operations: GitHub's REST documentation, "Deployments" and "Deployment statuses". Without `auto_merge: false` GitHub
would merge the default branch into the old commit, and without empty `required_contexts` refuse what CI has not passed.
A success makes older deployments of the environment inactive by itself. A run's deployment is found by its payload.
"""

import re
from typing import Annotated, Final
from urllib.parse import quote

import msgspec

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.message import Delivered, Delivery, Kind, Message
from lastgood.outside.github import REPO, Repo
from lastgood.outside.talk import REFERENCE, URL, Trouble
from lastgood.outside.text import state
from lastgood.ports import Outside

STATE: Final = False
_CREATED: Final = 201
_LONGEST: Final = 140
_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SERVED: Final = (0, 9)


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`repo` is owner/name, `token` a reference; `environment` is GitHub's name of it, by default our own."""

    repo: Annotated[str, msgspec.Meta(pattern=REPO)]
    url: Annotated[str, msgspec.Meta(pattern=URL)] = "https://api.github.com"
    token: Annotated[str, msgspec.Meta(pattern=REFERENCE)] = "env:GITHUB_TOKEN"  # noqa: S105 - a reference
    environment: str = ""


class _Deployment(msgspec.Struct):
    id: int
    sha: str = ""
    payload: dict[str, object] | str = ""


class _Status(msgspec.Struct):
    description: str = ""


class Deployments:
    """The deployments of one repo."""

    def __init__(self, options: Options, outside: Outside) -> None:
        self._options = options
        self._repo = Repo(outside, options.url, options.token, options.repo)

    def deliver(self, message: Message, ref: str, *, again: bool) -> Delivery:  # noqa: ARG002 - it always looks first
        """Make the run's deployment where there is none for its commit, and set its state."""
        if not _COMMIT.fullmatch(message.commit):
            return Delivered("not a deployment of a commit")
        try:
            number = self._found(message) or self._create(message)
            if not self._told(number, message):
                content = {"state": _state(message), "description": _said(message)}
                self._repo.send("POST", f"/deployments/{number}/statuses", content)
        except Trouble as trouble:
            return trouble.failed()
        return Delivered(f"deployment {number} of {message.commit[:12]}: {_state(message)}", str(number))

    def check(self) -> Fact[str]:
        """Whether the token reads the repo's deployments, and its owner may write there."""
        try:
            self._repo.get("/deployments?per_page=1", list[_Deployment])
            repo = self._repo.about("repo", "repo_deployment")
        except Trouble as trouble:
            return Unknown(str(trouble))
        if not repo.permissions.get("push", True):
            return Unknown(f"whose token it is may not write to {self._options.repo}, nor make deployments")
        return Known(f"the token reads deployments of {self._options.repo}; that it may write shows when it does")

    def _environment(self, message: Message) -> str:
        return self._options.environment or message.env

    def _found(self, message: Message) -> int | None:
        """The run's deployment of the commit it is at: one that walked back further has several."""
        query = f"environment={quote(self._environment(message), safe='')}&sha={message.commit}"
        for page in self._repo.pages(f"/deployments?{query}", list[_Deployment]):
            for one in page:
                if isinstance(one.payload, dict) and one.payload.get("lastgood") == message.run:
                    return one.id
        return None

    def _create(self, message: Message) -> int:
        content = {
            "ref": message.commit,
            "task": message.action,
            "environment": self._environment(message),
            "description": f"{message.action} of {message.target} by lastgood"[:_LONGEST],
            "auto_merge": False,
            "required_contexts": [],
            "payload": {"lastgood": message.run, "from": message.running, "to": message.to},
        }
        answer = self._repo.send("POST", "/deployments", content)
        if answer.status != _CREATED:
            raise Trouble(f"{self._repo.host} did not make a deployment ({answer.status})", status=answer.status)
        try:
            return msgspec.json.decode(answer.body, type=_Deployment).id
        except msgspec.MsgspecError:
            raise Trouble(f"{self._repo.host} answered with no deployment", doubtful=True) from None

    def _told(self, number: int, message: Message) -> bool:
        pages = self._repo.pages(f"/deployments/{number}/statuses", list[_Status])
        return any(one.description == _said(message) for page in pages for one in page)


def _state(message: Message) -> str:
    if message.kind is Kind.BEGAN:
        return "in_progress"
    if message.kind is Kind.ENDED:
        return "success" if message.exit in _SERVED else "failure"
    return "error"


def _said(message: Message) -> str:
    return f"{state(message)} ({message.key})"[:_LONGEST]


def make(options: Options, outside: Outside) -> Deployments:
    """The repo that these options name."""
    return Deployments(options, outside)
