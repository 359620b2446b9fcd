"""Any of Pillow's modes -> RGB as a person would see it: sRGB colours, on white paper."""

from collections.abc import Iterator
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from resnext.errors import FailureCode, InputError

# A profile that moves no colour by more than this, of 255, is sRGB by another name: most photos carry such a one.
_SAME_COLOR = 2
_GRID = (0, 36, 73, 109, 146, 182, 219, 255)
_STRIP_PIXELS = 1 << 20
_PROFILE_BYTES = 4 << 20  # a real one has some kilobytes; a table of inks a megabyte


def to_rgb(image: Image.Image) -> Image.Image:
    """Give 8-bit RGB: embedded profiles converted to sRGB, transparency over white, deep pixels scaled, not clipped.

    Raises:
        InputError: a float image without one finite pixel.
    """
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes):  # a broken TIFF may hold a number there
        profile = None
    if image.mode.startswith(("I", "F")):
        return _scaled_to_8_bits(image).convert("RGB")
    if image.mode == "LAB":
        return _lab_to_rgb(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        flat = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    elif image.mode == "CMYK" and profile:
        return _to_srgb(image, profile)
    else:
        flat = image if image.mode == "RGB" else image.convert("RGB")
    # A grey profile describes another tone curve, which moves no label; one for RGB may hide vivid colours.
    return _to_srgb(flat, profile) if profile and image.mode in ("RGB", "RGBA", "P", "PA", "RGBa") else flat


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert by an embedded profile; a broken one is as good as none."""
    from PIL import ImageCms

    transform = _transform(profile, image.mode)
    if transform is None:
        return image.convert("RGB")
    converted = ImageCms.applyTransform(image, transform)
    return converted if converted is not None else image.convert("RGB")


@lru_cache(maxsize=32)  # a camera writes the same profile into every photo
def _transform(profile: bytes, mode: str):  # type: ignore[no-untyped-def]
    """The transform from a profile to sRGB; None where it is broken, for another mode, or changes nothing."""
    from PIL import ImageCms

    if len(profile) > _PROFILE_BYTES:
        return None
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
        if mode != "RGB":
            return transform
        levels = np.array(np.meshgrid(_GRID, _GRID, _GRID), np.uint8).reshape(3, -1).T.reshape(1, -1, 3)
        moved = ImageCms.applyTransform(Image.fromarray(np.ascontiguousarray(levels)), transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    difference = np.abs(np.asarray(moved, np.int16) - levels).max()
    return None if difference <= _SAME_COLOR else transform


def _lab_to_rgb(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    converted = ImageCms.profileToProfile(
        image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    return converted if converted is not None else image.convert("RGB")


def _scaled_to_8_bits(image: Image.Image) -> Image.Image:
    """16-bit modes keep their scale (65535 is white); wider integers and floats are stretched from their own range."""
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        low, high = 0.0, 65535.0
    else:
        low, high = _finite_range(values)
        if image.mode == "I" and low >= 0 and high <= 65535:
            # Pillow scales a PGM to 16 bits; other wide integers may just as well hold 8.
            low, high = 0.0, 65535.0 if high > 255 or image.format == "PPM" else 255.0
        elif image.mode == "F" and low >= 0 and high <= 1:
            low, high = 0.0, 1.0
    transparent = image.info.get("transparency")  # a grey level of a 16-bit PNG
    levels = np.empty(values.shape, np.uint8)
    for rows in _strips(values):
        with np.errstate(invalid="ignore"):  # bits of a broken file may be a signalling NaN
            wide = values[rows].astype(np.float64)
        scaled = np.nan_to_num((wide - low) / ((high - low) or 1.0), nan=0.0, posinf=1.0, neginf=0.0) * 255.0
        levels[rows] = np.clip(np.rint(scaled), 0, 255)
        if isinstance(transparent, int):
            levels[rows][wide == transparent] = 255
    return Image.fromarray(levels)


def _finite_range(values: NDArray[Any]) -> tuple[float, float]:
    """The least and the greatest finite value of (H, W)."""
    low, high = np.inf, -np.inf
    for rows in _strips(values):
        finite = values[rows][np.isfinite(values[rows])]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low > high:
        raise InputError(FailureCode.CORRUPT, "broken image: no finite pixel")
    return low, high


def _strips(values: NDArray[Any]) -> Iterator[slice]:
    """Rows of (H, W), so many at a time that work in float64 takes some megabytes, not gigabytes."""
    height = max(1, _STRIP_PIXELS // values.shape[1])
    return (slice(top, top + height) for top in range(0, values.shape[0], height))
