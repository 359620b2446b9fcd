"""Keywords inside photos: found where programs put them, and nothing else from a broken or hostile file."""

import io
import os
import struct
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from resnext.images.embedded import Embedded, read_embedded
from support.program import SAMPLES
from support.sidecars import DARKTABLE

PACKET = DARKTABLE.encode()


def saved(path: Path, format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, format, **options)
    path.write_bytes(stream.getvalue())
    return stream.getvalue()


def with_iptc(jpeg: bytes, *fields: tuple[int, int, bytes]) -> bytes:
    """A JPEG with a block of IPTC as Photoshop lays it out."""
    block = b"".join(b"\x1c" + struct.pack(">BBH", record, number, len(text)) + text for record, number, text in fields)
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(block)) + block + b"\0" * (len(block) % 2)
    payload = b"Photoshop 3.0\0" + resource
    return jpeg[:2] + b"\xff\xed" + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "TIFF"])
def test_the_packet_is_found(tmp_path: Path, format: str) -> None:
    path = tmp_path / "photo"
    if format == "TIFF":
        saved(path, format, tiffinfo={700: PACKET})
    else:
        saved(path, format, xmp=PACKET)
    assert read_embedded(str(path)) == Embedded(PACKET)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("behind", [False, True])
def test_the_packet_of_a_png_may_stand_behind_its_pixels(tmp_path: Path, compressed: bool, behind: bool) -> None:
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", PACKET.decode(), zip=compressed)
    data = saved(tmp_path / "a.png", "PNG", pnginfo=info)
    if behind:
        start = data.index(b"iTXt") - 4
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        at = data.index(b"IEND") - 4
        (tmp_path / "a.png").write_bytes(data[:start] + data[end:at] + data[start:end] + data[at:])
    assert read_embedded(str(tmp_path / "a.png")) == Embedded(PACKET)


def test_iptc_keywords_in_the_character_sets_that_programs_use(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    plain = saved(path, "JPEG")
    for fields in (
        [(1, 90, b"\x1b%G"), (2, 25, "Köln".encode()), (2, 25, b"Oma")],
        [(2, 25, "Köln".encode()), (2, 25, b"Oma")],
        [(2, 25, "Köln".encode("latin-1")), (2, 25, b"Oma")],
    ):
        path.write_bytes(with_iptc(plain, *fields))
        assert read_embedded(str(path)) == Embedded(b"", ("Köln", "Oma"))


def test_a_compressed_packet_is_bounded(tmp_path: Path) -> None:
    bomb = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b" " * (64 << 20))
    chunk = struct.pack(">I", len(bomb)) + b"iTXt" + bomb + b"\0\0\0\0"
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    assert read_embedded(str(tmp_path / "a.png")) == Embedded()


def test_what_can_not_be_read_has_no_keywords(tmp_path: Path) -> None:
    for name in ("coffee.png", "china.jpg", "camera.tif", "chelsea.webp"):
        data = (SAMPLES / name).read_bytes()
        for part in (data[:100], data[:3000], data[:64] + bytes(200) + data[264:4000], b"", b"no photo"):
            (tmp_path / name).write_bytes(part)
            assert not read_embedded(str(tmp_path / name)).keywords
    assert read_embedded(str(tmp_path / "missing.jpg")) == read_embedded(str(tmp_path)) == Embedded()


@pytest.mark.skipif(sys.platform == "win32", reason="no FIFOs")
def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    assert read_embedded(str(tmp_path / "a.jpg")) == Embedded()
