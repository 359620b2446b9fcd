"""Pictures in many variants of their formats, against what was stored: the right picture or an error, never another.

What was stored is known here, and a second decoder (tifffile, imagecodecs, OpenCV) says that the file holds it.
"""

import io
import struct
import zlib
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
from PIL import Image

from support.stored_pictures import COLORS, GRAY, HEIGHT, WIDTH, Numbers, assert_same, seen, with_alpha

# -- PNG -------------------------------------------------------------------------------------------------------------

ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


Chunks = tuple[tuple[bytes, bytes], ...]


def png(
    samples: Numbers, depth: int, kind: int, *, interlaced: bool, chunks: tuple[tuple[bytes, bytes], ...] = ()
) -> bytes:
    """A PNG (W3C REC-PNG) of samples (H, W, C), each below 1 << depth."""
    parts = []
    for left, top, right, down in ADAM7 if interlaced else ((0, 0, 1, 1),):
        for row in samples[top::down, left::right]:
            if row.size:
                bits = np.unpackbits(row.astype(">u2").reshape(-1, 1).view("u1"), axis=1)[:, 16 - depth :]
                parts.append(b"\0" + np.packbits(bits.ravel()).tobytes())
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], depth, kind, 0, 0, interlaced)
    body = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(b"".join(parts))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in body
    )


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("depth", "kind"),
    [*((depth, 0) for depth in (1, 2, 4, 8, 16)), *((depth, 3) for depth in (1, 2, 4, 8))]
    + [(depth, kind) for depth in (8, 16) for kind in (2, 4, 6)],
)
def test_a_png_is_seen_as_it_was_stored(depth: int, kind: int, interlaced: bool) -> None:
    white = (1 << depth) - 1
    chunks: Chunks = ()
    stored, expected = {
        0: (GRAY[..., None], GRAY),
        2: (COLORS, COLORS),
        3: (GRAY[..., None], GRAY),
        4: with_alpha(GRAY[..., None], "unassalpha"),
        6: with_alpha(COLORS, "unassalpha"),
    }[kind]
    samples = np.rint(stored * white).astype("u2")
    if kind == 3:
        palette = np.random.default_rng(1).integers(0, 256, (white + 1, 3)).astype("u1")
        chunks, expected = ((b"PLTE", palette.tobytes()),), palette[samples[..., 0]] / 255
    elif kind in (0, 2):  # a color that is declared transparent is seen as paper
        samples[:8, :8] = key = samples[20, 20]
        chunks = ((b"tRNS", key.astype(">u2").tobytes()),)
        here = (samples == key).all(-1)
        expected = np.where(
            here if kind == 0 else here[..., None], 1.0, samples[..., 0] / white if kind == 0 else samples / white
        )
    content = png(samples, depth, kind, interlaced=interlaced, chunks=chunks)
    if kind in (2, 4, 6):
        assert np.array_equal(imagecodecs.png_decode(content)[..., : samples.shape[-1]].reshape(samples.shape), samples)
    got = seen(content)
    assert got is not None
    assert_same(got, np.squeeze(expected))


# -- BMP, JPEG, WebP, GIF --------------------------------------------------------------------------------------------


def bmp(
    rows: bytes,
    bits: int,
    *,
    masks: tuple[int, ...] = (),
    compression: int = 0,
    top_down: bool = False,
    palette: bytes = b"",
) -> bytes:
    """A BMP of rows in the file's order, already padded to 4 bytes; with four masks its header is version 5."""
    size = 124 if len(masks) == 4 else 40
    header = struct.pack(
        "<IiiHHIIiiII",
        size,
        WIDTH,
        -HEIGHT if top_down else HEIGHT,
        1,
        bits,
        compression,
        len(rows),
        0,
        0,
        len(palette) // 4,
        0,
    )
    header += b"".join(struct.pack("<I", mask) for mask in masks)
    header = header.ljust(size, b"\0") if len(masks) == 4 else header
    start = 14 + len(header)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + header + rows


