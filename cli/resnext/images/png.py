"""PNGs whose metadata is broken or huge: the picture without it."""

import io
import struct
import zlib
from typing import Any, BinaryIO, NamedTuple

from PIL import Image

from resnext.images.limits import MAX_PROFILE_BYTES

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SIGNATURE_BYTES = len(SIGNATURE)
_BIT_DEPTH_AT = 24
_MAX_NOTE_BYTES = 16 << 20
_MAX_INFLATED = 1 << 20  # Pillow reads no more from a packed text or profile
_PICTURE = frozenset({b"IDAT", b"fdAT"})  # their checksums are the decoder's matter
_LEAST_BYTES = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"acTL": 8}


class Mended(NamedTuple):
    """A PNG that Pillow can read: `profile` is an ICC profile that it would not have unpacked."""

    stream: BinaryIO
    profile: bytes | None


def mended(stream: BinaryIO) -> Mended | None:
    """Give a PNG without the chunks that are no part of the picture and that Pillow can't read.

    None where there are none, or where it is no PNG.
    """
    kept, place, profile, whole, notes = [(0, _SIGNATURE_BYTES)], _SIGNATURE_BYTES, None, True, 0
    stream.seek(0)
    if stream.read(place) != SIGNATURE:
        return None
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        sound = True
        if kind[0] & 0x20 and kind not in _PICTURE:  # a small first letter: not needed for the picture
            notes += length
            body = stream.read(length + 4) if notes <= _MAX_NOTE_BYTES else b""
            sound = len(body) == length + 4 and _is_sound(kind, body[:-4], body[-4:])
            if not sound and kind == b"iCCP" and zlib.crc32(kind + body[:-4]).to_bytes(4, "big") == body[-4:]:
                profile = _unpacked(body[body.find(b"\0") + 2 : -4], MAX_PROFILE_BYTES)
        after = place + 12 + length
        if sound:
            kept.append((place, after))
        whole &= sound
        place = after
        stream.seek(place)
        if kind == b"IEND":
            break
    if whole:
        return None
    parts = io.BytesIO()
    for start, end in kept:
        stream.seek(start)
        parts.write(stream.read(end - start))
    parts.seek(0)
    return Mended(parts, profile)


def _is_sound(kind: bytes, body: bytes, checksum: bytes) -> bool:
    if zlib.crc32(kind + body).to_bytes(4, "big") != checksum or len(body) < _LEAST_BYTES.get(kind, 0):
        return False
    if kind in (b"iCCP", b"zTXt"):
        _, _, packed = body.partition(b"\0")
        return packed[:1] == b"\0" and _unpacked(packed[1:], _MAX_INFLATED) is not None
    if kind == b"iTXt" and body.partition(b"\0")[2][:1] == b"\1":
        return _unpacked(body.partition(b"\0")[2][2:].split(b"\0", 2)[-1], _MAX_INFLATED) is not None
    return True


def _unpacked(packed: bytes, limit: int) -> bytes | None:
    """Unpack at most `limit` bytes; None where there are more, or none that can be unpacked."""
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(packed, limit)
    except zlib.error:
        return None
    return None if unpacking.unconsumed_tail else content


def scale_transparent_color(image: Image.Image, stream: BinaryIO) -> None:
    """Bring the color that a PNG declares transparent to the 8 bits that Pillow makes of 2, 4 or 16 a channel."""
    key: Any = image.info.get("transparency")
    if key is None:
        return
    place = stream.tell()
    stream.seek(_BIT_DEPTH_AT)
    depth = stream.read(1)[0]
    stream.seek(place)
    if image.mode == "L" and isinstance(key, int) and depth in (2, 4):
        image.info["transparency"] = key * 255 // ((1 << depth) - 1)
    elif image.mode == "RGB" and isinstance(key, tuple) and depth == 16:
        image.info["transparency"] = tuple(value >> 8 for value in key)
