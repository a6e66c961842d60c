"""Plain values to typed ones, with errors that name the exact key and what would have been right."""

import re
from enum import Enum
from typing import Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from lastgood.config.document import Document, Place
from lastgood.model.duration import Duration
from lastgood.model.errors import ConfigError

T = TypeVar("T")

_MESSAGE: Final = re.compile(r"(.*?)(?: - at `([^`]*)`)?", re.DOTALL)
_STEP: Final = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_WORDS: Final = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "nothing",
}


def typed(document: Document, place: Place, raw: object, kind: type[T]) -> T:
    """`raw`, which stands at `place` of the document, as a `kind`. Raises ConfigError at the exact place inside."""
    try:
        return msgspec.convert(raw, kind, dec_hook=_hook)
    except msgspec.ValidationError as error:
        raise _placed(document, place, raw, kind, str(error)) from error


def nearest(word: str, known: tuple[str, ...]) -> str:
    """`; did you mean x?` where a known word is near, else `; there are: …` with all of them."""
    from difflib import get_close_matches

    near = get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(known) or 'none'}"


def _hook(kind: type, value: object) -> object:
    """What msgspec does not know by itself: durations."""
    if kind is not Duration:
        raise NotImplementedError(f"no option may be of type {kind}")
    if isinstance(value, str):
        return Duration.parse(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"a duration needs its unit; write {value}s")  # noqa: TRY004 - msgspec places both alike
    raise ValueError("expected a duration such as 500ms, 2s, 10m or 1h")


def _placed(document: Document, place: Place, raw: object, kind: type, said: str) -> ConfigError:
    """The decoder's message as ours: it writes `$.json[...]` for keys of mappings, and knows no lines."""
    found = _MESSAGE.fullmatch(said)
    message, path = (found[1], found[2] or "") if found else (said, "")
    inner = _inner(raw, kind, said, path)
    where = (*place, *inner)
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL):
        return document.error((*where, unknown[1]), "unknown key" + nearest(unknown[1], _keys(_type_at(kind, inner))))
    if missing := re.fullmatch(r"Object missing required field `(.*)`", message):
        return document.error(where, f"{missing[1]} is missing")
    if wrong := re.fullmatch(r"Invalid enum value '?(.*?)'?", message):
        return document.error(where, f"{wrong[1]!r} is not known" + nearest(wrong[1], _choices(_type_at(kind, inner))))
    return document.error(where, _worded(message))


def _worded(message: str) -> str:
    """`Expected `str`, got `int`` in the words of somebody who writes YAML."""
    plain = re.sub(r"`(\w+)`", lambda word: _WORDS.get(word[1], word[1]), message)
    plain = plain.replace(" of length >= 1", " with something in it")
    plain = plain[:1].lower() + plain[1:]
    unquoted = plain in {f"expected text, got {_WORDS[kind]}" for kind in ("int", "float", "bool")}
    return f"{plain}; put it in quotes" if unquoted else plain


def _inner(raw: object, kind: type, said: str, path: str) -> Place:
    place: Place = ()
    for name, index in _STEP.findall(path.removeprefix("$")):
        step = _culprit(raw, kind, said, place) if index == "..." else name or int(index)
        place = (*place, step)
    return place


def _culprit(raw: object, kind: type, said: str, place: Place) -> str:
    """Which key of the mapping at `place` is meant: the one that alone gives the same message."""
    mapping = _at(raw, place)
    keys = list(mapping) if isinstance(mapping, dict) else []
    for key in keys:
        try:
            msgspec.convert(_reduced(raw, place, key), kind, dec_hook=_hook)
        except msgspec.ValidationError as error:
            if str(error) == said:
                return str(key)
    return "..."


def _at(raw: object, place: Place) -> object:
    for step in place:
        match raw:
            case dict():
                raw = raw[step]
            case list():
                raw = raw[int(step)]
            case _:
                return raw
    return raw


def _reduced(raw: object, place: Place, key: str) -> object:
    """A copy of `raw` whose mapping at `place` has only `key` left."""
    if not place:
        return {key: raw[key]} if isinstance(raw, dict) else raw
    step, rest = place[0], place[1:]
    if isinstance(raw, dict):
        return raw | {step: _reduced(raw[step], rest, key)}
    if isinstance(raw, list):
        return [_reduced(item, rest, key) if number == step else item for number, item in enumerate(raw)]
    return raw


def _type_at(kind: Any, place: Place) -> Any:  # noqa: ANN401 - type expressions have no common type
    """The declared type at a place inside `kind`, without `| None`."""
    for step in place:
        inner = [one for one in get_args(kind) if one is not type(None)]
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            kind = get_type_hints(kind).get(str(step))
        else:
            kind = inner[-1] if get_origin(kind) is dict else inner[0] if inner else None
        options = [one for one in get_args(kind) if one is not type(None)]
        if type(None) in get_args(kind) and len(options) == 1:
            kind = options[0]
    return kind


def _keys(kind: Any) -> tuple[str, ...]:  # noqa: ANN401 - as above
    return tuple(field.encode_name for field in msgspec.structs.fields(kind)) if isinstance(kind, type) else ()


def _choices(kind: Any) -> tuple[str, ...]:  # noqa: ANN401 - as above
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(str(member.value) for member in kind)
    return tuple(str(one) for one in get_args(kind)) if get_origin(kind) is Literal else ()
