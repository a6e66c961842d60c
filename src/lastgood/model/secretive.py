"""Which names say that a value is secret, and texts without the secrets that are known. Pure."""

import re
from collections.abc import Iterable
from typing import Final

MASK: Final = "<redacted>"
"""What stands in place of a secret."""

# `key` alone is no sign (a monkey, a primary key).
WORDS: Final = (
    r"passw|passphrase|pwd|secret|token|credential|private|api[_.-]?key|apikey|cookie|salt|bearer"
    r"|(?:access|auth|encryption|encrypt|signing|master|license|service|account|session|jwt|ssh|hmac|aes)[_.-]?key"
)
"""A regular expression, to be read without regard to case: a name that one of these is in is of a secret."""

ENDINGS: Final = r"dsn|pass|creds?|key|auth|authorization"
"""The same for the last, or only, word of a name."""

_SECRET_NAME: Final = re.compile(rf"{WORDS}|(?:^|[_.-])(?:{ENDINGS})$", re.IGNORECASE)
_NO_SECRETS: Final = frozenset({"true", "false", "none", "null", "enabled", "disabled"})


def looks_secret(name: str, value: str = "") -> bool:
    """Whether a variable's name says that `value` is secret. The path of a secret's file is not, nor is a yes or no."""
    if value.casefold() in _NO_SECRETS or (name.casefold().endswith("_file") and value.startswith("/")):
        return False
    return _SECRET_NAME.search(name) is not None


def concealed(text: str, secrets: Iterable[str]) -> str:
    """`text` with each of these secrets masked, the longest first, as one may be a part of another."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
