"""Pictures in many variants of their formats, against what was stored: the right picture or an error, never another.

What was stored is known here, and a second decoder (tifffile, imagecodecs, OpenCV) says that the file holds it.
"""

import io
import itertools
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from resnext.errors import FailureCode, InputError
from resnext.images.decode import DecodeConfig, decode
from resnext.records import Source
from support.program import SAMPLES

Numbers = NDArray[Any]
HEIGHT, WIDTH = 40, 48
_Y, _X = np.mgrid[0:HEIGHT, 0:WIDTH]
# (H, W, 3) and (H, W) in 0..1: slopes and fields, nowhere quite black or white.
COLORS = 0.1 + 0.8 * np.stack([_X / (WIDTH - 1), _Y / (HEIGHT - 1), 0.2 + 0.6 * ((_X // 8 + _Y // 8) % 2)], -1)
GRAY = COLORS @ (0.6, 0.2, 0.2)
ALPHA = np.where((_X - 24) ** 2 + (_Y - 20) ** 2 < 200, 1.0, 0.35)


def seen(content: bytes) -> NDArray[np.float64] | None:
    """The picture in 0..1, (H, W, 3); None where it is refused as a kind that is not supported."""
    try:
        return np.asarray(decode(Source("x", read=lambda: content), DecodeConfig(0))) / 255
    except InputError as error:
        assert error.code == FailureCode.UNSUPPORTED_FORMAT, error
        return None


def as_stored(values: Numbers, kind: str) -> Numbers:
    """Numbers in 0..1 in the full range of a dtype; floats stay."""
    dtype = np.dtype(kind)
    if dtype.kind in "fb":
        return (values > 0.5) if dtype.kind == "b" else values.astype(dtype)
    bounds = np.iinfo(dtype)
    return np.rint(bounds.min + values * (float(bounds.max) - bounds.min)).astype(dtype)


def assert_same(
    got: NDArray[np.float64], expected: Numbers, *, stretched: bool = False, tolerance: float = 3 / 255
) -> None:
    expected = np.repeat(expected[..., None], 3, -1) if expected.ndim == 2 else expected
    assert got.shape == expected.shape
    if stretched:  # numbers without a natural white are shown from their least to their greatest
        assert np.corrcoef(got.ravel(), expected.ravel())[0, 1] > 0.99
    else:
        assert np.abs(got - expected).max() <= tolerance


# -- TIFF ------------------------------------------------------------------------------------------------------------

KINDS = ("?", "u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8")
ALPHAS = (None, "unspecified", "unassalpha", "assocalpha")
LAYOUTS: list[dict[str, Any]] = [
    {"byteorder": order, "compression": compression, "tile": tile}
    for order in "<>"
    for compression, tile in ((None, None), (None, (16, 16)), ("lzw", None), ("zlib", (16, 16)), ("zstd", None))
]
# What is read, and must stay so; of everything else an error is as good.
MUST_BE_READ = {
    *(("minisblack", kind, None, "contig") for kind in ("?", "u1", "u2", "i2", "f4")),
    *(("miniswhite", kind, None, "contig") for kind in ("?", "u1", "f4")),
    *(("rgb", kind, alpha, "contig") for kind in ("u1", "u2") for alpha in ALPHAS),
    *(("rgb", kind, alpha, "separate") for kind in ("u1", "u2") for alpha in (None, "unassalpha", "assocalpha")),
    *(("separated", kind, None, planar) for kind in ("u1", "u2") for planar in ("contig", "separate")),
    *(("minisblack", "u1", alpha, "contig") for alpha in ALPHAS),
}


def tiff(values: Numbers, **options: Any) -> bytes | None:
    """A TIFF that tifffile reads back as it was written; None where it can't write such a one."""
    stream = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tifffile.imwrite(stream, values, metadata=None, **options)
        back = tifffile.imread(io.BytesIO(stream.getvalue()))
    except (ValueError, TypeError, RuntimeError, NotImplementedError, KeyError):
        return None
    return stream.getvalue() if np.array_equal(np.squeeze(back), np.squeeze(values)) else None


def with_alpha(colors: Numbers, alpha: str | None) -> tuple[Numbers, Numbers]:
    """(what is stored, what is seen on white paper) of colors (H, W, C) with a fourth channel of that kind."""
    opacity = ALPHA[..., None]
    if alpha is None:
        return colors, colors
    stored = np.concatenate([colors * opacity if alpha == "assocalpha" else colors, opacity], -1)
    return stored, colors if alpha == "unspecified" else colors * opacity + 1 - opacity


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda each: "-".join(str(value) for value in each.values()))
@pytest.mark.parametrize("kind", KINDS)
def test_a_tiff_is_seen_as_it_was_stored_or_refused(kind: str, layout: dict[str, Any]) -> None:
    stretched = np.dtype(kind).kind in "if" or kind == "u4"
    read = set()
    for photometric, alpha, planar in itertools.product(
        ("minisblack", "miniswhite", "rgb", "separated"), ALPHAS, ("contig", "separate")
    ):
        gray = photometric in ("minisblack", "miniswhite")
        if kind == "?" and (alpha or not gray):
            continue  # tifffile writes none
        if gray:
            colors = GRAY[..., None]
            if (alpha and photometric == "miniswhite") or (planar == "separate" and not alpha):
                continue
        else:
            colors = COLORS
        if photometric == "separated":
            if alpha:
                continue
            stored = np.concatenate([1 - COLORS, np.zeros_like(GRAY)[..., None]], -1)
            expected: Numbers = COLORS
        else:
            stored, expected = with_alpha(colors, alpha)
        numbers = as_stored(stored, kind)
        if photometric == "miniswhite":
            numbers = ~numbers if numbers.dtype.kind in "bui" else 1 - numbers
        expected = (stored > 0.5).astype(float) if kind == "?" else expected
        numbers = np.ascontiguousarray(np.moveaxis(numbers, -1, 0)) if planar == "separate" else np.squeeze(numbers)
        content = tiff(
            numbers, photometric=photometric, planarconfig=planar if numbers.ndim > 2 else None,
            extrasamples=[alpha] if alpha else None, **layout,
        )  # fmt: skip
        if content is not None and (got := seen(content)) is not None:
            assert_same(got, np.squeeze(expected), stretched=stretched and alpha in (None, "unspecified"))
            read.add((photometric, kind, alpha, planar))
    assert {each for each in MUST_BE_READ if each[1] == kind} <= read


@pytest.mark.parametrize("bits", [2, 4, 6, 10, 12, 14])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite", "rgb"])
def test_a_tiff_of_odd_bits_is_seen_as_it_was_stored_or_refused(bits: int, photometric: str) -> None:
    white = (1 << bits) - 1
    numbers = np.rint((COLORS if photometric == "rgb" else GRAY) * white).astype("u1" if bits < 8 else "u2")
    expected = numbers / white
    numbers = white - numbers if photometric == "miniswhite" else numbers
    content = tiff(numbers, photometric=photometric, bitspersample=bits)
    assert content is not None
    got = seen(content)
    assert got is not None or bits not in (2, 4, 12) or photometric != "minisblack"
    if got is not None:
        assert_same(got, expected)


@pytest.mark.parametrize("largest", [255, 65535])
@pytest.mark.parametrize("compression", [None, "lzw"])
def test_color_maps_hold_16_bits_or_8(largest: int, compression: str | None) -> None:
    indexes = ((_X // 8 + _Y // 8) % 16).astype("u1")
    color_map = np.random.default_rng(0).integers(0, largest, (3, 256), endpoint=True).astype("u2")
    content = tiff(indexes, photometric="palette", colormap=color_map, compression=compression)
    assert content is not None
    got = seen(content)
    assert got is not None
    assert_same(got, color_map[:, indexes].transpose(1, 2, 0) / largest)


def test_each_page_has_its_own_profile(tmp_path: Path) -> None:
    with Image.open(SAMPLES / "rocket.jpg") as photo:
        wide = photo.info["icc_profile"]
    profile = [(34675, "B", len(wide), wide, True)]
    with tifffile.TiffWriter(tmp_path / "pages.tif") as file:
        for tags in (profile, [], profile):
            file.write(np.full((8, 8, 3), (200, 60, 60), "u1"), photometric="rgb", extratags=tags, metadata=None)
    source = Source(str(tmp_path / "pages.tif"))
    first, second, third = (decode(source, DecodeConfig(0), frame=number).getpixel((0, 0)) for number in range(3))
    assert second == (200, 60, 60)
    assert first == third != second


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
