"""Takes secrets out of what is kept as evidence. Pure.

Two ways: values known to be secret, from the environment of the containers the evidence is about, are masked wherever
they stand; and what looks like a credential by itself is masked without being known. In doubt it masks: evidence that
lost a word is still evidence, a password in an incident report is an incident of its own.
"""

import base64
import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import quote, quote_plus, unquote

import msgspec

from lastgood.model.secretive import MASK, looks_secret
from lastgood.record.looks import masked

_LEAST = 4
_LEAST_BASE64 = 6

_URL_PASSWORD: Final = re.compile(r"://[^\s/?#:@\"']*:([^\s/?#\"']+)@")
_LOGINS: Final = ("-u", "--user", "--proxy-user")  # of curl, in a HEALTHCHECK: `user:password`
_PAIR: Final = re.compile(r"-{0,2}([A-Za-z_][\w.-]*)=(.*)", re.DOTALL)


def secrets(variables: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The secret values among environment variables (name, value): those of secret-looking names, passwords in URLs.

    Values of fewer than four characters are left alone: masking them would mask half the alphabet.
    """
    found: set[str] = set()
    for name, value in variables:
        found |= _url_passwords(value)
        if looks_secret(name, value):
            found.add(value)
    return frozenset(value for value in found if len(value) >= _LEAST)


def secrets_of_inspect(content: bytes) -> frozenset[str]:
    """The secret values in the JSON of `docker inspect`: of environments, labels and command lines.

    Raises ValueError where it is not JSON.
    """
    with _readable():
        return secrets(_pairs(msgspec.json.decode(content)))


def redact(text: bytes, known: Iterable[str]) -> tuple[bytes, tuple[str, ...]]:
    """`text` with the values in `known` and everything that looks like a credential masked, and the kinds masked.

    Known values are found as they are and as they stand in URLs, in JSON and in base64.
    """
    return _redacted(text, _any_of(known))


def without(text: str, known: Iterable[str] = ()) -> str:
    """As `redact`, of a text."""
    return redact(_bytes(text), known)[0].decode(errors="surrogateescape")


def redact_inspect(content: bytes) -> bytes:
    """The JSON of `docker inspect`, indented, with secret values masked in place; its names and shape stay.

    Raises ValueError where it is not JSON.
    """
    with _readable():
        document = msgspec.json.decode(content)
        known = _any_of(secrets(_pairs(document)))
        return msgspec.json.format(msgspec.json.encode(_mapped(document, known)), indent=2)


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        message = f"this is not the JSON of an inspect command: {error}"
        raise ValueError(message) from error


def _pairs(node: object) -> Iterator[tuple[str, str]]:
    """Whatever is a name with a value in a document: `NAME=value`, `--name value`, a mapping's text, and lone text."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            if isinstance(value, str):
                yield str(name), value
            else:
                yield from _pairs(value)
    elif isinstance(node, list):
        for before, value in zip([None, *node], node, strict=False):
            if isinstance(before, str) and isinstance(value, str) and before.startswith("-") and "=" not in before:
                yield (before.lstrip("-"), value) if before not in _LOGINS else ("password", value.partition(":")[2])
            yield from _pairs(value)
    elif isinstance(node, str):
        pair = _PAIR.fullmatch(node)
        yield (pair[1], pair[2]) if pair else ("", node)


def _mapped(node: object, known: re.Pattern[bytes] | None, name: str = "") -> object:
    """The document with secrets masked; `name` is what `node` is called in the mapping around it."""
    if isinstance(node, Mapping):
        return {key: _mapped(value, known, str(key)) for key, value in node.items()}
    if isinstance(node, list):
        return [_mapped(value, known) for value in node]
    if not isinstance(node, str) or not node:
        return node
    pair = _PAIR.fullmatch(node)
    if looks_secret(name, node):
        return MASK
    if pair and pair[2] and looks_secret(pair[1], pair[2]):  # that it is empty may be the diagnosis
        return node[: pair.start(2)] + MASK
    return _redacted(_bytes(node), known)[0].decode(errors="replace")


def _any_of(known: Iterable[str]) -> re.Pattern[bytes] | None:
    """Finds every form of the known secrets, the longest first; None where there are none."""
    forms = {form for value in known if len(value) >= _LEAST for form in _forms(value)}
    return re.compile(b"|".join(map(re.escape, sorted(forms, key=len, reverse=True)))) if forms else None


def _redacted(text: bytes, known: re.Pattern[bytes] | None) -> tuple[bytes, tuple[str, ...]]:
    kinds: list[str] = []
    if known is not None:
        text, count = known.subn(MASK.encode(), text)
        kinds += ["known secret"] * bool(count)
    text, found = masked(text)
    return text, (*kinds, *found)


def _url_passwords(value: str) -> set[str]:
    found = set(_URL_PASSWORD.findall(value))
    return found | {unquote(each) for each in found}


def _forms(value: str) -> Iterator[bytes]:
    raw = _bytes(value)
    yield raw
    for escaped in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        yield escaped.encode()
        yield re.sub("%..", lambda found: found[0].lower(), escaped).encode()
    for ascii_only in (True, False):
        yield _bytes(json.dumps(value, ensure_ascii=ascii_only)[1:-1])
    yield _bytes(value).decode(errors="replace").encode("utf-16-le")  # as programs from Windows write their logs
    yield from _base64_forms(raw)


def _bytes(value: str) -> bytes:
    """The bytes a text stands for: undecodable ones as they were; what JSON can write but no text can be, as it is."""
    try:
        return value.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return value.encode(errors="surrogatepass")


def _base64_forms(raw: bytes) -> Iterator[bytes]:
    """What of `raw` stays the same in base64 wherever in a longer text it stands (`user:password`, say)."""
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw)
        # Characters that also hold bits of a neighbour differ from text to text.
        first = -(-offset * 8 // 6)
        stable = encoded[first : (offset + len(raw)) * 8 // 6]
        if len(stable) >= _LEAST_BASE64:
            yield stable
            yield stable.replace(b"+", b"-").replace(b"/", b"_")
