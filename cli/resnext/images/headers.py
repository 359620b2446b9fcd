"""The sizes that a file's header claims, for the formats whose decoder takes memory as soon as a file is opened.

Nothing here decodes. What is read is bounded by the file's own bytes.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from resnext.errors import FailureCode, InputError
from resnext.images.boxes import Box, boxes, inside
from resnext.images.png import SIGNATURE as PNG

Size = tuple[int, int]


def claimed_sizes(name: str, stream: BinaryIO, frame: int) -> Iterator[Size]:
    """Give each (width, height) that opening a file and going to its `frame` (from 0) may take memory for.

    `name` is the format as `format_of` gives it. The stream may be left anywhere.
    """
    if name == "GIF":
        for number, size in enumerate(gif_canvases(stream)):
            yield size
            if number == frame:
                return
    elif name == "WEBP":
        yield from _webp(stream)
    elif name == "ICO":
        yield from _ico(stream)
    elif name == "JXL":
        yield from _jxl(stream)
    elif name in ("HEIF", "AVIF"):
        for box in inside(stream, b"meta", b"iprp", b"ipco"):
            if box.kind == b"ispe":
                _, width, height = struct.unpack(">III", box.content(stream, 12))
                yield width, height


def gif_canvases(stream: BinaryIO) -> Iterator[Size]:
    """Give the canvas of a GIF at each of its frames; a frame that sticks out of the screen makes it larger."""
    stream.seek(0)
    screen = stream.read(13)
    if len(screen) < 13:
        return
    width, height = struct.unpack_from("<HH", screen, 6)
    if screen[10] & 0x80:
        stream.seek(3 << (screen[10] & 7) + 1, 1)
    while (block := stream.read(1)) not in (b"", b";"):
        if block == b"!":
            stream.read(1)
            _skip_blocks(stream)
        elif block == b",":
            frame = stream.read(9)
            if len(frame) < 9:
                return
            left, top, columns, rows = struct.unpack_from("<4H", frame)
            width, height = max(width, left + columns), max(height, top + rows)
            yield width, height
            if frame[8] & 0x80:
                stream.seek(3 << (frame[8] & 7) + 1, 1)
            stream.read(1)  # the least size of a code
            _skip_blocks(stream)


def _skip_blocks(stream: BinaryIO) -> None:
    while (length := stream.read(1)) not in (b"", b"\0"):
        stream.seek(length[0], 1)


def _webp(stream: BinaryIO) -> Iterator[Size]:
    end = stream.seek(0, 2)
    stream.seek(4)
    missing = int.from_bytes(stream.read(4), "little") + 8 - end
    if missing > 1:  # the last byte only fills up
        raise InputError(FailureCode.TRUNCATED, f"the file ends too early: {missing:,} bytes are missing")
    stream.seek(12)
    head = stream.read(18)
    if head[:4] == b"VP8X" and len(head) == 18:
        yield int.from_bytes(head[12:15], "little") + 1, int.from_bytes(head[15:18], "little") + 1
    elif head[:4] == b"VP8L" and len(head) > 12:
        bits = int.from_bytes(head[9:13], "little")
        yield (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif head[:4] == b"VP8 " and len(head) == 18:
        width, height = struct.unpack_from("<HH", head, 14)
        yield width & 0x3FFF, height & 0x3FFF


def _ico(stream: BinaryIO) -> Iterator[Size]:
    """Each picture of an icon is a PNG or a BMP without its first header, and may claim another size than the icon."""
    stream.seek(4)
    count = int.from_bytes(stream.read(2), "little")
    entries = stream.read(16 * count)
    for start in range(0, len(entries) - 15, 16):
        stream.seek(int.from_bytes(entries[start + 12 : start + 16], "little"))
        head = stream.read(24)
        if head.startswith(PNG) and len(head) == 24:
            yield struct.unpack_from(">II", head, 16)
        elif head.startswith(b"\x0c\0\0\0") and len(head) >= 8:
            yield struct.unpack_from("<HH", head, 4)
        elif len(head) >= 12:
            width, height = struct.unpack_from("<ii", head, 4)
            yield abs(width), abs(height) // 2


def _jxl(stream: BinaryIO) -> Iterator[Size]:
    """The SizeHeader of ISO/IEC 18181-1, behind the two bytes that begin a codestream."""
    stream.seek(0)
    if stream.read(2) != b"\xff\x0a":
        part: Box | None = next((box for box in boxes(stream) if box.kind in (b"jxlc", b"jxlp")), None)
        if part is None:
            return
        stream.seek(part.start + (4 if part.kind == b"jxlp" else 0) + 2)
    bits = int.from_bytes(stream.read(16), "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    def length(small: int) -> int:
        return 8 * (take(5) + 1) if small else take((9, 13, 18, 30)[take(2)]) + 1

    small = take(1)
    height = length(small)
    ratio = take(3)
    over, under = ((0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio]
    yield (height * over // under if ratio else length(small)), height
