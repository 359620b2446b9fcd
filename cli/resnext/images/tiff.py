"""TIFF: which directories of a file are pictures, and what Pillow reads otherwise than the file means it.

Held by a test that compares with tifffile over sample formats, photometric interpretations, planes, compressions, byte
orders and alphas: what is not read right is refused.
"""

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImagePalette, TiffImagePlugin
from PIL.ImageFile import ImageFile

from resnext.errors import FailureCode, InputError
from resnext.images.color import by_strips
from resnext.images.limits import MAX_DIRECTORIES
from resnext.images.unsupported import refusal

# Tags of TIFF 6.0 and its supplements, and some of their values.
_SUBFILE, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 254, 258, 259, 262, 277
_PLANAR, _COLOR_MAP, _SUB_DIRECTORIES, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 284, 320, 330, 338, 339
_SUBSAMPLING, _PROFILE, _DNG_VERSION = 530, 34675, 50706
_WHITE_IS_ZERO, _YCBCR = 0, 6
_SEPARATE, _PREMULTIPLIED, _UNSIGNED = 2, 1, 1
_SENSOR = frozenset({32803, 34892})  # photometric: the colors of a sensor, not yet of a picture
_NO_PICTURE = 1 | 4  # subfile: a smaller copy of another picture, or a mask

_MAX_VALUES = 16
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # type of a field -> its form
# Through libtiff numbers come in this machine's order, whatever the file's is; Pillow translates only "I;16" and such.
_NATIVE = {"I;16S": "I;16NS", "I;16BS": "I;16NS", "I;32S": "I;32NS", "I;32BS": "I;32NS", "F;32BF": "F;32NF"}


class _Directory(NamedTuple):
    """The whole numbers of a directory, by tag; where the next one lies; how many bytes it takes."""

    tags: dict[int, tuple[int, ...]]
    next: int
    size: int

    def first(self, tag: int) -> int:
        return self.tags.get(tag, (0,))[0]


