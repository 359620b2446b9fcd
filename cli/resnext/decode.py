"""A source -> an upright RGB image, or an InputError with one of the closed set of codes.

The bytes decide what a file is, never its name. Only formats on the allow-list are opened: an EPS under a .jpg name
must never reach Ghostscript. Every step that touches the pixels is guarded as a whole, because loading them is the only
check that finds a broken file.
"""

import errno
import os
import stat
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from resnext.errors import FailureCode, InputError
from resnext.records import Source

# What photos and pictures come in. Left out: formats that start other programs (EPS, WMF), scientific containers and
# game textures, whose broken members do more harm than their photos good.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "DIB", "JPEG2000", "PPM", "ICO", "TGA")
# A reduced JPEG keeps at least this many times the pixels that the resize needs on the shorter side.
_REDUCED_DECODING_FACTOR = 2
DEFAULT_MAX_MEGAPIXELS = 200.0
MAX_FILE_BYTES = 1 << 30

_ERRNO_CODES = {
    errno.ENOENT: (FailureCode.NOT_FOUND, "no such file"),
    errno.ENOTDIR: (FailureCode.NOT_FOUND, "no such file"),
    errno.ENAMETOOLONG: (FailureCode.NOT_FOUND, "no such file: the name is too long"),
    errno.ELOOP: (FailureCode.NOT_FOUND, "a loop of symbolic links"),
    errno.EACCES: (FailureCode.PERMISSION, "no permission to read it"),
    errno.EPERM: (FailureCode.PERMISSION, "no permission to read it"),
}
_TRUNCATION_WORDS = ("truncated", "broken data stream", "unexpected end", "not enough", "unrecognized data stream")


@dataclass(frozen=True, slots=True)
class DecodeConfig:
    """`min_shorter_side`: the length in pixels that the resize needs; 0 decodes every photo in full.

    `max_megapixels` bounds what a file may claim to hold, in millions of pixels, before anything is decoded.
    """

    min_shorter_side: int
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS


def decode(source: Source, config: DecodeConfig) -> Image.Image:
    """Open, decode and turn upright one photo; give it in RGB, as a person would see it on white paper.

    A large JPEG is decoded at 1/2, 1/4 or 1/8 of its size, still at least twice `min_shorter_side`.

    Raises:
        InputError: there is no such file, or no picture that can be shown.
    """
    _check_file(source.file)
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata; the answer does not depend on it, and stderr is for our own lines.
            warnings.simplefilter("ignore")
            with Image.open(source.file, formats=FORMATS) as image:
                _check_size(image, config)
                if image.format == "JPEG" and config.min_shorter_side:
                    side = config.min_shorter_side * _REDUCED_DECODING_FACTOR
                    image.draft(None, (side, side))
                image.load()
                return _to_rgb(_upright(image))
    except InputError:
        raise
    except UnidentifiedImageError:
        raise _unidentified(source.file) from None
    except OSError as error:
        raise _from_os_error(error) from error
    except MemoryError as error:
        raise InputError(FailureCode.TOO_LARGE, "not enough memory to decode it") from error
    except Exception as error:
        # Pillow's plugins let ValueError, SyntaxError, RuntimeError, TypeError, struct.error, … through for broken
        # files; 128 of 7,123 hostile ones do. Nothing of ours runs inside this block but the four lines above.
        raise InputError(FailureCode.CORRUPT, f"broken image: {_reason(error)}") from error


def _check_file(file: str) -> None:
    """Refuse what is not a plain file before opening it: a FIFO or a device would block or never end."""
    try:
        status = os.stat(file)  # noqa: PTH116 - the name is bytes with surrogates, not a Path to work on
    except OSError as error:
        raise _from_os_error(error) from error
    except ValueError as error:  # an embedded NUL
        raise InputError(FailureCode.NOT_FOUND, "no such file") from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError(FailureCode.NOT_A_FILE, "not a regular file")
    if status.st_size == 0:
        raise InputError(FailureCode.EMPTY, "the file is empty")
    if status.st_size > MAX_FILE_BYTES:
        raise InputError(FailureCode.TOO_LARGE, f"{status.st_size / 1e9:.1f} GB; at most {MAX_FILE_BYTES / 1e9:.1f} GB")


