"""Files under 1 MB that unpack to as much as they may: none takes a process that decodes it above 600 MB."""

import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from resnext.images.limits import DEFAULT_MAX_MEGAPIXELS

MOST_MEGABYTES = 600
# What a run of the program has besides: OpenVINO and the bundled model.
REST_OF_A_RUN_MEGABYTES = 120

_DECODE = r"""
import re, sys
from resnext.errors import InputError
from resnext.images.decode import DecodeConfig, decode
from resnext.records import Source

try:
    decode(Source(sys.argv[1]), DecodeConfig(256), frame=int(sys.argv[2]))
    print("ok", end=" ")
except InputError as error:
    print(error.code, end=" ")
# Not getrusage: its maximum counts what the process was before it became this program.
print(int(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1]) >> 10)
"""


def nothing(size: int) -> bytes:
    """So many zeros, packed with zlib."""
    packing, parts = zlib.compressobj(9), []
    for start in range(0, size, 1 << 20):
        parts.append(packing.compress(bytes(min(1 << 20, size - start))))
    return b"".join([*parts, packing.flush()])


def png(side: int, depth: int, kind: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", side, side, depth, kind, 0, 0, 0)
    row = 1 + (side * depth * {0: 1, 2: 3, 4: 2, 6: 4}[kind] + 7) // 8
    body = chunk(b"IDAT", nothing(row * side))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def tiff(side: int, bits: int, samples: int, photometric: int, sample_format: int = 1) -> bytes:
    data = nothing((side * bits * samples + 7) // 8 * side)
    tags = [(256, side), (257, side), (258, bits), (259, 8), (262, photometric), (273, 8), (277, samples), (278, side)]
    tags += [(279, len(data)), (339, sample_format)]
    entries = b"".join(struct.pack("<HHII", tag, 4 if value > 65535 else 3, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def saved(name: str, side: int, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side, side), "red").save(stream, name, **options)
    return stream.getvalue()


def gif(side: int, frames: int) -> bytes:
    frame = b"!\xf9\4\x08\0\0\0\0," + struct.pack("<4H", 0, 0, side, side) + b"\0\2\2\x4c\1\0"
    return b"GIF89a\1\0\1\0\x80\0\0" + bytes(6) + frame * frames + b";"


def heic(side: int) -> bytes:
    import pillow_heif

    pillow_heif.register_heif_opener()
    return saved("HEIF", side, quality=10)


def jpeg_xl(side: int) -> bytes:
    import pillow_jxl  # noqa: F401

    return saved("JXL", side, effort=1)


# Each with the side at which it is the most that is still decoded, or about that.
BOMBS: dict[str, tuple[Callable[[int], bytes], int]] = {
    "png of 1 bit": (lambda side: png(side, 1, 0), 14100),
    "png of rgba": (lambda side: png(side, 8, 6), 7200),
    "png of rgb": (lambda side: png(side, 8, 2), 10200),
    "png of 16 bits": (lambda side: png(side, 16, 0), 6800),
    "tiff of rgb": (lambda side: tiff(side, 8, 3, 2), 5900),
    "tiff of 16 bits, white 0": (lambda side: tiff(side, 16, 1, 0), 6700),
    "tiff of floats": (lambda side: tiff(side, 32, 1, 0, 3), 5000),
    "tiff of signed 8 bits": (lambda side: tiff(side, 8, 1, 1, 2), 9000),
    "gif": (lambda side: gif(side, 1), 9000),
    "gif, second frame": (lambda side: gif(side, 2), 5900),
    "progressive jpeg": (lambda side: saved("JPEG", side, progressive=True, quality=10), 6400),
    "webp": (lambda side: saved("WEBP", side, lossless=True, method=0), 5100),
    "avif": (lambda side: saved("AVIF", side, speed=10, quality=10), 5100),
    "jpeg 2000": (lambda side: saved("JPEG2000", side), 4500),
    "bmp": (lambda side: saved("BMP", 500)[:18] + struct.pack("<ii", side, side) + saved("BMP", 500)[26:], 10000),
    "heic": (heic, 5000),
    "jpeg xl": (jpeg_xl, 4500),
}


# The quick ones of each way to take memory; the others are tried in the long runs.
QUICK = ("png of 1 bit", "png of rgba", "tiff of 16 bits, white 0", "gif, second frame", "webp", "bmp")


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="no /proc to measure memory in")
@pytest.mark.parametrize("share", [1.0, pytest.param(1.35, marks=pytest.mark.slow)], ids=["largest", "larger"])
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in BOMBS]
)
def test_a_small_file_takes_no_more_than_600_megabytes(tmp_path: Path, name: str, share: float) -> None:
    make, side = BOMBS[name]
    side = min(int(side * share), int((DEFAULT_MAX_MEGAPIXELS * 1e6) ** 0.5))
    content = make(side)
    assert len(content) < 1_000_000
    (tmp_path / "bomb").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", _DECODE, str(tmp_path / "bomb"), str(int("second" in name))],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == ""
    code, megabytes = done.stdout.split()
    print(f"{name}, {side} x {side}, {len(content):,} bytes: {code}, {megabytes} MB")
    assert int(megabytes) < MOST_MEGABYTES - REST_OF_A_RUN_MEGABYTES
