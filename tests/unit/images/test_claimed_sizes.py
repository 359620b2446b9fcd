"""Sizes that a file claims: refused before memory is taken, on every page."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resnext.errors import FailureCode, InputError
from resnext.images.decode import decode, frame_count
from support.pictures import IN_FULL, chunk, encoded, source


def gif(*frames: tuple[int, int, int, int]) -> bytes:
    """A GIF of frames (left, top, width, height) without pixels, whose screen is 1 x 1."""
    parts = [b"GIF89a\1\0\1\0\x80\0\0" + bytes(6)]
    parts += [b"," + struct.pack("<4H", *frame) + b"\0\2\2\x4c\1\0" for frame in frames]
    return b"".join(parts) + b";"


def icon(picture: bytes) -> bytes:
    return b"\0\0\1\0\1\0" + struct.pack("<4BHHII", 16, 16, 0, 0, 1, 32, len(picture), 22) + picture


def png_of(width: int, height: int) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


def webp_of(width: int, height: int) -> bytes:
    body = b"VP8L" + struct.pack("<I", 8) + b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(3)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


JXL_HUGE = b"\xff\x0a" + (0 | 3 << 1 | (49_999) << 3 | 1 << 33).to_bytes(12, "little")  # 50000 x 50000


@pytest.mark.parametrize(
    ("content", "frame"),
    [
        (gif((0, 0, 65535, 65535)), None),
        (gif((0, 0, 1, 1), (0, 0, 65535, 65535)), 1),
        (gif((0, 0, 1, 1), (65000, 65000, 1, 1)), 1),
        (icon(png_of(30000, 30000)), None),
        (icon(struct.pack("<IiiHHI", 40, 30000, 60000, 1, 32, 0) + bytes(24)), None),
        (png_of(30000, 30000), None),
        (webp_of(16384, 16384), None),
        (JXL_HUGE, None),
    ],
    ids=["gif", "second frame", "far frame", "icon of png", "icon of bmp", "png", "webp", "jpeg xl"],
)
def test_a_claimed_size_is_refused_before_memory_is_taken(
    monkeypatch: pytest.MonkeyPatch, content: bytes, frame: int | None
) -> None:
    taken: list[tuple[int, int]] = []
    for name in ("new", "fill"):
        monkeypatch.setattr(Image.core, name, noted(getattr(Image.core, name), taken))
    with pytest.raises(InputError) as caught:
        decode(source(content), IN_FULL, frame=frame)
    assert caught.value.code == FailureCode.TOO_LARGE
    assert all(width * height < 1000 for width, height in taken)


def noted(make: Callable[..., Any], taken: list[tuple[int, int]]) -> Callable[..., Any]:
    def make_and_note(mode: str, size: tuple[int, int], *rest: Any) -> Any:
        taken.append(size)
        return make(mode, size, *rest)

    return make_and_note


def test_a_later_page_of_a_tiff_is_refused_by_its_size(photo: Image.Image) -> None:
    content = bytearray(encoded(photo, "TIFF", save_all=True, append_images=[photo] * 2))
    width = struct.pack("<HHII", 256, 4, 1, 300)
    place = [at for at in range(len(content)) if content[at : at + 12] == width] or [
        at for at in range(len(content)) if content[at : at + 12] == struct.pack("<HHIHH", 256, 3, 1, 300, 0)
    ]
    assert len(place) == 3
    content[place[1] : place[1] + 12] = struct.pack("<HHII", 256, 4, 1, 2_000_000)
    assert frame_count(source(bytes(content)), IN_FULL) == 3
    assert decode(source(bytes(content)), IN_FULL, frame=2).size == photo.size
    with pytest.raises(InputError, match="2000000 x 200 pixels"):
        decode(source(bytes(content)), IN_FULL, frame=1)


def test_a_smaller_copy_of_a_page_is_no_page(photo: Image.Image) -> None:
    import tifffile

    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        for index, kind in enumerate((1, 0, 1, 0)):  # a preview, a page, a preview, a page
            page = np.full((8, 8, 3), 50 * index, "u1")
            file.write(page, photometric="rgb", subfiletype=kind, metadata=None)
    content = stream.getvalue()
    assert frame_count(source(content), IN_FULL) == 2
    assert [decode(source(content), IN_FULL, frame=each).getpixel((0, 0)) for each in (0, 1)] == [(50,) * 3, (150,) * 3]
