"""YAML for pins: nodes with their place in the source, so that a value can be replaced and all else stays."""

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from lastgood.model.errors import PinUnreadable
from lastgood.model.release import Image
from lastgood.pins._fields import (
    Edit,
    Field,
    Fields,
    expected,
    line_end,
    newline_of,
    read_image,
    rewrite,
    text_of,
)

if TYPE_CHECKING:
    from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

_NULL = "tag:yaml.org,2002:null"
_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./:@+-]*(?<!:)")
_MAX_DEPTH = 50


class Document:
    """One YAML document: its text, and its nodes below `root`. Raises PinUnreadable where it cannot be one."""

    def __init__(self, content: bytes) -> None:
        self.text = text_of(content)
        self.root = _composed(self.text)
        self._keys: dict[int, Node] = {}

    def mapping(self, node: "Node", where: str) -> "MappingNode":
        """`node` as a mapping; raises PinUnreadable."""
        from ruamel.yaml.nodes import MappingNode

        if not isinstance(node, MappingNode):
            raise PinUnreadable(f"{place(node, where)} is not a mapping.")
        return node

    def child(self, node: "Node", key: str, where: str) -> "Node | None":
        """The value of `key` in the mapping `node`, which `where` names; None where it is not there.

        Raises PinUnreadable where it stands twice, or elsewhere in the file: writing it there would change more.
        """
        mapping = self.mapping(node, where)
        found = [(name, value) for name, value in mapping.value if name.value == key]
        below = f"{where}.{key}" if where else key
        if len(found) > 1:
            raise PinUnreadable(f"{place(found[1][0], below)} stands there twice.", next=("remove one of them",))
        if not found:
            self._check_not_merged(mapping, below)
            return None
        name, value = found[0]
        if value.start_mark.index < name.end_mark.index:
            raise PinUnreadable(
                f"{place(name, below)} is an alias of something else in the file.", next=("write the value there",)
            )
        self._keys[id(value)] = name
        return value  # type: ignore[no-any-return]  # ruamel.yaml does not type its nodes' values

    def _check_not_merged(self, mapping: "MappingNode", below: str) -> None:
        merge = next((name for name, _ in mapping.value if name.value == "<<"), None)
        if merge is not None:
            raise PinUnreadable(
                f"{place(merge, below)} is not there, and what is merged in by `<<` is not searched for it.",
                next=("write the value there",),
            )

    def field(self, node: "Node", where: str) -> Field:
        """A scalar as a field; raises PinUnreadable for what cannot be replaced in place."""
        from ruamel.yaml.nodes import ScalarNode

        if not isinstance(node, ScalarNode):
            raise PinUnreadable(f"{place(node, where)} is not a single value.")
        start, end = node.start_mark.index, node.end_mark.index
        source = self.text[start:end]
        if start == end and (key := self._keys.get(id(node))):
            # A value that is not there is marked at whatever comes next; its place is behind the key's colon.
            start = end = self.text.index(":", key.end_mark.index) + 1
            node_there: Node = key
        else:
            node_there = node
        at = place(node_there, where)
        if node.style in {"|", ">"} or "\n" in source or "\r" in source:
            raise PinUnreadable(f"{at} is a block of text.", next=("write it in one line",))
        if source.startswith(("&", "!")):
            raise PinUnreadable(f"{at} has an anchor or a type of its own.", next=("write the plain value",))
        is_null = node.tag == _NULL and not node.style
        value = node.value if node.style else source
        return Field("" if is_null else value, start, end, node.style or "", at)


def place(node: "Node", where: str) -> str:
    """A node's place for a reader: `line 4, image.tag`."""
    return f"line {node.start_mark.line + 1}, {where or 'the whole file'}"


@lru_cache(maxsize=128)  # history reads the same few contents again and again
def _composed(text: str) -> "Node":
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        node: Node | None = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise PinUnreadable(f"{line}the pin file is not valid YAML.", because=(str(error.problem),)) from error
    except (YAMLError, ValueError) as error:
        raise PinUnreadable("The pin file is not valid YAML.", because=(str(error).splitlines()[0],)) from error
    except RecursionError as error:
        raise PinUnreadable("The pin file is nested too deeply.") from error
    if node is None:
        raise PinUnreadable("The pin file is empty.")
    return node


def quoted(field: Field, value: str) -> str:
    """`value` as it stands in the source: quoted as before, or where YAML would not read it as text otherwise."""
    if field.quote:
        return f"{field.quote}{value}{field.quote}"
    gap = " " if field.start == field.end else ""
    return gap + (value if is_plain_text(value) else f'"{value}"')


