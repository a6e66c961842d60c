"""Which platforms a manifest is for.

Source: OCI Image Specification 1.1, "Image Index" and "Image Configuration"; Docker's own two formats share the
fields. Builders put attestations into an index as entries for `unknown/unknown`: they are no images.
"""

import re
from typing import Final

import msgspec

_INDEXES: Final = frozenset(
    {"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"}
)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_WORD: Final = re.compile(r"[a-z0-9_.-]{1,32}", re.IGNORECASE)


class _Platform(msgspec.Struct):
    os: str = ""
    architecture: str = ""
    variant: str = ""


class _Entry(msgspec.Struct):
    platform: _Platform | None = None


class _Index(msgspec.Struct):
    manifests: list[_Entry]


class _Config(msgspec.Struct):
    digest: str


class _Manifest(msgspec.Struct):
    config: _Config


def is_index(headers: dict[str, str]) -> bool:
    """Whether an answer's media type is that of an index."""
    return headers.get("content-type", "").partition(";")[0].strip() in _INDEXES


def of_index(body: bytes) -> tuple[str, ...] | None:
    """The platforms of an index, empty where it tells none; None where this is no index."""
    try:
        entries = msgspec.json.decode(body, type=_Index).manifests
    except msgspec.MsgspecError:
        return None
    return tuple(dict.fromkeys(filter(None, (_named(entry.platform) for entry in entries if entry.platform))))


def config_of(body: bytes) -> str:
    """The digest of a single image's configuration; empty where this is no manifest of one."""
    try:
        digest = msgspec.json.decode(body, type=_Manifest).config.digest
    except msgspec.MsgspecError:
        return ""
    return digest if _DIGEST.fullmatch(digest) else ""


def of_config(body: bytes) -> tuple[str, ...]:
    """The platform that a configuration names; empty where it names none."""
    try:
        name = _named(msgspec.json.decode(body, type=_Platform))
    except msgspec.MsgspecError:
        return ()
    return (name,) if name else ()


def _named(platform: _Platform) -> str:
    words = (platform.os, platform.architecture, *((platform.variant,) if platform.variant else ()))
    if "unknown" in words or not all(_WORD.fullmatch(word) for word in words):
        return ""
    return "/".join(words)
