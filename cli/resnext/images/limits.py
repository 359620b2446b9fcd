"""What one picture may cost: bytes of its file, pixels, scans, memory."""

from typing import NamedTuple

from PIL import Image

from resnext.errors import too_large

MAX_FILE_BYTES = 1 << 30
DEFAULT_MAX_MEGAPIXELS = 200.0
# Each scan of a progressive JPEG costs work over the whole picture, and takes a dozen bytes. Encoders write about ten.
MAX_JPEG_SCANS = 100
MAX_PROFILE_BYTES = 4 << 20  # a real color profile has some kilobytes; a table of inks a megabyte
MAX_DIRECTORIES = 10_000  # of a TIFF: a book has a thousand

# A file may unpack to this many times its own bytes, and a small one to this many bytes in any case: a photo of
# 24 megapixels takes 100 MB and has megabytes itself, a bomb takes gigabytes and has some kilobytes.
MAX_EXPANSION = 400
SMALL_PICTURE_BYTES = 400 << 20
# All pictures in files of less than this together take no more than one of them may: many bombs at once are no worse
# than one.
SMALL_FILE_BYTES = 1_000_000

# Bytes a pixel that Pillow keeps: these modes in one or two, all others in four.
_STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_RGB = 4
_DEEP = 1  # the levels of a 16-bit or float picture
_TIFF_COLORS = 8  # a strip of 16 bits a channel, which may be the whole picture
# Bytes a pixel beside the pixels themselves: whole pictures that a codec keeps while it works.
_CODEC = {"JPEG2000": 16, "AVIF": 8, "HEIF": 8, "JXL": 16, "WEBP": 12}
# Of those, what is taken as soon as a file is opened, before its mode is known; and on the way to a later frame of an
# animation, which is composed of the ones before.
_OPENING = {"JXL": 16, "WEBP": 12, "GIF": 1, "ICO": 8}
_LATER_FRAME = {"GIF": 12, "HEIF": 4}
_DECODING = 8  # from this on, opening is most of the work, or all of it
_PROGRESSIVE_JPEG = 6  # the coefficients of three full channels, two bytes each, whatever size is decoded


class Need(NamedTuple):
    """The bytes of memory that one picture takes while it is decoded; `small`: its file has few bytes itself."""

    size: int
    small: bool


def need(size: int, file_bytes: int) -> Need:
    """What a picture of a file of `file_bytes` needs, if it takes `size` bytes of memory."""
    return Need(size, file_bytes < SMALL_FILE_BYTES)


def check_file(size: int) -> None:
    """Refuse a file of more than MAX_FILE_BYTES."""
    if size > MAX_FILE_BYTES:
        raise too_large(f"{size / 1e9:.1f} GB; at most {MAX_FILE_BYTES / 1e9:.1f} GB")


def check_pixels(width: int, height: int, max_megapixels: float) -> None:
    """Refuse a picture of more than `max_megapixels` million pixels."""
    if width * height > max_megapixels * 1e6:
        raise too_large(f"{width} x {height} pixels; at most {max_megapixels:g} megapixels (--max-image-megapixels)")


def check_memory(memory: int, file_bytes: int) -> None:
    """Refuse a picture that takes `memory` bytes while its file of `file_bytes` is far too small for that."""
    if memory > max(SMALL_PICTURE_BYTES, MAX_EXPANSION * file_bytes):
        raise too_large(f"its {file_bytes:,} bytes unpack to {memory / 1e6:,.0f} MB: more than a photo's do")


def opening_bytes(name: str, *, later: bool) -> int:
    """Estimate the bytes a pixel that opening a format and going to its first, or a later, frame takes."""
    first = _OPENING.get(name, 0)
    return _LATER_FRAME.get(name, first) if later else first


def decoded_while_opened(name: str, *, later: bool) -> int:
    """Estimate the bytes a pixel of a picture that opening its file decodes as well; 0 where that comes later."""
    opening = opening_bytes(name, later=later)
    return max(opening, 4 + _CODEC.get(name, 0)) if opening >= _DECODING else 0


def loading_bytes(image: Image.Image, full_size: tuple[int, int]) -> int:
    """Estimate the bytes that loading an opened image takes, with its codec; never far too few.

    `full_size` is (width, height) of the file; image.size is smaller where a JPEG is decoded reduced.
    """
    stored = _STORED.get(image.mode, 4)
    each = stored + _CODEC.get(image.format or "", 0)
    if image.format == "TIFF":
        each += stored if stored < 4 else _TIFF_COLORS
    progressive = image.format == "JPEG" and bool(image.info.get("progressive"))
    return image.width * image.height * each + full_size[0] * full_size[1] * (_PROGRESSIVE_JPEG if progressive else 0)


def converting_bytes(image: Image.Image, *, turned: bool) -> int:
    """Estimate the bytes that a loaded image, its `turned` copy, and its RGB take together."""
    each = _STORED.get(image.mode, 4)
    if image.mode.startswith(("I", "F")):
        each += each + _DEEP  # as it is stored, and turned upright
    as_it_is = image.mode == "RGB" and not {"icc_profile", "transparency"} & image.info.keys()
    return image.width * image.height * (each * (1 + turned) + (0 if as_it_is else _RGB))
