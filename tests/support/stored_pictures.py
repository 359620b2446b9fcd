"""A picture whose every number is known, and what is seen of it in a file."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from resnext.errors import FailureCode, InputError
from resnext.images.decode import DecodeConfig, decode
from resnext.records import Source

Numbers = NDArray[Any]
HEIGHT, WIDTH = 40, 48
Y, X = np.mgrid[0:HEIGHT, 0:WIDTH]
# (H, W, 3) and (H, W) in 0..1: slopes and fields, nowhere quite black or white.
COLORS = 0.1 + 0.8 * np.stack([X / (WIDTH - 1), Y / (HEIGHT - 1), 0.2 + 0.6 * ((X // 8 + Y // 8) % 2)], -1)
GRAY = COLORS @ (0.6, 0.2, 0.2)
ALPHA = np.where((X - 24) ** 2 + (Y - 20) ** 2 < 200, 1.0, 0.35)


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


def with_alpha(colors: Numbers, alpha: str | None) -> tuple[Numbers, Numbers]:
    """(what is stored, what is seen on white paper) of colors (H, W, C) with a fourth channel of that kind."""
    opacity = ALPHA[..., None]
    if alpha is None:
        return colors, colors
    stored = np.concatenate([colors * opacity if alpha == "assocalpha" else colors, opacity], -1)
    return stored, colors if alpha == "unspecified" else colors * opacity + 1 - opacity
