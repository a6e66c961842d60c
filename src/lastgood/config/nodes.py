"""YAML 1.2 nodes to plain values, and back to their lines. The only module that pays for importing ruamel.yaml."""

from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from lastgood.config.document import Place, Value, spoken
from lastgood.model.errors import ConfigError
from lastgood.model.text import sanitise

_TAG: Final = "tag:yaml.org,2002:"
_MOST: Final = 200_000
_DEEPEST: Final = 30


class Nodes:
    """One composed file: `name` is how messages call it."""

    def __init__(self, name: str, root: Node) -> None:
        self.name = name
        self._root = root
        self._left = _MOST

    def value(self) -> Value:
        """The content as plain values. Raises ConfigError."""
        return self._plain(self._root, ())

    def line(self, place: Place) -> int:
        """The line, from 1, of a key or list item; of the nearest thing around it where it is not there itself."""
        node, line = self._root, self._root.start_mark.line
        for step in place:
            found = _child(node, step)
            if found is None:
                break
            key, node = found
            line = key.start_mark.line
        return int(line) + 1

    def has(self, place: Place) -> bool:
        """Whether the file itself says something at this place."""
        node = self._root
        for step in place:
            found = _child(node, step)
            if found is None:
                return False
            node = found[1]
        return True

    def _plain(self, node: Node, place: Place) -> Value:
        """Plain values. Aliases are followed, with bounds on depth and size, so none can blow up or go in circles."""
        self._left -= 1
        if self._left < 0 or len(place) > _DEEPEST:
            raise ConfigError(f"{self.name}: too large or too deeply nested; are its aliases in a circle?")
        match node:
            case MappingNode():
                return self._mapping(node, place)
            case SequenceNode():
                return [self._plain(item, (*place, number)) for number, item in enumerate(node.value)]
            case _:
                return self._scalar(node, place)

    def _mapping(self, node: MappingNode, place: Place) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode) or key.tag != f"{_TAG}str":
                written = repr(key.value) if isinstance(key, ScalarNode) else "this one"
                raise self._at(key, place, f"keys are text; put {written} in quotes")
            if key.value in found:
                raise self._at(key, (*place, key.value), "this key stands here twice")
            found[key.value] = self._plain(value, (*place, key.value))
        return found

    def _scalar(self, node: Node, place: Place) -> Value:
        kind, text = str(node.tag).removeprefix(_TAG), str(node.value)
        try:
            match kind:
                case "null":
                    return None
                case "bool":
                    return text.lower() == "true"
                case "int":
                    return _whole(text)
                case "float":
                    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
                case "str" | "timestamp":  # dates are text to YAML 1.2, and tags can look like dates
                    return text
                case _:
                    pass
        except ValueError:
            raise self._at(node, place, f"{text!r} is not a number") from None
        raise self._at(node, place, f"YAML tags such as {str(node.tag)!r} are not used here")

    def _at(self, node: Node, place: Place, message: str) -> ConfigError:
        return ConfigError(f"{self.name}:{node.start_mark.line + 1} {spoken(place)}: {message}")


def compose(text: bytes, name: str) -> Nodes:
    """Read one YAML document. Raises ConfigError with line and column for what is not YAML 1.2 in UTF-8."""
    content = _decoded(text, name)
    try:
        root = YAML(typ="safe", pure=True).compose(content)
    except MarkedYAMLError as error:
        raise _syntax(error, content, name) from error
    except RecursionError as error:
        raise ConfigError(f"{name}: too deeply nested") from error
    except YAMLError as error:
        said = sanitise(str(error).splitlines()[0]) if str(error) else "cannot be read"
        raise ConfigError(f"{name}: not YAML: {said}") from error
    if root is None:
        raise ConfigError(f"{name}: the file is empty", next=("lastgood init",))
    return Nodes(name, root)


def _child(node: Node, step: str | int) -> tuple[Node, Node] | None:
    """The node that marks a child's line, and the child."""
    if isinstance(node, MappingNode):
        return next(((key, value) for key, value in node.value if key.value == step), None)
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def _whole(text: str) -> int:
    """YAML 1.2 whole numbers: `012` is twelve, `0o14` and `0xc` too."""
    plain = text.replace("_", "")
    return int(plain, 0) if plain.lstrip("+-")[:2].lower() in {"0x", "0o", "0b"} else int(plain)


def _decoded(text: bytes, name: str) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}:{line}: not UTF-8 text") from error


def _syntax(error: MarkedYAMLError, content: str, name: str) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return ConfigError(f"{name}: not YAML: {sanitise(str(error.problem))}")
    said = sanitise(str(error.problem)).replace("but found another document", "more than one document")
    lines = content.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    if line[: mark.column + 1].lstrip(" ").startswith("\t"):
        said = "indented by a tab; YAML wants spaces"
    return ConfigError(f"{name}:{mark.line + 1}:{mark.column + 1}: not YAML: {said}")
