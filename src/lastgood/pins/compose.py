"""`kind: compose`: the image of one service in a Compose file."""

import msgspec

from lastgood.model.errors import PinUnreadable
from lastgood.model.release import Image
from lastgood.pins import _yaml
from lastgood.pins._fields import Fields, read_image
from lastgood.pins._yaml import Document, place


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`file` below the deploy repo's root; `service` is the Compose service whose `image` is the pin."""

    file: str = "envs/{env}/apps/{service}/compose.yaml"
    service: str

    def __post_init__(self) -> None:
        if not self.service:
            message = "`service` names a service of the Compose file"
            raise ValueError(message)


class ComposePin:
    """Implements `ports.Pin` on a Compose file."""

    def __init__(self, options: Options) -> None:
        self._service = options.service

    def read(self, content: bytes) -> Image:
        """The pinned image. Raises PinUnreadable."""
        return read_image(self._fields(Document(content)))

    def write(self, content: bytes, image: Image, *, add_digest: bool = False) -> bytes:
        """`content` with `image` pinned: only the service's `image` changes. Raises PinUnreadable."""
        document = Document(content)
        before = self._fields(document)
        written = _yaml.write(document, before, image, add_digest=add_digest).encode()
        _yaml.check(self._fields(Document(written)), before, image, add_digest=add_digest)
        return written

    def variables(self, content: bytes) -> dict[str, str]:
        """None: the Compose file holds the values itself."""
        _ = content
        return {}

    def _fields(self, document: Document) -> Fields:
        node, where = document.root, ""
        for part in ("services", self._service, "image"):
            found = document.child(node, part, where)
            if found is None:
                raise PinUnreadable(
                    f"{place(node, where)} has no {part}; the image is looked for at services.{self._service}.image.",
                    next=("set the pin's `service` to a service of the Compose file that has an image",),
                )
            node, where = found, f"{where}.{part}" if where else part
        return Fields(whole=document.field(node, where))


def make(options: Options) -> ComposePin:
    """The pin for `options`."""
    return ComposePin(options)
