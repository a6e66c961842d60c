"""`kind: values`: an image in a YAML file of values, at a dotted path."""

import re
from typing import TYPE_CHECKING

import msgspec

from lastgood.model.errors import PinUnreadable
from lastgood.model.release import Image
from lastgood.pins import _yaml
from lastgood.pins._fields import Field, Fields, read_image
from lastgood.pins._yaml import Document, place

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

_KEY = re.compile(r"[^.\s]+(?:\.[^.\s]+)*")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`file` below the deploy repo's root; `key` is the dotted path to the image.

    At `key` stands a mapping with `repository`, `tag` and perhaps `digest`, or one value that holds a whole reference.
    """

    file: str = "envs/{env}/apps/{service}/values.yaml"
    key: str = "image"

    def __post_init__(self) -> None:
        if _KEY.fullmatch(self.key) is None:
            message = f"`key` is a dotted path such as `image`, not {self.key!r}"
            raise ValueError(message)


class ValuesPin:
    """Implements `ports.Pin` on a YAML file."""

    def __init__(self, options: Options) -> None:
        self._key = options.key

    def read(self, content: bytes) -> Image:
        """The pinned image. Raises PinUnreadable."""
        return read_image(self._fields(Document(content)))

    def write(self, content: bytes, image: Image, *, add_digest: bool = False) -> bytes:
        """`content` with `image` pinned: only the lines that must change do, byte for byte. Raises PinUnreadable."""
        document = Document(content)
        before = self._fields(document)
        written = _yaml.write(document, before, image, add_digest=add_digest).encode()
        _yaml.check(self._fields(Document(written)), before, image, add_digest=add_digest)
        return written

    def variables(self, content: bytes) -> dict[str, str]:
        """The file's values flattened to variables for Compose interpolation. Raises PinUnreadable."""
        return _yaml.flattened(Document(content))

    def _fields(self, document: Document) -> Fields:
        from ruamel.yaml.nodes import ScalarNode

        node, where = document.root, ""
        for part in self._key.split("."):
            parent, above = node, where
            where = f"{where}.{part}" if where else part
            found = document.child(parent, part, above)
            if found is None:
                raise PinUnreadable(
                    f"{place(parent, above)} has no key {part}; the image is looked for at {self._key}.",
                    next=("set the pin's `key` to the dotted path of the image",),
                )
            node = found
        if isinstance(node, ScalarNode):
            return Fields(whole=document.field(node, where))
        if document.child(node, "registry", where) is not None:
            raise PinUnreadable(
                f"{place(node, where)} has a key `registry`, which this pin does not know.",
                next=("write the registry as the beginning of `repository`",),
            )
        return Fields(
            repository=_part(document, node, "repository", where),
            tag=_part(document, node, "tag", where),
            digest=_part(document, node, "digest", where),
        )


def _part(document: Document, node: "Node", name: str, where: str) -> Field | None:
    found = document.child(node, name, where)
    return document.field(found, f"{where}.{name}") if found is not None else None


def make(options: Options) -> ValuesPin:
    """The pin for `options`."""
    return ValuesPin(options)
