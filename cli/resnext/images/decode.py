"""A source -> an upright RGB image, or an InputError with one of the closed set of codes.

Headers are checked before a decoder takes memory for what they claim. Every step that touches the pixels is guarded as
a whole, because loading them is the only check that finds a broken file: Image.verify() passes most of those that fail
to load.
"""

import errno
import itertools
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, BinaryIO, NamedTuple, TypeVar

from PIL import Image
from PIL.ImageFile import ImageFile

from resnext.errors import FailureCode, InputError, cant_read, first_line, too_large
from resnext.images import headers, limits, png
from resnext.images.boxes import check_whole, clean_aperture
from resnext.images.color import to_rgb
from resnext.images.content import content
from resnext.images.formats import HEAD_BYTES, format_of, open_image
from resnext.images.jpeg import check_scans
from resnext.images.limits import DEFAULT_MAX_MEGAPIXELS
from resnext.records import Source

T = TypeVar("T")
Reserve = Callable[[limits.Need], None]

# A reduced JPEG keeps at least this many times the pixels that the resize needs on the shorter side.
_REDUCED_DECODING_FACTOR = 2
_HUGE_PIXELS = 64_000_000
_BLOCK_BYTES = 64 << 20
_ORIENTATION = 0x0112
# What Pillow says of a file, in lower case: that ends too early; that is sound, of a kind that Pillow does not read.
_TRUNCATION_WORDS = ("truncated", "unexpected end", "not enough")
_UNSUPPORTED_WORDS = (
    *("unknown pixel mode", "cannot handle", "unsupported bmp", "not yet supported"),
    "string index out of range",  # of more planes in a TIFF than Pillow has colors
)
_LIBJXL_WORDS = "Generic Error"  # all that it ever says
_MOVING = ("PNG", "WEBP", "AVIF", "HEIF")
_BOXED = ("HEIF", "AVIF", "JXL", "JPEG2000")


class DecodeConfig(NamedTuple):
    """`min_shorter_side`: the length in pixels that the resize needs; 0 decodes every photo in full.

    `max_megapixels` bounds what a file may claim to hold, in millions of pixels, before anything is decoded.
    """

    min_shorter_side: int
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS


def decode(
    source: Source,
    config: DecodeConfig,
    reserve: Reserve = lambda need: None,
    frame: int | None = None,
) -> Image.Image:
    """Open, decode and turn upright one picture; give it in RGB, as a person would see it on white paper.

    `frame` (from 0, below `frame_count`) is one of an animation or a file of many pages; None is the picture that the
    file shows first. A large JPEG is decoded at 1/2, 1/4 or 1/8 of its size, still at least twice `min_shorter_side`.
    `reserve` is called with what it may take of memory, before that is allocated; it may wait for it.

    What is promised of time: nothing is waited for but disks, and C code, which no thread can interrupt, gets no more
    work than `max_megapixels` and the bounds of `limits` allow. There is no clock that ends it.

    Raises:
        InputError: there is no such file, or no picture that can be shown.
    """
    reserve = once(reserve)  # a second try has what the first one had

    def seen(stream: BinaryIO, profile: bytes | None) -> Image.Image:
        with opened(stream, config, frame, profile, reserve) as image:
            return as_seen(image, stream, config, reserve)

    with failures_as_input_errors(), content(source) as stream:
        return _or_mended(stream, seen)


def once(reserve: Reserve) -> Reserve:
    """Make a `reserve` that is heard the first time alone: the largest need of a picture is told first."""
    told: list[limits.Need] = []

    def tell(need: limits.Need) -> None:
        if not told:
            told.append(need)
            reserve(need)

    return tell


def frame_count(source: Source, config: DecodeConfig) -> int:
    """Count the pictures of a file without decoding them: frames of an animation, pages of a TIFF; 1 for all others.

    Raises:
        InputError: there is no such file, or none whose first picture could be decoded.
    """

    def count(stream: BinaryIO, profile: bytes | None) -> int:
        with opened(stream, config, None, profile) as image:
            if image.format == "GIF":
                return max(1, sum(1 for _ in headers.gif_canvases(stream)))
            if image.format == "TIFF":
                from resnext.images import tiff

                return max(1, sum(1 for _ in tiff.pictures(stream)))
            moving: Any = image
            return int(moving.n_frames) if image.format in _MOVING else 1

    with failures_as_input_errors(), content(source) as stream:
        return _or_mended(stream, count)


def _or_mended(stream: BinaryIO, work: Callable[[BinaryIO, bytes | None], T]) -> T:
    """Do `work` with a stream; where Pillow fails of what is no part of a PNG's picture, once more without that.

    So a sound PNG is not looked through twice.
    """
    try:
        return work(stream, None)
    except (InputError, MemoryError):
        raise
    except Exception:
        mended = png.mended(stream)
        if mended is None:
            raise
    return work(*mended)


