"""A source -> an upright RGB image, or an InputError with one of the closed set of codes.

Every step that touches the pixels is guarded as a whole, because loading them is the only check that finds a broken
file: Image.verify() passes most of those that fail to load.
"""

import errno
import io
import logging
import os
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

from resnext.errors import FailureCode, InputError
from resnext.images.color import to_rgb
from resnext.images.footprint import decoding_bytes
from resnext.images.formats import HEAD_BYTES, format_of, load_plugin
from resnext.records import Source

# A reduced JPEG keeps at least this many times the pixels that the resize needs on the shorter side.
_REDUCED_DECODING_FACTOR = 2
DEFAULT_MAX_MEGAPIXELS = 200.0
MAX_FILE_BYTES = 1 << 30
# Each scan of a progressive JPEG costs work over the whole picture, and takes a dozen bytes. Encoders write about ten.
MAX_JPEG_SCANS = 100
_START_OF_SCAN = b"\xff\xda"  # never inside of a scan: there a 0 follows every 255
_CHUNK_BYTES = 1 << 20
_BLOCK_BYTES = 64 << 20

# Pillow's own limit warns, or refuses with words of its own; DecodeConfig.max_megapixels stands in its place.
Image.MAX_IMAGE_PIXELS = None
# Pillow asks for large pictures in blocks. Freed ones of up to 32 MB (glibc's limit) stay with the thread that had
# them: eight threads that shared 2 GB kept 4. Larger ones go back to the system at once.
Image.core.set_block_size(_BLOCK_BYTES)  # type: ignore[attr-defined]  # documented, but not exported
# It also warns of odd metadata. The answer does not depend on it, stderr is for our own lines, and
# warnings.catch_warnings() is not safe in threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
# And it logs what it refuses to decode, which Python prints where nobody has asked for it.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_NOT_FOUND = (FailureCode.NOT_FOUND, "no such file")
_NO_PERMISSION = (FailureCode.PERMISSION, "no permission to read it")
_ERRNO_CODES = {
    errno.ENOENT: _NOT_FOUND,
    errno.ENOTDIR: _NOT_FOUND,
    errno.ENAMETOOLONG: (FailureCode.NOT_FOUND, "no such file: the name is too long"),
    errno.ELOOP: (FailureCode.NOT_FOUND, "a loop of symbolic links"),
    errno.EACCES: _NO_PERMISSION,
    errno.EPERM: _NO_PERMISSION,
    errno.ENXIO: (FailureCode.NOT_A_FILE, "not a regular file"),
}
_TRUNCATION_WORDS = ("truncated", "unexpected end", "not enough")


class DecodeConfig(NamedTuple):
    """`min_shorter_side`: the length in pixels that the resize needs; 0 decodes every photo in full.

    `max_megapixels` bounds what a file may claim to hold, in millions of pixels, before anything is decoded.
    """

    min_shorter_side: int
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS


def decode(source: Source, config: DecodeConfig, reserve: Callable[[int], None] = lambda size: None) -> Image.Image:
    """Open, decode and turn upright one photo; give it in RGB, as a person would see it on white paper.

    A large JPEG is decoded at 1/2, 1/4 or 1/8 of its size, still at least twice `min_shorter_side`. `reserve` is told
    how many bytes that may take before any of them is asked for, and may wait until there are so many.

    What is promised of time: nothing is waited for but disks, and C code, which no thread can interrupt, gets no more
    work than `max_megapixels`, MAX_FILE_BYTES and MAX_JPEG_SCANS allow. There is no clock that ends it.

    Raises:
        InputError: there is no such file, or no picture that can be shown.
    """
    with opened(source, config) as image:
        full_size = image.size
        if image.format == "JPEG" and config.min_shorter_side:
            side = config.min_shorter_side * _REDUCED_DECODING_FACTOR
            image.draft(None, (side, side))
        reserve(decoding_bytes(image, full_size))
        image.load()
        return to_rgb(_upright(image))


@contextmanager
def opened(source: Source, config: DecodeConfig) -> Iterator[Image.Image]:
    """Open a source as an image of an allowed format and size; its pixels are not loaded yet.

    Whatever a broken file makes Pillow raise inside the block leaves it as an InputError.
    """
    try:
        with _open(source.file) if source.read is None else io.BytesIO(source.read()) as stream:
            name = format_of(stream.read(HEAD_BYTES))
            stream.seek(0)
            load_plugin(name)  # otherwise Pillow would import all forty of its own
            with Image.open(stream, formats=(name,)) as image:
                _check_size(image, config)
                if image.info.get("progressive"):
                    _check_scans(stream)
                yield image
    except InputError:
        raise
    except UnidentifiedImageError as error:
        raise InputError(FailureCode.CORRUPT, f"broken image: a {name} whose header can't be read") from error
    except OSError as error:
        raise _from_os_error(error) from error
    except MemoryError as error:
        raise InputError(FailureCode.TOO_LARGE, "not enough memory to decode it") from error
    except Exception as error:
        # Pillow's plugins let ValueError, SyntaxError, RuntimeError, TypeError, struct.error, … through for broken
        # files; 128 of 7,123 hostile ones do.
        raise InputError(FailureCode.CORRUPT, f"broken image: {_reason(error)}") from error


def _open(file: str) -> BinaryIO:
    """Open a plain file. What is none is refused without waiting for it: a FIFO would block, a device never end."""
    try:
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except IsADirectoryError as error:
        raise InputError(FailureCode.NOT_A_FILE, "not a regular file") from error
    except ValueError as error:  # an embedded NUL
        raise InputError(*_NOT_FOUND) from error
    stream = os.fdopen(descriptor, "rb") if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    if stream is None:
        os.close(descriptor)
        raise InputError(FailureCode.NOT_A_FILE, "not a regular file")
    size = os.fstat(descriptor).st_size
    if size > MAX_FILE_BYTES:
        stream.close()
        raise InputError(FailureCode.TOO_LARGE, f"{size / 1e9:.1f} GB; at most {MAX_FILE_BYTES / 1e9:.1f} GB")
    return stream


def _check_size(image: Image.Image, config: DecodeConfig) -> None:
    megapixels = image.width * image.height / 1e6
    if megapixels > config.max_megapixels:
        raise InputError(
            FailureCode.TOO_LARGE,
            f"{image.width} x {image.height} pixels; at most {config.max_megapixels:g} megapixels"
            " (--max-image-megapixels)",
        )


def _check_scans(stream: BinaryIO) -> None:
    """Count the scans of a JPEG, those of its thumbnails too; leaves the stream where it was."""
    place = stream.tell()
    stream.seek(0)
    scans, last = 0, b""
    while chunk := stream.read(_CHUNK_BYTES):
        scans += (last + chunk).count(_START_OF_SCAN)
        last = chunk[-1:]
    stream.seek(place)
    if scans > MAX_JPEG_SCANS:
        raise InputError(FailureCode.TOO_LARGE, f"a JPEG of {scans} scans; at most {MAX_JPEG_SCANS}")


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
    except Exception:  # it also rewrites the metadata, which can fail in as many ways when only that is broken
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
