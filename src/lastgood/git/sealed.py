"""Files that SOPS encrypted: recognised by the metadata that stays readable in them. Nothing is ever decrypted. Pure.

SOPS (github.com/getsops/sops, README, "Encryption Protocol" and "Message Authentication Code"; the packages below
`stores/`) encrypts the values of a file, leaves its keys, and adds metadata: in YAML and JSON a top-level mapping
`sops` (who can decrypt: `age`, `pgp`, `kms`, …; `lastmodified`, `mac`, `version`), which in YAML each document has; in
dotenv the same as flat lines `sops_mac=…`; in INI a section `[sops]`. Of any other file it makes JSON of `data` and
`sops`. The MAC covers the values of the whole file, so one put together from two versions no longer decrypts.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

# In doubt a file counts as encrypted: then it is moved whole, where a merge could have destroyed it.
_TOP: Final = re.compile(r"[\"']?sops[\"']?[ \t]*:")
_MAC: Final = re.compile(r"(?:^|[\s{,\"'])mac[\"']?[ \t]*[:=]")
_DOTENV: Final = re.compile(r"(?:export[ \t]+)?sops_mac[ \t]*=")
_SECTION: Final = re.compile(r"[ \t]*\[sops\]")


class _Metadata(msgspec.Struct):
    mac: str


class _Document(msgspec.Struct):
    sops: _Metadata


def is_sealed(content: bytes) -> bool:
    """Whether SOPS encrypted this content, in any of its formats."""
    if b"sops" not in content or b"mac" not in content:
        return False
    text = content.decode(errors="replace").removeprefix("\ufeff")
    if text.lstrip()[:1] == "{":
        return _json(text)
    lines = text.splitlines()
    return any(_DOTENV.match(line) for line in lines) or _below(lines, _TOP, " \t#}") or _section(lines)


def _json(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=_Document)
    except msgspec.ValidationError:
        return False
    except (msgspec.MsgspecError, RecursionError):
        # Neither strict JSON nor, perhaps, JSON at all: YAML can be written like this too.
        return re.search(r"[{,\s\"']sops[\"']?\s*:", text) is not None and _MAC.search(text) is not None
    return True


def _below(lines: Sequence[str], head: re.Pattern[str], deeper: str) -> bool:
    """Whether a line that `head` matches has a `mac` in it, or in the lines below that begin with one of `deeper`."""
    inside = False
    for line in lines:
        if head.match(line):
            inside = True
        elif line and line[0] not in deeper:
            inside = False
        if inside and _MAC.search(line):
            return True
    return False


def _section(lines: Sequence[str]) -> bool:
    inside = False
    for line in lines:
        if line.lstrip().startswith("["):
            inside = _SECTION.match(line) is not None
        elif inside and _MAC.search(line):
            return True
    return False
