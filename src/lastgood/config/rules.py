"""What names, paths, branches and templates in `lastgood.yaml` may look like. Nothing is corrected, only refused."""

import re
from typing import Final

from lastgood.config.document import Document, Place
from lastgood.config.schema import SourceFile
from lastgood.config.typed import nearest
from lastgood.model.errors import ConfigError

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_BRANCH_WRONG: Final = re.compile(
    r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/.]|/\.|[/.]$|\.lock(?:/|$)|^@$"  # man git-check-ref-format
)
_PROJECT: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")  # Compose specification, "name"
_SSH: Final = re.compile(
    r"ssh://(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
)
_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_]+)\}")
_REFERENCES: Final = ("env:", "file:", "command:")
_RELEASE: Final = frozenset({"tag", "digest", "repository"})


def is_name(name: str) -> bool:
    """Whether `name` may be a service, an environment or an app."""
    return _NAME.fullmatch(name) is not None


def is_relative(path: str) -> bool:
    """Whether `path` is one of the deploy repo as git would name it."""
    return _printable(path) and not path.startswith(("-", ":", "/")) and not _detours(path)


def is_host(host: str) -> bool:
    """Whether `host` is an address that ssh takes (ssh(1), destination), and nothing that it takes for an option."""
    return _SSH.fullmatch(host) is not None


def is_project(project: str) -> bool:
    """Whether Compose takes `project` for a project's name."""
    return _PROJECT.fullmatch(project) is not None


def check_name(document: Document, place: Place, name: str) -> None:
    """Names become folders, file names and arguments: letters, digits, dot, dash, underscore. Raises ConfigError."""
    if not is_name(name):
        raise document.error(place, "names are letters, digits, '.', '_' and '-', and begin with a letter or digit")


def check_relative(document: Document, place: Place, path: str) -> None:
    """A file of the deploy repo, as git would name it: below the root, no detours. Raises ConfigError."""
    if not is_relative(path):
        raise document.error(place, f"{path!r} is not a plain relative path (no '..', no leading '/' or '-')")


def check_project(document: Document, place: Place, project: str) -> None:
    """A Compose project's name; Compose itself would refuse another, but only in the middle of a rollback."""
    if not is_project(project):
        raise document.error(place, f"{project!r} is not a Compose project name (lower-case letters, digits, '-', '_')")


def check_absolute(document: Document, place: Place, path: str) -> None:
    """A folder on a host. Raises ConfigError."""
    if not _printable(path) or not path.startswith("/") or path == "/" or _detours(path[1:].removesuffix("/")):
        raise document.error(place, f"{path!r} is not a plain absolute path")


def check_branch(document: Document, place: Place, branch: str) -> None:
    """A branch name that git would take (git-check-ref-format). Raises ConfigError."""
    if not branch or _BRANCH_WRONG.search(branch):
        raise document.error(place, f"{branch!r} is not a branch name")


def check_source(document: Document, place: Place, source: SourceFile | None) -> None:
    """Where a service's code is: something that git cannot take for an option. Raises ConfigError."""
    if source is None:
        return
    if not _printable(source.repo) or source.repo.startswith("-"):
        raise document.error((*place, "source", "repo"), f"{source.repo!r} is neither a folder nor an address")
    if source.branch:
        check_branch(document, (*place, "source", "branch"), source.branch)


def check_secret(document: Document, place: Place, reference: str) -> None:
    """A reference to a secret, never the secret itself. Raises ConfigError, without showing what was written."""
    if reference and not reference.startswith(_REFERENCES):
        raise document.error(place, "write a reference and not the secret itself: env:NAME, file:PATH or command:ARGV")


def check_host(document: Document, place: Place, host: str) -> None:
    """`local`, or `ssh://[user@]host[:port]`. Raises ConfigError."""
    if host != "local" and not is_host(host):
        raise document.error(place, f"{host!r} is not a host; write ssh://user@host:port, or local for this machine")


def filled(  # noqa: PLR0913 - what is filled in, and what is left
    document: Document,
    place: Place,
    raw: object,
    names: dict[str, str],
    *,
    release: bool,
    kept: frozenset[str] = frozenset(),
) -> object:
    """`raw` with `{env}` and `{service}` filled in, in every text inside it.

    `release` leaves `{tag}`, `{digest}` and `{repository}` where they stand, for a probe to fill in later, as `kept`
    does with further names. Raises ConfigError at any other placeholder.
    """
    left = kept | _RELEASE if release else kept
    if isinstance(raw, str):
        return _filled(document, place, raw, names, left)
    if isinstance(raw, list):
        return [filled(document, (*place, n), item, names, release=False, kept=left) for n, item in enumerate(raw)]
    if isinstance(raw, dict):
        return {
            key: filled(document, (*place, key), item, names, release=False, kept=left) for key, item in raw.items()
        }
    return raw


def _filled(document: Document, place: Place, text: str, names: dict[str, str], kept: frozenset[str]) -> str:
    for word in _PLACEHOLDER.findall(text):
        if word not in names and word not in kept:
            raise unknown_placeholder(document, place, word, (*names, *sorted(kept)))
    return _PLACEHOLDER.sub(lambda found: names.get(found[1], found[0]), text)


def unknown_placeholder(document: Document, place: Place, word: str, known: tuple[str, ...]) -> ConfigError:
    """The error for `{word}`, with the nearest placeholder there is."""
    return document.error(place, f"unknown placeholder {{{word}}}" + nearest(word, known))


def _printable(path: str) -> bool:
    return bool(path) and path.isprintable()


def _detours(path: str) -> bool:
    return any(part in {"", ".", ".."} for part in path.split("/"))
