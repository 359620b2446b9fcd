"""The boxes of ISO media files (HEIC, AVIF, JPEG XL, JPEG 2000): is all of it there, and what is in them."""

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from resnext.errors import FailureCode, InputError

_MAX_BOXES = 10_000
_MAX_LINK_BYTES = 1 << 20
# Boxes without which there is no picture. What a phone hangs behind the last one need not be boxes at all.
_NEEDED = frozenset({b"meta", b"mdat", b"moov", b"jxlc", b"jxlp", b"jbrd", b"jp2h", b"jp2c"})


class Box(NamedTuple):
    """One box: its content lies in the bytes [start, end) of the file."""

    kind: bytes
    start: int
    end: int

    def content(self, stream: BinaryIO, size: int) -> bytes:
        """Read the first `size` bytes of the content; fewer where it has fewer. Refuses a box that has none to give."""
        stream.seek(self.start)
        content = stream.read(min(size, self.end - self.start))
        if len(content) < size:
            raise InputError(FailureCode.CORRUPT, f"broken image: a box {self.kind!r} without its content")
        return content


def boxes(stream: BinaryIO, within: Box | None = None) -> Iterator[Box]:
    """Give the boxes of a file, or those within a box, in their order.

    Raises:
        InputError: a box that the picture needs runs past the end of the file.
    """
    place, end = (0, stream.seek(0, 2)) if within is None else (within.start, within.end)
    for _ in range(_MAX_BOXES):
        stream.seek(place)
        head = stream.read(16)
        if place + 8 > end or len(head) < 8:
            return
        length, kind = struct.unpack_from(">I4s", head)
        start = place + 8
        if length == 1 and len(head) == 16:
            length, start = int.from_bytes(head[8:], "big"), place + 16
        stop = end if length == 0 else place + length
        if stop > end:
            if within is None and kind in _NEEDED:
                raise _cut(stop - end)
            return
        if stop < start:
            return
        yield Box(kind, start, stop)
        place = stop


def inside(stream: BinaryIO, *path: bytes) -> Iterator[Box]:
    """Give the boxes inside of the first box of each kind of `path`, one within the other."""
    within: Box | None = None
    for kind in path:
        within = next((box for box in boxes(stream, within) if box.kind == kind), None)
        if within is None:
            return
        if kind == b"meta":  # a version and flags come first
            within = within._replace(start=within.start + 4)
    yield from boxes(stream, within)


def check_whole(stream: BinaryIO) -> None:
    """Refuse a file that ends before the boxes do that its picture needs, or before the data of its items does."""
    for _ in boxes(stream):
        pass
    missing = _end_of_items(stream) - stream.seek(0, 2)
    if missing > 0:
        raise _cut(missing)


def _cut(missing: int) -> InputError:
    return InputError(FailureCode.TRUNCATED, f"the file ends too early: {missing:,} bytes are missing")


def _end_of_items(stream: BinaryIO) -> int:
    """Give where the last item (`iloc`, ISO/IEC 14496-12) ends in the file: a box that goes to its end, wherever that
    is, does not say so. 0 where there is no such table.
    """
    locations = next((box for box in inside(stream, b"meta") if box.kind == b"iloc"), None)
    if locations is None:
        return 0
    table = io.BytesIO(locations.content(stream, min(locations.end - locations.start, _MAX_LINK_BYTES)))

    def number(width: int) -> int:
        return int.from_bytes(table.read(width), "big")

    version = number(4) >> 24
    offset_width, length_width = divmod(number(1), 16)
    base_width, index_width = divmod(number(1), 16)
    last = 0
    for _ in range(number(4 if version == 2 else 2)):
        number(4 if version == 2 else 2)  # the item's own number
        in_file = version == 0 or number(2) & 15 == 0
        number(2)  # which file: this
        base = number(base_width)
        for _ in range(number(2)):
            number(index_width if version else 0)
            offset, length = number(offset_width), number(length_width)
            if in_file:
                last = max(last, base + offset + length)
        if table.tell() == len(table.getbuffer()):
            break
    return last


def clean_aperture(stream: BinaryIO, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Give the part (left, top, right, bottom) of a picture of that size that its file says is to be shown.

    That is the property `clap` of the primary item (ISO/IEC 23008-12); None where there is none.
    """
    properties = list(inside(stream, b"meta", b"iprp", b"ipco"))
    if not any(each.kind == b"clap" for each in properties):
        return None
    shown = [properties[number - 1] for number in _of_primary_item(stream) if 0 < number <= len(properties)]
    clap = next((each for each in shown if each.kind == b"clap"), None)
    if clap is None:
        return None
    numbers = struct.unpack(">IIIIiIiI", clap.content(stream, 32))
    if 0 in numbers[1::2]:
        raise InputError(FailureCode.CORRUPT, "broken image: a clean aperture without a size")
    width, height, right, down = (over / under for over, under in zip(numbers[::2], numbers[1::2], strict=True))
    left, top = round((size[0] - width) / 2 + right), round((size[1] - height) / 2 + down)
    box = (left, top, left + round(width), top + round(height))
    if not (0 <= box[0] < box[2] <= size[0] and 0 <= box[1] < box[3] <= size[1]):
        raise InputError(FailureCode.CORRUPT, "broken image: a clean aperture outside of the picture")
    return box


def _of_primary_item(stream: BinaryIO) -> list[int]:
    """Give the numbers (from 1) of the properties that belong to the primary item, out of `pitm` and `ipma`."""
    primary = next((box for box in inside(stream, b"meta") if box.kind == b"pitm"), None)
    links = next((box for box in inside(stream, b"meta", b"iprp") if box.kind == b"ipma"), None)
    if primary is None or links is None:
        return []
    content = primary.content(stream, 6)
    item = int.from_bytes(content[4:] if content[0] == 0 else primary.content(stream, 8)[4:], "big")
    table = io.BytesIO(links.content(stream, min(links.end - links.start, _MAX_LINK_BYTES)))
    version, wide = table.read(1)[0], table.read(3)[2] & 1
    for _ in range(int.from_bytes(table.read(4), "big")):
        number, count = table.read(4 if version else 2), table.read(1)
        if not count:
            break
        width = 2 if wide else 1
        found = [int.from_bytes(table.read(width), "big") & (0x7FFF if wide else 0x7F) for _ in range(count[0])]
        if int.from_bytes(number, "big") == item:
            return found
    return []