@contextmanager
def opened(
    stream: BinaryIO,
    config: DecodeConfig,
    frame: int | None,
    profile: bytes | None = None,
    reserve: Reserve = lambda need: None,
) -> Iterator[ImageFile]:
    """Open a stream as an image of an allowed format and size, at its frame; the pixels are not loaded yet.

    `profile`: the color profile that it has, where it is not for Pillow to find. `reserve` is called where opening
    decodes the picture.
    """
    settle_pillow()
    stream.seek(0)
    name, file_bytes = format_of(stream.read(HEAD_BYTES)), stream.seek(0, 2)
    if name in _BOXED:
        check_whole(stream)
    most = 0
    for width, height in headers.claimed_sizes(name, stream, frame or 0):
        limits.check_pixels(width, height, config.max_megapixels)
        limits.check_memory(width * height * limits.opening_bytes(name, later=bool(frame)), file_bytes)
        most = max(most, width * height)
    if decoded := most * limits.decoded_while_opened(name, later=bool(frame)):
        reserve(limits.need(decoded, file_bytes))
    if name == "TIFF":
        from resnext.images import tiff

        frame = next(itertools.islice(tiff.pictures(stream), frame or 0, None), frame)
    stream.seek(0)
    with open_image(name, stream) as image:
        if profile is not None:
            image.info["icc_profile"] = profile
        if frame:
            image.seek(frame)
        if name == "TIFF":
            tiff.prepare(image)
        limits.check_pixels(*image.size, config.max_megapixels)
        if name == "JPEG":
            place = stream.tell()
            check_scans(stream)
            stream.seek(place)
        elif name == "PNG":
            png.scale_transparent_color(image, stream)
        yield image


def as_seen(image: ImageFile, stream: BinaryIO, config: DecodeConfig, reserve: Reserve) -> Image.Image:
    """Decode an opened image and turn it upright, in RGB: the very image, where it is that already."""
    full_size, file_bytes = image.size, stream.seek(0, 2)
    if image.format == "JPEG" and config.min_shorter_side:
        side = config.min_shorter_side * _REDUCED_DECODING_FACTOR
        image.draft(None, (side, side))
    loading = limits.loading_bytes(image, full_size)
    limits.check_memory(loading, file_bytes)
    reserve(limits.need(max(loading, limits.converting_bytes(image, turned=True)), file_bytes))
    image.load()
    small = _reduced(image, config)
    limits.check_memory(limits.converting_bytes(small, turned=_turn(small) is not None), file_bytes)
    meant = _as_meant(small, stream) if small is image else small
    turn = _turn(meant)
    return to_rgb(meant if turn is None else meant.transpose(turn))


def _as_meant(image: ImageFile, stream: BinaryIO) -> Image.Image:
    """Put right what Pillow makes of a loaded picture otherwise than its format means it."""
    if image.format == "TIFF":
        from resnext.images import tiff

        return tiff.loaded(image)
    if image.format in ("BMP", "ICO") and image.mode == "RGBA" and not image.getbbox():
        return image.convert("RGB")  # where all alpha is 0, the file holds none
    if image.format == "JXL" and not vars(image)["jpeg"]:
        image.info.pop("exif", None)  # turned already; a JPEG inside of a JPEG XL is not
    if image.format == "AVIF" and (box := clean_aperture(stream, image.size)):
        return image.crop(box)
    return image


def _reduced(image: Image.Image, config: DecodeConfig) -> Image.Image:
    """Make a huge gray picture (a plan, a scan) smaller before it is made RGB, as a large JPEG is; else leave it."""
    factor = min(image.size) // (_REDUCED_DECODING_FACTOR * config.min_shorter_side) if config.min_shorter_side else 1
    if image.mode not in ("1", "L") or factor < 2 or image.width * image.height < _HUGE_PIXELS:
        return image
    return image.convert("L").reduce(factor)


@contextmanager
def failures_as_input_errors() -> Iterator[None]:
    """Make an InputError of whatever a broken file makes Pillow raise in the block."""
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise too_large("not enough memory to decode it") from error
    except Exception as error:
        # Pillow's plugins let ValueError, SyntaxError, RuntimeError, TypeError, struct.error, … through for broken
        # files; 128 of 7,123 hostile ones do.
        raise _input_error(error) from error


def _input_error(error: Exception) -> InputError:
    if isinstance(error, OSError) and error.errno == errno.EINVAL:
        return InputError(FailureCode.CORRUPT, "broken image: it points to places that no file has")
    if isinstance(error, OSError) and error.errno is not None:
        return cant_read(error.errno)
    reason = first_line(error)
    if any(word in reason.lower() for word in _UNSUPPORTED_WORDS):
        return InputError(FailureCode.UNSUPPORTED_FORMAT, f"a picture of a kind that is not supported: {reason}")
    if isinstance(error, OSError) and any(word in reason.lower() for word in _TRUNCATION_WORDS):
        return InputError(FailureCode.TRUNCATED, f"the file ends too early: {reason}")
    if _LIBJXL_WORDS in reason:
        return InputError(FailureCode.CORRUPT, "broken image, or one that ends too early")
    return InputError(FailureCode.CORRUPT, f"broken image: {reason}")


@cache
def settle_pillow() -> None:
    """Set what Pillow keeps for the whole process, before the first picture is opened."""
    # Pillow's own limit warns, or refuses with words of its own; DecodeConfig.max_megapixels is used instead.
    Image.MAX_IMAGE_PIXELS = None
    # Pillow asks for large pictures in blocks. Freed ones of up to 32 MB (glibc's limit) stay with the thread that had
    # them: eight threads that shared 2 GB kept 4. Larger ones go back to the system at once.
    Image.core.set_block_size(_BLOCK_BYTES)  # type: ignore[attr-defined]  # documented, but not exported
    # It also warns of odd metadata. The answer does not depend on it, stderr is for our own lines, and
    # warnings.catch_warnings() is not safe in threads.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    # And it logs what it refuses to decode, which Python prints where nobody has asked for it.
    logging.getLogger("PIL").addHandler(logging.NullHandler())


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Give the turn that the EXIF orientation of a loaded image asks for.

    Broken EXIF asks for none: it says nothing of the pixels.
    """
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # the parser raises whatever the broken bytes make it raise (struct.error, SyntaxError, …)
        return None


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
