"""A source -> the pixels that one model's engine takes: decoding, then that model's preprocessing."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from resnext.errors import FailureCode, InputError, UsageError
from resnext.images import limits, preprocess, resources
from resnext.images.budget import Budget
from resnext.images.decode import DecodeConfig, Reserve, decode, frame_count
from resnext.images.film import Film
from resnext.images.frames import Frame
from resnext.images.limits import DEFAULT_MAX_MEGAPIXELS
from resnext.images.turns import Turns
from resnext.records import PreprocessingConfig, Source

if TYPE_CHECKING:
    from resnext.records import Pixels

# What the decoding of all photos together takes at most, and never more than this part of the memory that there is. A
# photo that needs more (one of 200 megapixels: up to 28 bytes a pixel) is decoded alone, if there is memory for it.
DECODING_BYTES, DECODING_PART = 2 << 30, 4
ALONE_PART = 2


class Decoding(NamedTuple):
    """How photos are decoded for one model. `exact` decodes every JPEG in full.

    `shorter_side` is what a transform of its own needs of a photo, in pixels; 0: all of it.
    """

    preprocessing: PreprocessingConfig
    exact: bool = False
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS
    shorter_side: int = 0


def decoding_budget() -> Budget:
    """The memory that all decoding of this run shares."""
    memory = resources.memory_bytes()
    limit = min(DECODING_BYTES, memory // DECODING_PART)
    return Budget(limit, memory // ALONE_PART, small=limits.SMALL_PICTURE_BYTES)


class Reader:
    """From a source to the Pixels of one photo, for any number of threads.

    `transform` is that of a model whose own is not a resize and centre crop; it gives normalized numbers instead of a
    crop.
    """

    def __init__(self, decoding: Decoding, transform: "preprocess.Transform | None" = None) -> None:
        config = decoding.preprocessing
        shorter_side = decoding.shorter_side if transform else preprocess.resize_target(config)
        self._to_pixels = transform or preprocess.crop_for(config)
        self._bounds = DecodeConfig(0 if decoding.exact else shorter_side, decoding.max_megapixels)
        self._films = Turns(lambda of: Film(of, self._bounds))

    def __call__(self, source: Source, reserve: Reserve) -> "Pixels":
        """Decode one photo; `reserve` is called with what it takes of memory, before that is allocated.

        Raises:
            InputError: it can't be decoded.
        """
        try:
            if isinstance(source.read, Frame):
                with self._films.turn(source.read.of, source.read.number) as film:
                    return self._to_pixels(film.picture(source.read.number, reserve))
            self._films.move_on()
            return self._to_pixels(decode(source, self._bounds, reserve))
        except MemoryError as error:  # in the resize; decoding answers for its own
            raise InputError(FailureCode.TOO_LARGE, "not enough memory to resize it") from error

    def frame_count(self, source: Source) -> int:
        """Count the pictures of a file; raises InputError where there is none."""
        return frame_count(source, self._bounds)

    def close(self) -> None:
        """Close the files that are open; only when no thread reads any more of them."""
        self._films.move_on()


class Load(Protocol):
    """From a source to the Pixels of one photo, for any number of threads."""

    def __call__(self, source: Source) -> "Pixels":
        """Decode one photo; raises InputError where that can't be done."""

    def frame_count(self, source: Source) -> int:
        """Count the pictures of a file; raises InputError where there is none."""

    def close(self) -> None:
        """Give back what is kept between photos."""


@contextmanager
def decoders(
    decoding: Decoding, transform: "preprocess.Transform | None", *, isolated: bool, workers: int
) -> "Iterator[Load]":
    """Give what decodes photos for `workers` threads, within this block.

    `isolated`: each photo is decoded in a process that has limits of memory and time, and may die of it.

    Raises:
        UsageError: there is no isolation, on this system or for this model.
    """
    if not isolated:
        with closing(loader(decoding, transform)) as load:
            yield load
        return
    if transform is not None:
        raise UsageError("--isolate always: this model has a preprocessing of its own, which can't be isolated")
    if sys.platform == "win32":
        raise UsageError("--isolate always: not on this system")
    from resnext.images.processes import IsolatedLoader

    with closing(IsolatedLoader(decoding, workers=workers)) as isolated_load:
        yield isolated_load


class Loader:
    """From a source to the Pixels of one photo, for any number of threads of this process, which share its memory."""

    def __init__(self, reader: Reader) -> None:
        self._reader, self._budget = reader, decoding_budget()
        self.frame_count, self.close = reader.frame_count, reader.close

    def __call__(self, source: Source) -> "Pixels":
        with self._budget.lease() as lease:
            return self._reader(source, lambda need: lease.take(*need))


def loader(decoding: Decoding, transform: "preprocess.Transform | None" = None) -> Loader:
    """Build what decodes photos in the threads of this process."""
    return Loader(Reader(decoding, transform))
