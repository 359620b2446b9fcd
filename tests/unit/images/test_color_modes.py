"""Files of every mode -> the colours that a person sees: on white paper, in full range, from any profile."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from resnext.errors import FailureCode, InputError
from resnext.images.decode import DecodeConfig, decode
from resnext.records import Source
from support.program import SAMPLES


def pixels_of(path: Path) -> NDArray[np.int64]:
    image = decode(Source(str(path)), DecodeConfig(0))
    assert image.mode == "RGB"
    return np.asarray(image).astype(np.int64)


def png(width: int, height: int, depth: int, kind: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG of the very header, chunks and (unfiltered) rows given."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


# -- transparency ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_the_transparent_entry_of_a_palette_is_white(tmp_path: Path, suffix: str) -> None:
    image = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.save(tmp_path / f"p.{suffix}", transparency=0)
    paper, ink = [255, 255, 255], [200, 100, 50]
    assert pixels_of(tmp_path / f"p.{suffix}").tolist() == [[paper, ink], [ink, paper]]


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_composed_over_white(tmp_path: Path, mode: str, suffix: str) -> None:
    colour, alphas = ((0, 80, 160) if mode == "RGBA" else (80,)), (0, 64, 128, 255)
    pixels = np.array([[(*colour, alpha) for alpha in alphas]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / f"t.{suffix}", lossless=True)
    expected = [[[255 + (c - 255) * alpha / 255 for c in (colour * 3)[:3]] for alpha in alphas]]
    assert np.abs(pixels_of(tmp_path / f"t.{suffix}") - expected).max() <= 1


@pytest.mark.parametrize(
    ("depth", "kind", "key", "rows"),
    [
        (8, 0, (7,), b"\0\x07\x50"),
        (16, 0, (7,), b"\0" + struct.pack(">2H", 7, 80 * 257)),
        (8, 2, (7, 7, 7), b"\0\x07\x07\x07\x50\x50\x50"),
    ],
    ids=["grey", "16-bit grey", "rgb"],
)
def test_a_colour_declared_transparent_is_white(tmp_path: Path, depth: int, kind: int, key: Any, rows: bytes) -> None:
    transparent = (b"tRNS", struct.pack(f">{len(key)}H", *key))
    (tmp_path / "t.png").write_bytes(png(2, 1, depth, kind, rows, transparent))
    assert pixels_of(tmp_path / "t.png").tolist() == [[[255] * 3, [80] * 3]]


# -- inks and ranges -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_inks_darken_white(tmp_path: Path, suffix: str) -> None:
    for inks, rgb in {(0, 0, 0, 0): (255, 255, 255), (255, 0, 0, 0): (0, 255, 255), (0, 0, 0, 255): (0, 0, 0)}.items():
        Image.new("CMYK", (16, 16), inks).save(tmp_path / f"c.{suffix}")
        assert np.abs(pixels_of(tmp_path / f"c.{suffix}") - rgb).max() <= 3


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_are_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(np.array([[0, 255, 256, 25700, 65535]], np.uint16)).save(tmp_path / f"g.{suffix}")
    assert pixels_of(tmp_path / f"g.{suffix}")[0, :, 0].tolist() == [0, 1, 1, 100, 255]


@pytest.mark.parametrize(("values", "expected"), [((100, 255, 25700), (0, 1, 100)), ((100, 255), (0, 1))])
def test_a_dark_16_bit_image_stays_dark(tmp_path: Path, values: tuple[int, ...], expected: tuple[int, ...]) -> None:
    body = struct.pack(f">{len(values)}H", *values)
    (tmp_path / "g.pgm").write_bytes(b"P5 %d 1 65535\n" % len(values) + body)
    assert tuple(pixels_of(tmp_path / "g.pgm")[0, :, 0].tolist()) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0, 0.5, 1), (0, 128, 255)),
        ((0, 0.25, 0.5), (0, 64, 128)),
        ((-4, 0, 4), (0, 128, 255)),
        ((np.nan, 0, 1), (0, 0, 255)),
        ((0, 0.5, np.inf), (0, 128, 255)),
    ],
)
def test_floats_are_scaled_to_their_range(tmp_path: Path, values: tuple[float, ...], expected: tuple[int, ...]) -> None:
    Image.fromarray(np.array([values], np.float32)).save(tmp_path / "f.tif")
    assert tuple(pixels_of(tmp_path / "f.tif")[0, :, 1].tolist()) == expected


def test_a_signalling_nan_warns_of_nothing(tmp_path: Path) -> None:
    """Its cast to float64 would: damaged files hold such bits."""
    values = np.array([[0x7FA00000, 0, 0x3F800000]], np.uint32).view(np.float32)  # NaN, 0, 1
    Image.fromarray(values).save(tmp_path / "f.tif")
    assert pixels_of(tmp_path / "f.tif")[0, :, 1].tolist() == [0, 0, 255]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_floats_without_one_number_are_corrupt(tmp_path: Path, value: float) -> None:
    Image.fromarray(np.full((2, 2), value, np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(InputError) as caught:
        pixels_of(tmp_path / "f.tif")
    assert caught.value.code == FailureCode.CORRUPT


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(np.array([[True, False, True]])).save(tmp_path / "b.png")
    assert pixels_of(tmp_path / "b.png")[0, :, 2].tolist() == [255, 0, 255]


# -- profiles --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def adobe_rgb() -> bytes:
    with Image.open(SAMPLES / "rocket.jpg") as image:
        return bytes(image.info["icc_profile"])


def adobe_to_srgb(color: tuple[int, ...]) -> NDArray[np.float64]:
    """Adobe RGB (1998) 4.3 and IEC 61966-2-1; both are of D65 white."""
    to_xyz = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
    to_rgb = np.array([[3.24045, -1.53714, -0.49853], [-0.96927, 1.87601, 0.04156], [0.05564, -0.20403, 1.05723]])
    linear = np.clip(to_rgb @ to_xyz @ (np.array(color) / 255) ** 2.19921875, 0, 1)
    return np.asarray(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
@pytest.mark.parametrize("color", [(128, 160, 100), (200, 60, 60), (30, 90, 180)])
def test_colours_of_a_wide_profile_are_converted(tmp_path: Path, adobe_rgb: bytes, color: Any, suffix: str) -> None:
    options = {"icc_profile": adobe_rgb, "lossless": True, "exact": True}
    Image.new("RGB", (4, 4), color).save(tmp_path / f"p.{suffix}", **options)
    Image.new("RGBA", (4, 4), (*color, 0)).save(tmp_path / f"clear.{suffix}", **options)
    assert np.abs(pixels_of(tmp_path / f"p.{suffix}") - adobe_to_srgb(color)).max() <= 3
    assert np.abs(pixels_of(tmp_path / f"clear.{suffix}") - 255).max() <= 1


def test_a_profile_that_is_a_number_is_as_good_as_none(tmp_path: Path) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[34675] = 5
    tags.tagtype[34675] = 3  # SHORT, where bytes should be
    Image.new("RGB", (4, 4), (1, 2, 3)).save(tmp_path / "p.tif", tiffinfo=tags)
    assert pixels_of(tmp_path / "p.tif")[0, 0].tolist() == [1, 2, 3]


def test_a_profile_for_other_colours_is_not_applied(tmp_path: Path, adobe_rgb: bytes) -> None:
    Image.new("CMYK", (4, 4), (255, 0, 0, 0)).save(tmp_path / "p.tif", icc_profile=adobe_rgb)
    assert pixels_of(tmp_path / "p.tif")[0, 0].tolist() == [0, 255, 255]