class _Layout(NamedTuple):
    """How a file writes numbers: the struct module's sign for its byte order; whether it is a BigTIFF."""

    order: str
    big: bool

    def directory(self, stream: BinaryIO, place: int) -> _Directory | None:
        """Read the directory at a place; None where the file has none there."""
        head, form, room = ("Q", "HHQ8s", 8) if self.big else ("H", "HHI4s", 4)
        stream.seek(place)
        start = stream.read(struct.calcsize(head))
        if len(start) < struct.calcsize(head):
            return None
        count, width = struct.unpack(self.order + head, start)[0], struct.calcsize("=" + form)
        entries = stream.read(min(count, 0xFFFF) * width)
        link = stream.read(room)
        tags: dict[int, tuple[int, ...]] = {}
        for tag, kind, number, field in struct.iter_unpack(self.order + form, entries[: len(entries) // width * width]):
            if kind in _INTEGERS and number:
                form_of_values = f"{self.order}{min(number, _MAX_VALUES)}{_INTEGERS[kind]}"
                length = struct.calcsize(form_of_values)
                if number * struct.calcsize("=" + _INTEGERS[kind]) > room:
                    stream.seek(int.from_bytes(field, "little" if self.order == "<" else "big"))
                    field = stream.read(length)
                if len(field) >= length:
                    tags[tag] = struct.unpack(form_of_values, field[:length])
        following = struct.unpack(self.order + ("Q" if self.big else "I"), link)[0] if len(link) == room else 0
        return _Directory(tags, following, len(start) + len(entries) + room)


def pictures(stream: BinaryIO) -> Iterator[int]:
    """Give the numbers of the directories that hold a picture of their own, in the order of their chain.

    It ends where the chain is broken, closes a circle, or is longer than an honest one is.

    Raises:
        InputError: a camera's raw file, which holds what the sensor saw, and previews of it.
    """
    size = stream.seek(0, 2)
    stream.seek(0)
    head = stream.read(16).ljust(16, b"\0")
    layout = _Layout("<" if head.startswith(b"II") else ">", head[2:4] in (b"+\0", b"\0+"))
    place = struct.unpack_from(layout.order + ("Q" if layout.big else "I"), head, 8 if layout.big else 4)[0]
    seen: set[int] = set()
    while place and place not in seen and len(seen) < MAX_DIRECTORIES and size > 0:
        directory = layout.directory(stream, place)
        if directory is None:
            return
        if not seen:
            _refuse_raw_file(stream, layout, directory)
        if not directory.first(_SUBFILE) & _NO_PICTURE:
            yield len(seen)
        seen.add(place)
        place = directory.next
        size -= directory.size  # directories that share bytes would be more than the file


def _refuse_raw_file(stream: BinaryIO, layout: _Layout, first: _Directory) -> None:
    inner = (layout.directory(stream, place) for place in first.tags.get(_SUB_DIRECTORIES, ()))
    photometrics = {first.first(_PHOTOMETRIC), *(each.first(_PHOTOMETRIC) for each in inner if each)}
    if _DNG_VERSION in first.tags or photometrics & _SENSOR:
        raise InputError(FailureCode.UNSUPPORTED_FORMAT, refusal())


def prepare(image: ImageFile) -> None:
    """Make Pillow load an opened picture, at the directory it stands on, as the file means it.

    Raises:
        InputError: the picture is of a kind that Pillow reads wrongly.
    """
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    tags, mode = image.tag_v2, image.mode
    separate = tags.get(_PLANAR) == _SEPARATE and tags.get(_SAMPLES, 1) > 1
    if separate and (mode in ("LA", "La", "PA", "LAB") or (not image.use_load_libtiff and len(image.getbands()) == 1)):
        raise InputError(FailureCode.UNSUPPORTED_FORMAT, "a TIFF of this kind, with separate planes, is not supported")
    if _PROFILE not in tags:  # otherwise that of the page before
        image.info.pop("icc_profile", None)
    raw: Any = image.tile[0].args
    if image.use_load_libtiff and raw[0] in _NATIVE:
        _through_libtiff(image, _NATIVE[raw[0]])
    elif not image.use_load_libtiff and separate:  # Pillow takes planes for 8 bits each
        _through_libtiff(image, f"{mode};16N" if max(tags[_BITS]) == 16 else mode)
    elif not image.use_load_libtiff and mode == "YCbCr" and tags.get(_SUBSAMPLING, (2, 2)) != (1, 1):
        _through_libtiff(image, "RGBX")
        image._mode = "RGB"
    if mode in ("P", "PA") and max(tags[_COLOR_MAP]) < 256:  # 8-bit values where 16-bit ones should be
        image.palette = ImagePalette.raw("RGB;L", bytes(tags[_COLOR_MAP]))


def _through_libtiff(image: TiffImagePlugin.TiffImageFile, raw_mode: str) -> None:
    image.use_load_libtiff = True
    args = (raw_mode, False, image.tag_v2.offset)
    image.tile = [image.tile[0]._replace(codec_name="libtiff", extents=(0, 0, *image._tile_size), offset=0, args=args)]


def loaded(image: ImageFile) -> Image.Image:
    """Give a picture that `prepare` prepared and Pillow loaded with the values that the file means."""
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    tags, mode = image.tag_v2, image.mode
    unsigned = tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))[0] == _UNSIGNED
    bits, white_is_zero = max(tags.get(_BITS, (1,))), tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    if mode == "L" and not unsigned:
        return image.point([level ^ 0x80 for level in range(256)])  # -128 is black
    if mode == "I" and unsigned and bits == 32 and int(image.getextrema()[0]) < 0:  # type: ignore[arg-type]
        return by_strips(
            image, "F", lambda strip: Image.fromarray(np.asarray(strip).view(np.uint32).astype(np.float32))
        )
    if mode.startswith("I;16") and (bits == 12 or white_is_zero):
        white = (1 << bits) - 1

        def stretched(strip: Image.Image) -> Image.Image:
            values = np.asarray(strip).astype(np.uint32)
            return Image.fromarray(((white - values if white_is_zero else values) * 65535 // white).astype(np.uint16))

        return by_strips(image, "I;16", stretched)
    if mode == "F" and white_is_zero:
        low, high = image.getextrema()
        white_level = np.float32(1 if 0 <= low and high <= 1 else 0)  # type: ignore[operator]
        return by_strips(image, "F", lambda strip: Image.fromarray(white_level - np.asarray(strip)))
    return image