def _check_size(image: Image.Image, config: DecodeConfig) -> None:
    megapixels = image.width * image.height / 1e6
    if megapixels > config.max_megapixels:
        raise InputError(
            FailureCode.TOO_LARGE,
            f"{image.width} x {image.height} pixels; at most {config.max_megapixels:g} megapixels"
            " (--max-image-megapixels)",
        )


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation. Broken EXIF says nothing about the pixels: the photo is taken as it lies."""
    try:
        orientation = image.getexif().get(0x0112, 1)
    except Exception:  # the parser raises whatever the broken bytes make it raise (struct.error, SyntaxError, …)
        return image
    if orientation not in range(2, 9):
        return image
    try:
        return ImageOps.exif_transpose(image)
    except (struct.error, ValueError, TypeError, SyntaxError, OverflowError):
        # exif_transpose also rewrites the metadata, which can fail when only that is broken.
        return image.transpose(_TURNS[orientation])


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _to_rgb(image: Image.Image) -> Image.Image:
    """RGB as shown on white: transparency composed over it, 16 bits and floats scaled to 8, not clipped."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith(("I", "F")):
        return _scaled_to_8_bits(image).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _scaled_to_8_bits(image: Image.Image) -> Image.Image:
    """16-bit modes keep their scale (65535 is white); wider integers and floats are stretched from their own range."""
    values = np.asarray(image, dtype=np.float64)
    if image.mode.startswith("I;16"):
        low, high = 0.0, 65535.0
    else:
        finite = values[np.isfinite(values)]
        if finite.size == 0:
            raise InputError(FailureCode.CORRUPT, "broken image: no finite pixel")
        low, high = float(finite.min()), float(finite.max())
        if image.mode == "I" and low >= 0 and high <= 65535:
            low, high = 0.0, 65535.0 if high > 255 else 255.0
        elif image.mode == "F" and low >= 0 and high <= 1:
            low, high = 0.0, 1.0
    scaled = np.nan_to_num((values - low) / ((high - low) or 1.0), nan=0.0, posinf=1.0, neginf=0.0) * 255.0
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))


def _unidentified(file: str) -> InputError:
    """Say whether the bytes are a picture in a format that is left out, or none at all."""
    try:
        with Path(file).open("rb") as stream:
            head = stream.read(32)
    except OSError as error:
        return _from_os_error(error)
    for magic, name in _KNOWN_BUT_UNSUPPORTED:
        if head.startswith(magic):
            return InputError(FailureCode.UNSUPPORTED_FORMAT, f"{name} is not supported")
    if head[4:8] == b"ftyp":
        brand = head[8:12].decode("ascii", "replace")
        if brand in _HEIF_BRANDS:
            return InputError(FailureCode.UNSUPPORTED_FORMAT, "HEIC/HEIF is not supported")
        return InputError(FailureCode.NOT_AN_IMAGE, "a video or audio file, not a photo")
    return InputError(FailureCode.NOT_AN_IMAGE, "not an image")


_HEIF_BRANDS = frozenset({"heic", "heix", "hevc", "hevx", "heim", "heis", "mif1", "msf1"})
_KNOWN_BUT_UNSUPPORTED = (
    (b"%!PS", "EPS/PostScript"),
    (b"\xc5\xd0\xd3\xc6", "EPS/PostScript"),
    (b"%PDF", "PDF"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"8BPS", "Photoshop"),
    (b"DDS ", "a DirectDraw texture"),
    (b"<svg", "SVG"),
)


def _from_os_error(error: OSError) -> InputError:
    if error.errno in _ERRNO_CODES:
        return InputError(*_ERRNO_CODES[error.errno])
    if error.errno is not None:
        return InputError(FailureCode.READ_ERROR, f"can't read it: {os.strerror(error.errno)}")
    reason = _reason(error)
    if any(word in reason.lower() for word in _TRUNCATION_WORDS):
        return InputError(FailureCode.TRUNCATED, f"the file ends too early: {reason}")
    return InputError(FailureCode.CORRUPT, f"broken image: {reason}")


def _reason(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__
