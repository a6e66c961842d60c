"""Which images the way back needs, and where they are: what `lastgood images` answers."""

import msgspec

from lastgood.model.release import Image


class Needed(msgspec.Struct, frozen=True):
    """One release's image. `hosts` have it, `protected` are those of them where a tag of ours holds it.

    `registry` is `there`, `gone`, or `unknown` with the reason; `size` in bytes, None where no host has it or told.
    """

    image: Image
    image_id: str
    runs: bool
    hosts: tuple[str, ...]
    protected: tuple[str, ...]
    registry: str
    size: int | None = None

    @property
    def name(self) -> str:
        """What our tag calls it: the release's tag, or a digest where there is none or it is too long for a tag."""
        fits = self.image.tag and len(self.image.tag) <= _LONGEST
        return self.image.tag if fits else (self.image.digest or self.image_id).replace(":", "-")


class Leftover(msgspec.Struct, frozen=True):
    """A tag of ours on an image that is no longer needed. `last` where the image would go with it."""

    host: str
    repository: str
    name: str
    image_id: str
    last: bool


class Images(msgspec.Struct, frozen=True):
    """The images to go back `releases` releases, newest first, what runs included; `found` so many releases there are.

    `lost` are releases whose image can no longer be had, `warnings` are for the reader.
    """

    target: str
    releases: int
    found: int
    images: tuple[Needed, ...]
    leftovers: tuple[Leftover, ...]
    lost: tuple[str, ...]
    warnings: tuple[str, ...]


class Protection(msgspec.Struct, frozen=True):
    """What `lastgood images protect` did, what it could not do, and how things are now."""

    done: tuple[str, ...]
    failed: tuple[str, ...]
    kept: tuple[str, ...]
    now: Images


_LONGEST = 100
