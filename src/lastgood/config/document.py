"""`lastgood.yaml` as plain values that remember their lines."""

import hashlib
import re
from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec

from lastgood import __version__
from lastgood.model.errors import ConfigError
from lastgood.model.text import sanitise

if TYPE_CHECKING:
    from lastgood.config.nodes import Nodes

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
Place: TypeAlias = tuple[str | int, ...]


class Memo(Protocol):
    """Keeps what was computed from a content under that content's hash. It may forget at any time."""

    def get(self, key: str) -> bytes | None:
        """What was kept under `key`, or None."""
        ...

    def put(self, key: str, content: bytes) -> None:
        """Keep `content` under `key`, if that can be done."""
        ...


class Document:
    """One parsed file: `value` is its content, `name` how messages call it; its lines are looked up where asked for."""

    def __init__(self, name: str, value: Value, nodes: "Callable[[], Nodes]") -> None:
        self.name = name
        self.value = value
        self._compose = nodes

    @cached_property
    def _nodes(self) -> "Nodes":
        return self._compose()

    def error(self, place: Place, message: str, *because: str) -> ConfigError:
        """A ConfigError that begins with the file, the line and the place inside it: `lastgood.yaml:7 $.apps: …`."""
        return ConfigError(f"{self.name}:{self.line(place)} {spoken(place)}: {message}", because=because)

    def line(self, place: Place) -> int:
        """The line, from 1, of a key or list item; of the nearest thing around it where it is not there itself."""
        return self._nodes.line(place)

    def has(self, place: Place) -> bool:
        """Whether the file itself says something at this place."""
        return self._nodes.has(place)


def parse(text: bytes, name: str, memo: Memo | None = None) -> Document:
    """Read one YAML document. Raises ConfigError with line and column for what is not YAML 1.2 in UTF-8.

    Parsing takes longer than all else that a command reads (0.3 s for 500 services), so `memo` keeps the values.
    """
    key = hashlib.sha256(f"{__version__}\0".encode() + text).hexdigest()
    kept = memo.get(key) if memo else None
    if kept is not None:
        value: Value = msgspec.json.decode(kept)
        return Document(name, value, partial(_composed, text, name))
    nodes = _composed(text, name)
    value = nodes.value()
    encoded = msgspec.json.encode(value)
    if memo and msgspec.json.decode(encoded) == value:  # JSON has no infinity
        memo.put(key, encoded)
    return Document(name, value, lambda: nodes)


def _composed(text: bytes, name: str) -> "Nodes":
    from lastgood.config.nodes import compose

    return compose(text, name)


def spoken(place: Place) -> str:
    """`("services", "shop", "probes", 0)` as `$.services.shop.probes[0]`; unusual keys stand in `["…"]`."""
    return "$" + "".join(_step(step) for step in place)


def _step(step: str | int) -> str:
    if isinstance(step, str) and re.fullmatch(r"\w[\w-]*", step):
        return f".{step}"
    return f"[{step}]" if isinstance(step, int) else f'["{sanitise(step)}"]'
