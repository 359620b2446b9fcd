"""Keywords inside a photo, its XMP packet and IPTC's, read without decoding a pixel."""

import io
import os
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from PIL import IptcImagePlugin

from resnext.disk import open_regular
from resnext.images.decode import settle_pillow
from resnext.images.formats import HEAD_BYTES, format_of, open_image

# JPEG XL is left out: its plugin decodes the picture as it opens the file.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF")
_MAX_PACKET = 4 << 20
_MAX_CHUNKS = 100_000  # a PNG of a gigabyte in chunks of 8 KB
_MAX_KEYWORDS, _MAX_KEYWORD_BYTES = 1000, 4096
_XMP_TAG, _KEYWORDS, _CHARACTER_SET = 700, (2, 25), (1, 90)
_UTF8 = b"\x1b%G"
_PNG_XMP = b"XML:com.adobe.xmp\0"


class Embedded(NamedTuple):
    """What a photo says of itself: its XMP packet, b"" if it has none, and IPTC's keywords."""

    xmp: bytes = b""
    keywords: tuple[str, ...] = ()


def read_embedded(path: str) -> Embedded:
    """Read the keywords of a photo; give none of a file that can't be opened or whose metadata is broken."""
    settle_pillow()
    try:
        with open_regular(path) as file, io.BufferedReader(file) as stream:
            return _read(stream)
    except Exception:  # whatever Pillow raises of a hostile file: there are no keywords in it that a program reads
        return Embedded()


def _read(stream: BinaryIO) -> Embedded:
    name = format_of(stream.read(HEAD_BYTES))
    stream.seek(0)
    if name not in _FORMATS:
        return Embedded()
    if name == "PNG":  # Pillow would decode it to look behind the pixels, where exiftool writes
        return Embedded(_png_packet(stream))
    with open_image(name, stream) as image:
        packet: Any = image.info.get("xmp", b"")
        if name == "TIFF":
            tags: Any = image
            packet = tags.tag_v2.get(_XMP_TAG, packet)
        fields: dict[tuple[int, int], Any] = IptcImagePlugin.getiptcinfo(image) or {}
    packet = packet.encode() if isinstance(packet, str) else bytes(packet)
    return Embedded(packet.rstrip(b"\0") if len(packet) <= _MAX_PACKET else b"", tuple(_keywords(fields)))


def _keywords(fields: dict[tuple[int, int], Any]) -> Iterator[str]:
    found = fields.get(_KEYWORDS, [])
    for raw in (found if isinstance(found, list) else [found])[:_MAX_KEYWORDS]:
        if len(raw) <= _MAX_KEYWORD_BYTES and (text := _text(raw, fields.get(_CHARACTER_SET)).strip(" \0")):
            yield text


def _text(raw: bytes, character_set: object) -> str:
    """IPTC says UTF-8 in a field of its own, which many programs forget."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode(errors="replace") if character_set == _UTF8 else raw.decode("latin-1")


def _png_packet(stream: BinaryIO) -> bytes:
    """The text of the chunk that holds XMP, which may stand behind the pixels."""
    stream.seek(8)
    for _ in range(_MAX_CHUNKS):
        head = stream.read(8)
        if len(head) < 8:
            return b""
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == b"iTXt" and length <= _MAX_PACKET:
            content = stream.read(length)
            if content.startswith(_PNG_XMP):
                return _international_text(content[len(_PNG_XMP) :])
            stream.seek(4, os.SEEK_CUR)
        else:
            stream.seek(length + 4, os.SEEK_CUR)
    return b""


def _international_text(content: bytes) -> bytes:
    compressed = content[:1] == b"\1"
    text = content[2:].split(b"\0", 2)[2]  # behind the language and the translated keyword
    if not compressed:
        return text
    unpack = zlib.decompressobj()
    unpacked = unpack.decompress(text, _MAX_PACKET)
    return unpacked if unpack.eof else b""
