"""A source -> the pixels that one model's engine takes: decoding, then that model's preprocessing."""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from resnext.errors import FailureCode, InputError, UsageError
from resnext.images import preprocess, resources
from resnext.images.budget import Budget
from resnext.images.decode import DecodeConfig, decode
from resnext.images.frames import Frame
from resnext.images.limits import DEFAULT_MAX_MEGAPIXELS
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
    return Budget(min(DECODING_BYTES, memory // DECODING_PART), memory // ALONE_PART)


def pixels_of(
    decoding: Decoding, transform: "preprocess.Transform | None" = None
) -> "Callable[[Source, Callable[[int], None]], Pixels]":
    """Build the function from a source to the Pixels of one photo; it raises InputError for a source without any.

    `transform` is that of a model whose own is not a resize and centre crop; it gives normalized numbers instead of a
    crop. The function's second argument is called with the bytes that a photo takes, before they are allocated.
    """
    config = decoding.preprocessing
    shorter_side = decoding.shorter_side if transform else preprocess.resize_target(config)
    to_pixels = transform or preprocess.crop_for(config)
    bounds = DecodeConfig(0 if decoding.exact else shorter_side, decoding.max_megapixels)

    def load(source: Source, reserve: Callable[[int], None]) -> "Pixels":
        of, number = (source.read.of, source.read.number) if isinstance(source.read, Frame) else (source, None)
        try:
            return to_pixels(decode(of, bounds, reserve, frame=number))
        except MemoryError as error:  # in the resize; decoding answers for its own
            raise InputError(FailureCode.TOO_LARGE, "not enough memory to resize it") from error

    return load


@contextmanager
def decoders(
    decoding: Decoding, transform: "preprocess.Transform | None", *, isolated: bool, workers: int
) -> "Iterator[Callable[[Source], Pixels]]":
    """Give the function from a source to the Pixels of one photo, for `workers` threads, within this block.

    `isolated`: each photo is decoded in a process that has limits of memory and time, and may die of it.

    Raises:
        UsageError: there is no isolation, on this system or for this model.
    """
    if not isolated:
        yield loader(decoding, transform)
        return
    if transform is not None:
        raise UsageError("--isolate always: this model has a preprocessing of its own, which can't be isolated")
    if sys.platform == "win32":
        raise UsageError("--isolate always: not on this system")
    from resnext.images.processes import IsolatedLoader

    with closing(IsolatedLoader(decoding, workers=workers)) as load:
        yield load


def loader(decoding: Decoding, transform: "preprocess.Transform | None" = None) -> "Callable[[Source], Pixels]":
    """Build the function from a source to the Pixels of one photo, for any number of threads of this process."""
    budget = decoding_budget()
    pixels = pixels_of(decoding, transform)

    def load(source: Source) -> "Pixels":
        with budget.lease() as lease:
            return pixels(source, lease.take)

    return load
