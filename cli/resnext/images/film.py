"""A file of several pictures that stays open from one to the next: none is decoded again for those behind it."""

import sys
from contextlib import ExitStack
from typing import BinaryIO, NamedTuple

from PIL import Image
from PIL.ImageFile import ImageFile

from resnext.errors import FailureCode, InputError
from resnext.images import headers, limits, png
from resnext.images.content import content
from resnext.images.decode import DecodeConfig, Reserve, as_seen, failures_as_input_errors, once, opened
from resnext.records import Source

# Formats whose pictures are made of the ones before; and those whose reader can go on to the next one. The rest (HEIF)
# is opened anew for each picture: its reader keeps all that it has decoded.
_DEPENDENT = frozenset({"GIF", "PNG", "WEBP", "AVIF"})
_STEADY = _DEPENDENT | {"TIFF"}


class _Opened(NamedTuple):
    image: ImageFile
    stream: BinaryIO
    pages: tuple[int, ...]  # of a TIFF: the number of each picture's directory


class _Broken(NamedTuple):
    """From this picture on there is none, and why."""

    number: int
    code: FailureCode
    message: str


class Film:
    """The pictures of one file, to be asked for in their order: who goes back opens it anew. For one thread."""

    def __init__(self, of: Source, config: DecodeConfig) -> None:
        self._of, self._config = of, config
        self._stack = ExitStack()
        self._opened: _Opened | None = None
        self._broken: _Broken | None = None
        self._at = -1

    def picture(self, number: int, reserve: Reserve) -> Image.Image:
        """Give the picture of that number as `decode` gives it; it stands until the next is asked for.

        Raises:
            InputError: it can't be shown; or one can't that it is made of.
        """
        if self._broken and number >= self._broken.number:
            raise InputError(self._broken.code, self._broken.message)
        reserve = once(reserve)
        try:
            with failures_as_input_errors():
                opened = self._to(number, reserve)
                return as_seen(opened.image, opened.stream, self._config, reserve)
        except InputError as error:
            if self._opened is None or self._opened.image.format in _DEPENDENT:
                self._broken = _Broken(number, error.code, str(error))
            raise
        finally:
            ended = self._broken is not None and number >= self._broken.number
            if ended or (self._opened and self._opened.image.format not in _STEADY):
                self.close()

    def close(self) -> None:
        """Close the file, and give back what its decoder has."""
        self._opened = None
        self._stack.close()

    def _to(self, number: int, reserve: Reserve) -> _Opened:
        if self._opened is None or number <= self._at:
            self.close()
            self._opened = self._open(number, reserve)
        else:
            self._go_on(self._opened, number)
        self._at = number
        return self._opened

    def _open(self, number: int, reserve: Reserve) -> _Opened:
        stream = self._stack.enter_context(content(self._of))
        stream, profile = png.mended(stream) or (stream, None)
        image = self._stack.enter_context(opened(stream, self._config, number, profile, reserve))
        pages: tuple[int, ...] = ()
        if image.format == "GIF":
            self._broken = self._too_large(stream)
        elif image.format == "TIFF":
            from resnext.images import tiff

            pages = tuple(tiff.pictures(stream))
        return _Opened(image, stream, pages)

    def _too_large(self, stream: BinaryIO) -> _Broken | None:
        """Find the first frame at which the canvas of a GIF is more than the bounds allow."""
        file_bytes = stream.seek(0, 2)
        for number, (width, height) in enumerate(headers.claimed_sizes("GIF", stream, sys.maxsize)):
            try:
                limits.check_pixels(width, height, self._config.max_megapixels)
                limits.check_memory(width * height * limits.opening_bytes("GIF", later=number > 0), file_bytes)
            except InputError as error:
                return _Broken(number, error.code, str(error))
        return None

    def _go_on(self, film: _Opened, number: int) -> None:
        image = film.image
        if image.format == "TIFF":
            from resnext.images import tiff

            self._at = number  # a page that can't be read is passed by all the same
            image.seek(film.pages[number])
            tiff.prepare(image)
        else:
            image.seek(number)
        limits.check_pixels(*image.size, self._config.max_megapixels)
