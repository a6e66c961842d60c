"""How a file differs, as it may be shown: of a secret, and of what SOPS encrypted, only whether it changed. Pure.

Files are read line by line, whatever their format: a key and what belongs to it by indentation (YAML, JSON over
several lines), by section (INI), or by itself (dotenv). In doubt a value is left out.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec

from lastgood.git.names import clean
from lastgood.git.sealed import is_sealed
from lastgood.model.secretive import looks_secret

Path = tuple[str, ...]

_CONTEXT: Final = 3
_SECTION: Final = re.compile(r"\[([^\[\]]+)\]\s*$")
_INDENT: Final = re.compile(r"(\s*)((?:-\s+)*)")
_KEY: Final = re.compile(r"(?:export\s+)?[\"']?([^\s\"':=#{}\[\],][^\"':=]{0,200}?)[\"']?\s*(?::(?=\s|$)|=)\s*(.*)")
# A name and its value inside a line: `--password=x`, `{user: a, password: b}`. A tag (`auth-token:sha-1`) is none.
_INLINE: Final = re.compile(
    r"(?<![\w./-])-{0,2}([A-Za-z_][\w.-]{0,80})(?:\s{0,4}=\s{0,4}|[\"']\s{0,4}:\s{0,4}|\s{0,4}:\s{1,4})(?=\S)"
)
_FLAG: Final = re.compile(r"(?<![\w-])--?([A-Za-z][\w-]{0,80})[\s,\"']+(?=[^\s,\"'-])")
_LONE_FLAG: Final = re.compile(r"[\"']?--?([A-Za-z][\w-]{0,80})[\"']?,?")
_ELEMENT: Final = re.compile(r"<([A-Za-z_][\w.:-]{0,80})(?:\s[^<>]{0,200})?>(?=[^<\s])")
_URL: Final = re.compile(r"://[^\s/?#:@\"']{0,200}:(?=[^\s/?#\"']{1,500}@)")
_HEADER: Final = re.compile(r"\b(?:bearer|basic)\s+(?=\S{8})", re.IGNORECASE)
_BEGIN: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY")
_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY")
_FLAT: Final = re.compile(r"sops_([a-z]+)")
_EVERY_TIME: Final = frozenset({"mac", "lastmodified", "version"})


class _Line(NamedTuple):
    """A line, the keys above it, and of a secret the part that may be shown; None where all of it may."""

    text: str
    path: Path
    head: str | None = None

    @property
    def value(self) -> str:
        """What is not shown."""
        return "" if self.head is None else self.text[len(self.head) :].rstrip().rstrip(",")


class _Scope(NamedTuple):
    """A key that stands above: how far it is indented, and whether all below it is secret."""

    indent: int
    key: str
    secret: bool


def difference(old: bytes, new: bytes, *, masked: bool = True) -> tuple[str, ...]:
    """Unified diff lines, without file headers. With `masked`, values that look secret are not in them.

    Of a file that SOPS encrypted only its keys are told, in lines that begin with `~`.
    """
    if is_sealed(old) or is_sealed(new):
        return tuple(_sealed(old, new))
    if b"\0" in old or b"\0" in new:
        return ("Binary files differ",)
    before, after = (content.decode(errors="replace").splitlines() for content in (old, new))
    if not masked:
        return tuple(_unified([_Line(text, ()) for text in before], [_Line(text, ()) for text in after]))
    return tuple(_unified(_outline(before), _outline(after)))


def _unified(before: Sequence[_Line], after: Sequence[_Line]) -> Iterator[str]:
    from difflib import SequenceMatcher

    old, new = _values(before), _values(after)
    matcher = SequenceMatcher(None, [line.text for line in before], [line.text for line in after])
    for group in matcher.get_grouped_opcodes(_CONTEXT):
        first, last = group[0], group[-1]
        yield f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@"
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from (f" {_told(line, '(unchanged)')}" for line in before[i1:i2])
                continue
            yield from (f"-{_told(line, _fate(line.path, old, new, '(removed)'))}" for line in before[i1:i2])
            yield from (f"+{_told(line, _fate(line.path, new, old, '(added)'))}" for line in after[j1:j2])


def _range(start: int, stop: int) -> str:
    """As in a unified diff (diff(1), "Detailed Unified"): the first line and how many, where that is not one."""
    length = stop - start
    return str(start + 1) if length == 1 else f"{start + bool(length)},{length}"


def _told(line: _Line, fate: str) -> str:
    return line.text if line.head is None else line.head + fate


def _fate(path: Path, here: dict[Path, str], there: dict[Path, str], alone: str) -> str:
    if path not in there:
        return alone
    return "(unchanged)" if here.get(path) == there[path] else "(changed)"


def _values(lines: Sequence[_Line]) -> dict[Path, str]:
    """By path, all that is secret there."""
    found: dict[Path, str] = {}
    for line in lines:
        if line.head is not None:
            found[line.path] = f"{found.get(line.path, '')}{line.value.strip()}\n"
    return found


def _outline(lines: Sequence[str]) -> list[_Line]:
    reader = _Reader()
    return [reader.read(text) for text in lines]


class _Reader:
    """Reads a file from its first line to its last, and knows where it is."""

    def __init__(self) -> None:
        self._above: list[_Scope] = []
        self._key_block = False
        self._quote = ""
        self._flag = False

    def read(self, text: str) -> _Line:
        """The next line."""
        if self._key_block or _BEGIN.search(text):
            return self._in_key_block(text)
        if self._quote:
            self._quote = "" if _odd(text, self._quote) else self._quote
            return _Line(text, self._path, "")
        if not text.strip():
            return _Line(text, self._path)
        section = _SECTION.match(text)
        if section:
            self._above = [_Scope(-1, section[1], looks_secret(section[1]))]
            return _Line(text, self._path)
        return self._in_place(text)

    @property
    def _path(self) -> Path:
        return tuple(scope.key for scope in self._above)

    def _in_key_block(self, text: str) -> _Line:
        begin = _BEGIN.search(text)
        self._key_block = _END.search(text) is None
        head = text[: begin.start()] if begin else text[: len(text) - len(text.lstrip())]
        own = _KEY.match(text, _indent(text)[1]) if begin else None
        if own:
            self._enter(text, own[1], secret=True)
        return _Line(text, self._path, head)

    def _in_place(self, text: str) -> _Line:
        at = _indent(text)[1]
        found = _KEY.match(text, at)
        if found is None:
            if not text.startswith(("#", ";"), at):  # a comment may stand anywhere
                self._leave(text)
            return self._loose(text, at)
        key, value = found[1].strip(), found[2].strip()
        secret = _is_secret(key, value) or self._hidden_after_leaving(text)
        self._enter(text, key, secret=secret)
        if not secret:
            line = self._loose(text, found.start(2))
            if at > _indent(text)[0] and key.lower() in {"name", "key"} and _is_secret(value.strip("\"',"), ""):
                self._above.insert(-1, _Scope(at - 1, value, secret=True))  # `- name: DB_PASSWORD`, `value:` below it
            return line
        if not value or value in {"{", "["}:
            return _Line(text, self._path)
        if value[0] in "\"'" and _odd(value, value[0]):
            self._quote = value[0]
        return _Line(text, self._path, text[: found.start(2)])

    def _hidden_after_leaving(self, text: str) -> bool:
        self._leave(text)
        return any(scope.secret for scope in self._above)

    def _loose(self, text: str, at: int) -> _Line:
        """A line whose own key, if it has one, is not secret."""
        flagged, self._flag = self._flag, False
        if flagged or any(scope.secret for scope in self._above):
            return _Line(text, self._path, text[:at]) if text[at:].strip("{}[], \t") else _Line(text, self._path)
        flag = _LONE_FLAG.fullmatch(text[at:].strip())
        self._flag = flag is not None and _is_secret(flag[1], "")
        starts = [found.end() for found in (_URL.search(text), _HEADER.search(text)) if found]
        for pattern in (_INLINE, _FLAG, _ELEMENT):
            found = (each.end() for each in pattern.finditer(text) if _is_secret(each[1], _word(text, each.end())))
            starts += [end for end in (next(found, None),) if end is not None]
        return _Line(text, (*self._path, "…"), text[: min(starts)]) if starts else _Line(text, self._path)

    def _leave(self, text: str) -> None:
        """Go up to what a line of this indentation belongs to. A list may stand as far left as its key."""
        dash, at = _indent(text)
        limit = dash + 1 if at > dash else at
        while self._above and self._above[-1].indent >= limit:
            self._above.pop()

    def _enter(self, text: str, key: str, *, secret: bool) -> None:
        self._leave(text)
        self._above.append(_Scope(_indent(text)[1], key, secret))


def _indent(text: str) -> tuple[int, int]:
    """Where a line begins, and where what follows its list dashes does."""
    found = _INDENT.match(text)
    return (len(found[1]), found.end()) if found else (0, 0)


def _word(text: str, at: int) -> str:
    return re.split(r"[,}\s]", text[at : at + 200], maxsplit=1)[0]


def _is_secret(key: str, value: str) -> bool:
    name = f"password_{key}" if "pass" in key.lower() else key  # `dbPass` as well
    return looks_secret(name, value.strip("\"', "))


def _odd(text: str, quote: str) -> bool:
    return (text.count(quote) - text.count(f"\\{quote}")) % 2 == 1


def _sealed(old: bytes, new: bytes) -> Iterator[str]:
    before, after = ({} if not side else _keys(side) for side in (old, new))
    same = [key for key in after if before.get(key) == after[key]]
    other = [key for key in dict.fromkeys((*before, *after)) if key not in same]
    counted = [sum(not key.startswith("sops.") for key in keys) for keys in (other, same)]
    yield f"~ {_how(old, new)}: {counted[0]} (changed), {counted[1]} (unchanged)"
    for key in other:
        fate = "(added)" if key not in before else "(removed)" if key not in after else "(changed)"
        yield f"~ {clean(key)}: {fate}"


def _how(old: bytes, new: bytes) -> str:
    if old and not is_sealed(old):
        return "becomes encrypted by SOPS; keys"
    if new and not is_sealed(new):
        return "is no longer encrypted by SOPS: its values stand in plain text; keys"
    return "encrypted by SOPS, moved whole and not decrypted; keys"


def _keys(content: bytes) -> dict[str, str]:
    """By key, what stands there, encrypted as it is; of the metadata, what does not change every time."""
    with suppress(msgspec.MsgspecError, RecursionError):  # JSON may stand in one line
        content = msgspec.json.format(content, indent=1)
    found: dict[str, str] = {}
    reader = _Reader()
    for text in content.decode(errors="replace").splitlines():
        path = [key for key in reader.read(text).path if key != "…"]
        if not path or not text.strip() or text.lstrip()[0] in "#;":
            continue
        flat = _FLAT.match(path[0])
        if flat or path[0] == "sops":
            part = flat[1] if flat else "".join(path[1:2])
            if not part or part in _EVERY_TIME:
                continue
            path = ["sops", part]
        name = ".".join(filter(None, path))
        found[name] = f"{found.get(name, '')}{text.strip().rstrip(',')}\n"
    return _without_parents(found)


def _without_parents(found: dict[str, str]) -> dict[str, str]:
    """Only keys that have a value of their own."""
    return {name: text for name, text in found.items() if not re.fullmatch(r"(- )*[^:=]*[:=]?\s*[\[{]?\n", text)}
