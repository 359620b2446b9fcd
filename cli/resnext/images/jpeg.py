"""The scans of a JPEG, counted along its markers."""

import re
from typing import BinaryIO

from resnext.errors import too_large
from resnext.images.limits import MAX_JPEG_SCANS

_CHUNK_BYTES = 1 << 20
# In the data of a scan a 0 follows every 255 that is no marker; restarts (D0 to D7) belong to the scan.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_START_OF_SCAN, _END = 0xDA, 0xD9
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})  # markers without a length


def check_scans(stream: BinaryIO) -> None:
    """Refuse a JPEG of more than MAX_JPEG_SCANS scans; what metadata or bytes behind its end hold is not counted.

    A JPEG with all its channels in one scan is done with at that scan: its data is not read.
    """
    stream.seek(2)
    scans = channels = 0
    while (marker := _marker(stream)) not in (None, _END):
        if marker in _ALONE:
            continue
        length = int.from_bytes(stream.read(2), "big")
        if marker in _FRAMES:
            frame = stream.read(6)
            channels = 0 if marker == 0xC2 or len(frame) < 6 else frame[5]  # 0: progressive, many scans
            length -= len(frame)
        elif marker == _START_OF_SCAN:
            scans += 1
            if stream.read(1) == bytes([channels]):
                return
            if scans > MAX_JPEG_SCANS:
                raise too_large(f"a JPEG of more than {MAX_JPEG_SCANS} scans")
            stream.seek(length - 3, 1)
            _skip_scan(stream)
            continue
        stream.seek(max(0, length - 2), 1)


def _marker(stream: BinaryIO) -> int | None:
    """Read up to the second byte of the next marker, and give that."""
    while (byte := stream.read(1)) and byte != b"\xff":
        pass
    while (byte := stream.read(1)) == b"\xff":  # fill
        pass
    return byte[0] if byte else None


def _skip_scan(stream: BinaryIO) -> None:
    """Stop before the marker behind a scan's data, or at the end of the file."""
    place, last = stream.tell(), b""
    while chunk := stream.read(_CHUNK_BYTES):
        data = last + chunk
        if found := _NEXT_MARKER.search(data):
            stream.seek(place - len(last) + found.start())
            return
        place += len(chunk)
        last = data[-1:] if data.endswith(b"\xff") else b""