def is_plain_text(value: str) -> bool:
    """Whether every YAML reads `value`, unquoted, as text: also version 1.1, in which `0123` and `1:20` are numbers."""
    from ruamel.yaml.resolver import implicit_resolvers

    return _PLAIN.fullmatch(value) is not None and not any(
        value[0] in (first or value[0]) and pattern.match(value) for _, _, pattern, first in implicit_resolvers
    )


def write(document: Document, fields: Fields, image: Image, *, add_digest: bool) -> str:
    """The document's text with `image` pinned. Raises PinUnreadable."""

    def insert(after: Field, digest: str) -> Edit:
        return _digest_line(document.text, after, digest)

    return rewrite(document.text, fields, image, quoted, insert if add_digest else None)


def check(fields: Fields, before: Fields, image: Image, *, add_digest: bool) -> None:
    """Raise PinUnreadable unless the written `fields` say what was to be pinned where `before` stood."""
    found, wanted = read_image(fields), expected(before, image, add_digest=add_digest)
    if found != wanted:
        raise PinUnreadable(f"Pinning {wanted} would be read as {found}.", next=("edit the pin by hand",))


def _digest_line(text: str, after: Field, digest: str) -> Edit:
    """The edit that puts a digest after the tag: on a line of its own, or behind a comma in a flow mapping."""
    value = f"{after.quote}{digest}{after.quote}"
    begin = max(text.rfind("\n", 0, after.start), text.rfind("\r", 0, after.start)) + 1
    key = re.compile(r"\ufeff?([ ]*)(?:\"[^\"]*\"|'[^']*'|[\w.-]+)[ ]*:[ \t]+").fullmatch(text, begin, after.start)
    if key is None:
        return Edit(after.end, after.end, f", digest: {value}")
    end = line_end(text, after.end)
    return Edit(end, end, f"{newline_of(text, end)}{key[1]}digest: {value}")


def flattened(document: Document) -> dict[str, str]:
    """Every value of the document as a variable: `image.tag` is `IMAGE_TAG`, list items are numbered from 0.

    Plain values are as written, a null is empty, a block is its text. Raises PinUnreadable where two get one name.
    """
    found: dict[str, str] = {}
    _flatten(document.root, (), found)
    return found


def _flatten(node: "Node", path: tuple[str, ...], found: dict[str, str]) -> None:
    from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

    where = ".".join(path)
    if len(path) > _MAX_DEPTH or len(found) > 10 * 1000:
        raise PinUnreadable(f"{place(node, where)}: too much to make variables of.")
    if isinstance(node, MappingNode):
        for key, value in _merged(node, where).items():
            _flatten(value, (*path, key), found)
    elif isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            _flatten(item, (*path, str(index)), found)
    elif isinstance(node, ScalarNode):
        _add(node, path, found)


def _add(node: "ScalarNode", path: tuple[str, ...], found: dict[str, str]) -> None:
    name = re.sub(r"[^A-Za-z0-9_]", "_", "_".join(path)).upper()
    if not name:
        raise PinUnreadable(f"{place(node, '.'.join(path))} has no name to make a variable of.")
    if name in found:
        raise PinUnreadable(
            f"{place(node, '.'.join(path))}: another value is the variable {name} already.",
            next=("rename one of the two keys",),
        )
    found[name] = "" if node.tag == _NULL and not node.style else node.value


def _merged(node: "MappingNode", where: str, depth: int = 0) -> "dict[str, Node]":
    """A mapping's own entries, and what `<<` merges in below them (YAML's merge key: earlier mappings win)."""
    own: dict[str, Node] = {}
    inherited: dict[str, Node] = {}
    for key, value in node.value:
        if not isinstance(key.value, str) or (key.value in own and key.value != "<<"):
            raise PinUnreadable(f"{place(key, where)}: the key cannot be used, or stands there twice.")
        if key.value == "<<":
            inherited = {**_sources(value, where, depth + 1), **inherited}
        else:
            own[key.value] = value
    return {**inherited, **own}


def _sources(value: "Node", where: str, depth: int) -> "dict[str, Node]":
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    sources = value.value if isinstance(value, SequenceNode) else [value]
    if depth > _MAX_DEPTH or not all(isinstance(source, MappingNode) for source in sources):
        raise PinUnreadable(f"{place(value, where)}: `<<` does not merge a mapping.")
    found: dict[str, Node] = {}
    for source in reversed(sources):
        found.update(_merged(source, where, depth))
    return found
