"""TIFFs in many layouts, against what was stored: the right picture or an error, never another."""

import io
import itertools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from resnext.images.decode import DecodeConfig, decode
from resnext.records import Source
from support.program import SAMPLES
from support.stored_pictures import COLORS, GRAY, Numbers, X, Y, as_stored, assert_same, seen, with_alpha

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
    indexes = ((X // 8 + Y // 8) % 16).astype("u1")
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
