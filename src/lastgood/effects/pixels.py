"""Whether a picture is of one colour, read off a PNG's bytes without a library for pictures."""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_BYTES: Final = {2: 3, 6: 4}
"""Bytes of a pixel by colour type (PNG, 11.2.2): RGB and RGBA, which Chromium writes."""
_LARGEST: Final = 64 * 1024 * 1024


def one_colour(png: bytes) -> bool:
    """Whether every pixel is the same. False for what cannot be read: then nobody knows."""
    try:
        chunks = list(_chunks(png))
        width, height, depth, kind = struct.unpack(">IIBB", chunks[0][1][:10])
        pixel = _BYTES[kind]
        if depth != 8 or width * height * pixel > _LARGEST:  # noqa: PLR2004 - bits of a sample
            return False
        raw = zlib.decompressobj().decompress(b"".join(data for name, data in chunks if name == b"IDAT"), _LARGEST)
    except (struct.error, zlib.error, KeyError, IndexError):
        return False
    size = width * pixel + 1
    rows = [raw[at : at + size] for at in range(0, len(raw), size)]
    return len(rows) == height > 0 and len(rows[-1]) == size and _uniform(rows, pixel)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while png.startswith(_SIGNATURE) and at + 8 <= len(png):
        length, name = struct.unpack(">I4s", png[at : at + 8])
        yield name, png[at + 8 : at + 8 + length]
        at += length + 12


def _uniform(rows: list[bytes], pixel: int) -> bool:
    """Rows as they are filtered (PNG, 9.2): each byte is itself, or what it is more than its neighbour.

    In one colour every difference is 0 but the first pixel's, whose neighbours outside of the picture count as 0.
    """
    colour, width = rows[0][1 : 1 + pixel], (len(rows[0]) - 1) // pixel
    whole, first, none = colour * width, colour + bytes(pixel * (width - 1)), bytes(pixel * width)
    top = {0: whole, 1: first, 2: whole, 4: first}
    below = {0: whole, 1: first, 2: none, 4: none}
    return top.get(rows[0][0]) == rows[0][1:] and all(below.get(row[0]) == row[1:] for row in rows[1:])