EIGHT = np.rint(COLORS * 255).astype("u4")


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize(
    ("bits", "masks"),
    [
        (24, ()),
        (32, ()),
        (16, ()),
        (16, (0xF800, 0x7E0, 0x1F)),
        (16, (0x7C00, 0x3E0, 0x1F)),
        (16, (0xF00, 0xF0, 0xF)),
        (32, (0xFF0000, 0xFF00, 0xFF)),
        (32, (0xFF, 0xFF00, 0xFF0000)),
        (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
        (32, (0x3FF00000, 0xFFC00, 0x3FF)),
    ],
)
@pytest.mark.parametrize("alpha", [0, 255])
def test_a_bmp_is_seen_as_it_was_stored_or_refused(
    bits: int, masks: tuple[int, ...], top_down: bool, alpha: int
) -> None:
    fields = masks or {24: (0xFF0000, 0xFF00, 0xFF), 32: (0xFF0000, 0xFF00, 0xFF), 16: (0x7C00, 0x3E0, 0x1F)}[bits]
    numbers = np.zeros((HEIGHT, WIDTH), "u8")
    depths = [mask.bit_count() for mask in fields]
    for channel in range(3):
        level = np.rint(COLORS[..., channel] * ((1 << depths[channel]) - 1)).astype("u8")
        numbers |= level << (fields[channel] & -fields[channel]).bit_length() - 1
    if len(fields) == 4:
        numbers |= np.uint64(alpha << 24)
    rows = numbers.astype("<u4")[..., None].view("u1")[..., : bits // 8]
    content = bmp(
        (rows if top_down else rows[::-1]).tobytes(),
        bits,
        masks=masks,
        compression=3 if masks else 0,
        top_down=top_down,
    )
    got = seen(content)
    assert got is not None or depths[0] in (4, 10) or masks[:1] == (0xFF,)
    if got is not None:
        assert_same(got, COLORS, tolerance=1.5 / ((1 << min(depths[:3])) - 1))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"keep_rgb": True}, {"subsampling": 0}], ids=str)
def test_a_jpeg_is_seen_as_another_decoder_sees_it(mode: str, options: dict[str, Any]) -> None:
    if options.get("keep_rgb") and mode != "RGB":
        pytest.skip("only RGB is kept as RGB")
    stream = io.BytesIO()
    Image.fromarray(EIGHT.astype("u1")).convert(mode).save(stream, "JPEG", quality=95, **options)
    got = seen(stream.getvalue())
    other = cv2.imdecode(np.frombuffer(stream.getvalue(), np.uint8), cv2.IMREAD_COLOR)
    assert got is not None and other is not None
    assert_same(got, other[..., ::-1] / 255, tolerance=4 / 255)


@pytest.mark.parametrize("alpha", [None, "unassalpha"])
@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 90}], ids=str)
def test_a_webp_is_seen_as_another_decoder_sees_it(alpha: str | None, options: dict[str, Any]) -> None:
    stored = np.rint(with_alpha(COLORS, alpha)[0] * 255).astype("u1")
    stream = io.BytesIO()
    Image.fromarray(stored).save(stream, "WEBP", exact=True, **options)
    other = imagecodecs.webp_decode(stream.getvalue())[..., : stored.shape[-1]] / 255
    got = seen(stream.getvalue())
    assert got is not None
    assert_same(got, other[..., :3] * other[..., 3:] + 1 - other[..., 3:] if alpha else other)


@pytest.mark.parametrize("interlaced", [0, 1])
def test_a_gif_is_seen_as_another_decoder_sees_it(interlaced: int) -> None:
    stream = io.BytesIO()
    Image.fromarray(EIGHT.astype("u1")).quantize(64).save(stream, "GIF", interlace=interlaced)
    got = seen(stream.getvalue())
    assert got is not None
    assert_same(got, np.squeeze(imagecodecs.gif_decode(stream.getvalue()))[..., :3] / 255, tolerance=0.5 / 255)
