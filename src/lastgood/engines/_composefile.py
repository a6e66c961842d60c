"""Compose files as far as they can be read without Compose, and the two files that steer it.

Facts: interpolation as in https://docs.docker.com/reference/compose-file/interpolation/, env files as in
https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/#env-file-syntax, both checked
against Compose 5.6.
"""

import re
from typing import TYPE_CHECKING

import msgspec

from lastgood.engines._docker import IMAGE_LABEL, RUN_LABEL, reference, same_repository
from lastgood.model.release import Image
from lastgood.model.step import RenderStep

if TYPE_CHECKING:
    from ruamel.yaml import Node
    from ruamel.yaml.constructor import SafeConstructor

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXPRESSION = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-?+])(.*))?", re.DOTALL)
_LONGEST = 1000
# Inside double quotes of an env file. Single quotes would be simpler, but there a backslash before the closing quote
# cannot be written.
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "$": "\\$", "\n": "\\n", "\r": "\\r"})


def services(content: bytes, variables: dict[str, str], repository: str) -> tuple[str, ...]:
    """The services of a Compose file whose image is of `repository`, in the file's order.

    Only this file is read: what it includes or extends, and variables out of other env files, are left to Compose
    itself, which is asked before a switch. Raises ValueError where this is no Compose file.
    """
    return tuple(
        name
        for name, service in _services(content).items()
        if isinstance(service, dict) and _uses(service.get("image"), variables, repository)
    )


def _services(content: bytes) -> dict[str, object]:
    document = _loaded(content.decode())
    found = document.get("services") if isinstance(document, dict) else None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        message = "it is no Compose file: it has no mapping `services`"
        raise ValueError(message)
    return found


def _loaded(text: str) -> object:
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import SafeConstructor
    from ruamel.yaml.error import YAMLError

    class Constructor(SafeConstructor):
        """Of its own, so that Compose's tags (`!reset`, `!override`) are accepted here only."""

    Constructor.add_multi_constructor("!", _untagged)
    yaml = YAML(typ="safe")
    yaml.Constructor = Constructor
    try:
        loaded: object = yaml.load(text)
    except (YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        message = f"it is not YAML{where}: {getattr(error, 'problem', None) or type(error).__name__}"
        raise ValueError(message) from error
    return loaded


def _untagged(constructor: "SafeConstructor", _: str, node: "Node") -> object:
    """The value as if it had no tag."""
    from ruamel.yaml import MappingNode, SequenceNode

    if isinstance(node, MappingNode):
        return constructor.construct_mapping(node, deep=True)
    return constructor.construct_sequence(node, deep=True) if isinstance(node, SequenceNode) else node.value


def _uses(image: object, variables: dict[str, str], repository: str) -> bool:
    if not isinstance(image, str):
        return False
    try:
        return same_repository(Image.parse(interpolated(image, variables)).repository, repository)
    except ValueError:  # Compose will refuse it too, with a better message
        return False


def interpolated(text: str, variables: dict[str, str]) -> str:
    """`text` with `$VAR` and `${VAR}`, its defaults and alternatives filled in; what is not set is empty.

    Raises ValueError for what Compose would not accept either.
    """
    if len(text) > _LONGEST:
        message = "it is too long for an image reference"
        raise ValueError(message)
    done = ""
    while "$" in text:
        before, _, rest = text.partition("$")
        value, text = _first(rest, variables)
        done += before + value
    return done + text


def _first(rest: str, variables: dict[str, str]) -> tuple[str, str]:
    """The value of the expression that `rest`, which follows a dollar sign, begins with; and what comes after."""
    if rest.startswith("$"):
        return "$", rest[1:]
    if rest.startswith("{"):
        inner, after = _braced(rest)
        return _value(inner, variables), after
    name = _NAME.match(rest)
    if name is None:
        message = "a $ is followed by no name"
        raise ValueError(message)
    return variables.get(name[0], ""), rest[name.end() :]


def _braced(rest: str) -> tuple[str, str]:
    depth = 0
    for found in re.finditer(r"[{}]", rest):
        depth += 1 if found[0] == "{" else -1
        if depth == 0:
            return rest[1 : found.start()], rest[found.end() :]
    message = "a ${ is not closed"
    raise ValueError(message)


def _value(inner: str, variables: dict[str, str]) -> str:
    """An expression's value. A required variable (`?`) that is not set is empty: it may stand in another env file."""
    parts = _EXPRESSION.fullmatch(inner)
    if parts is None:
        message = "a ${…} holds no expression"
        raise ValueError(message)
    name, operator, word = parts.groups(default="")
    value = variables.get(name, "")
    given = bool(value) if operator.startswith(":") else name in variables
    if operator.endswith("-"):
        return value if given else interpolated(word, variables)
    if operator.endswith("+"):
        return interpolated(word, variables) if given else ""
    return value


def values_env(variables: dict[str, str]) -> bytes:
    """An env file for Compose that gives exactly these values, whatever is in them.

    Raises ValueError for names that are none, and for text that no environment can hold (NUL, lone surrogates).
    """
    for name, value in variables.items():
        if not _NAME.fullmatch(name) or "\0" in value:
            message = f"{name!r} cannot be given to Compose as a variable"
            raise ValueError(message)
    return "".join(f'{name}="{value.translate(_ESCAPES)}"\n' for name, value in variables.items()).encode()


def override(step: RenderStep, run: str) -> bytes:
    """A Compose file (JSON is YAML) that makes the step's services run the step's image and nothing be pulled.

    Labels are the same at every repetition in a run, so that Compose leaves what it already switched alone.
    """
    labels = {RUN_LABEL: run} if step.marked else {}
    if reference(step.image) == step.image.image_id:
        labels[IMAGE_LABEL] = step.image.image.repository
    service = {"image": reference(step.image), "pull_policy": "never", "labels": labels}
    escaped = msgspec.json.encode({"services": dict.fromkeys(step.services, service)}).replace(b"$", b"$$")
    return msgspec.json.format(escaped, indent=2) + b"\n"
