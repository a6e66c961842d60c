"""What may stand for a path, a branch, an object or an address; and text of others made fit to show. Pure."""

import re

from lastgood.model.errors import ConfigError, Refused

_OBJECT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_PREFIX = re.compile(r"[0-9a-fA-F]{4,64}")
_TRAILER_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?")
_LAST = 253_402_214_400
"""The last day before the year 10000, which `datetime` cannot hold, begins: it has a local time everywhere."""
# git-check-ref-format(1), as one pattern of what is forbidden.
_BAD_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|(?:^|/)\.|\.lock(?:/|$)|^[-/]|[/.]$|^@?$")


def object_id(text: str) -> str:
    """`text` if it is a whole object id (SHA-1 or SHA-256, lower case); raises Refused otherwise."""
    if _OBJECT.fullmatch(text) is None:
        raise Refused(f"{clean(text)!r} is not the full id of a commit or tree.")
    return text


def is_prefix(text: str) -> bool:
    """Whether `text` can only be the beginning of an object id, or a whole one: 4 to 64 hexadecimal digits."""
    return _PREFIX.fullmatch(text) is not None


def is_trailer_key(text: str) -> bool:
    """Whether `text` can be the key of a trailer (and nothing that means something in a git format)."""
    return _TRAILER_KEY.fullmatch(text) is not None


def file_path(text: str) -> str:
    """`text` if it names a file inside a repository: relative, no `.`, `..` or `.git` in it. Raises Refused."""
    parts = text.split("/")
    if "\0" in text or any(part in {"", ".", ".."} or part.lower() == ".git" for part in parts):
        raise Refused(
            f"{clean(text)!r} is not a path inside the deploy repo.", next=("name a file relative to the repo's root",)
        )
    return text


def folder_path(text: str) -> str:
    """As `file_path`, where the empty text stands for the root of the repository."""
    return file_path(text) if text else ""


def is_branch(text: str) -> bool:
    """Whether git allows `text` as a branch name."""
    return _BAD_BRANCH.search(text) is None


def branch_name(text: str) -> str:
    """`text` if git allows it as a branch name (git-check-ref-format(1)). Raises ConfigError."""
    if not is_branch(text):
        raise ConfigError(f"{clean(text)!r} is not a branch name.", next=("set `branch` to the deploy branch",))
    return text


def moment(text: str) -> int:
    """A commit's time in Unix seconds; the last one there is for one beyond it, as of a CI that gave milliseconds."""
    return min(int(text), _LAST)


def clean(text: str) -> str:
    """Text of others without terminal sequences and control characters, so that it may be shown in one line."""
    return _CONTROL.sub(" ", _SEQUENCE.sub("", text)).strip()


def shown_path(path: str) -> str:
    """A path of git's as valid text: bytes that are no UTF-8 stand in hexadecimal. Only for showing."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")


def without_secrets(url: str) -> str:
    """A remote's address as it may be shown: user and password of a URL are left out."""
    if "://" not in url:
        return clean(url)
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return clean(f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}")


def secrets_of(url: str) -> tuple[str, ...]:
    """The parts of an address that must not be shown: its password, and its user where that may be a token."""
    if "://" not in url:
        return ()
    authority = url.partition("://")[2].partition("/")[0]
    user = authority.rpartition("@")[0]
    if not user or (url.startswith(("ssh://", "git+ssh://")) and ":" not in user):
        return ()
    return tuple(part for part in (user, *user.split(":", 1)) if part and part != "git")


def is_relative(url: str) -> bool:
    """Whether git would take `url` for a path relative to the repository (see `url_is_local_not_ssh` in git)."""
    colon, slash = url.find(":"), url.find("/")
    is_path = colon < 0 or 0 <= slash < colon
    return is_path and not url.startswith("/")
