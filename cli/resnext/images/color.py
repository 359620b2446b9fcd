"""Any of Pillow's modes -> RGB as a person would see it: sRGB colors, on white paper."""

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from io import BytesIO

import numpy as np
from PIL import Image, ImageChops

from resnext.errors import FailureCode, InputError
from resnext.images.limits import MAX_PROFILE_BYTES

# A profile that moves no color by more than this, of 255, is sRGB by another name: most photos carry such a one.
_SAME_COLOR = 2
_GRID = (0, 36, 73, 109, 146, 182, 219, 255)
_STRIP_PIXELS = 1 << 21

_Conversion = Callable[[Image.Image], Image.Image]


def to_rgb(image: Image.Image) -> Image.Image:
    """Give 8-bit RGB: embedded profiles converted to sRGB, transparency over white, deep pixels scaled, not clipped.

    It works strip by strip, so that it takes no more memory than the picture that it is given and the one it gives.

    Raises:
        InputError: a float image without one finite pixel.
    """
    if image.mode.startswith(("I", "F")):
        image = _scaled_to_8_bits(image)
    conversion = _conversion(image)
    if conversion is None:
        return image
    # With nothing between the picture and its RGB there is nothing to save.
    return conversion(image) if conversion is _plain else by_strips(image, "RGB", conversion)


def by_strips(image: Image.Image, mode: str, conversion: _Conversion) -> Image.Image:
    """Convert a picture to `mode`, so many rows at a time that what lies between takes some megabytes."""
    boxes = list(_strips(image.size))
    if len(boxes) == 1:
        return conversion(image)
    converted = Image.new(mode, image.size)
    for box in boxes:
        converted.paste(conversion(image.crop(box)), box)
    return converted


def _strips(size: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    width, height = size
    rows = max(1, _STRIP_PIXELS // width)
    return ((0, top, width, min(top + rows, height)) for top in range(0, height, rows))


def _conversion(image: Image.Image) -> _Conversion | None:
    """Choose how each pixel becomes RGB; None where it already is."""
    profile, mode = image.info.get("icc_profile"), image.mode
    if not isinstance(profile, bytes):  # a broken TIFF may hold a number there
        profile = None
    if mode == "LAB":
        return _lab_to_rgb
    if mode == "CMYK":
        return partial(_apply, _transform(profile, mode) if profile else None)
    # A gray profile describes another tone curve, which moves no label; one for RGB may hide vivid colors.
    transform = _transform(profile, "RGB") if profile and mode in ("RGB", "RGBA", "P", "PA", "RGBa") else None
    if mode in ("La", "RGBa"):
        flat: _Conversion | None = _premultiplied_on_white
    elif mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        flat = _on_white
    else:
        flat = None if mode == "RGB" else _plain
    if transform is None:
        return flat
    return lambda strip: _apply(transform, flat(strip) if flat else strip)


def _plain(image: Image.Image) -> Image.Image:
    return image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def _premultiplied_on_white(image: Image.Image) -> Image.Image:
    *colors, alpha = image.split()
    paper = ImageChops.invert(alpha)
    return Image.merge("RGB", [ImageChops.add(color, paper) for color in (colors * 3)[:3]])


def _apply(transform, image: Image.Image) -> Image.Image:  # type: ignore[no-untyped-def]
    """Convert by a profile's transform; without one, or where that fails, as if there were no profile."""
    from PIL import ImageCms

    converted = ImageCms.applyTransform(image, transform) if transform is not None else None
    return converted if converted is not None else image.convert("RGB")


@lru_cache(maxsize=32)  # a camera writes the same profile into every photo
def _transform(profile: bytes, mode: str):  # type: ignore[no-untyped-def]
    """The transform from a profile to sRGB; None where it is broken, for another mode, or changes nothing."""
    from PIL import ImageCms

    if len(profile) > MAX_PROFILE_BYTES:
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
    if image.mode.startswith("I;16"):
        low, high = 0.0, 65535.0
    else:
        low, high = _finite_range(image)
        if image.mode == "I" and low >= 0 and high <= 65535:
            # Pillow scales a PGM to 16 bits; other wide integers may just as well hold 8.
            low, high = 0.0, 65535.0 if high > 255 or image.format == "PPM" else 255.0
        elif image.mode == "F" and low >= 0 and high <= 1:
            low, high = 0.0, 1.0
    transparent = image.info.get("transparency")  # a gray level of a 16-bit PNG

    def scaled(strip: Image.Image) -> Image.Image:
        with np.errstate(invalid="ignore"):  # bits of a broken file may be a signalling NaN
            wide = np.asarray(strip).astype(np.float64)
        levels = np.nan_to_num((wide - low) / ((high - low) or 1.0), nan=0.0, posinf=1.0, neginf=0.0) * 255.0
        levels = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        if isinstance(transparent, int):
            levels[wide == transparent] = 255
        return Image.fromarray(levels)

    return by_strips(image, "L", scaled)


def _finite_range(image: Image.Image) -> tuple[float, float]:
    """The least and the greatest finite value of a picture."""
    low, high = np.inf, -np.inf
    for box in _strips(image.size):
        values = np.asarray(image.crop(box))
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low > high:
        raise InputError(FailureCode.CORRUPT, "broken image: no finite pixel")
    return low, high
