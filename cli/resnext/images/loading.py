"""A source -> the pixels that one model's engine takes: decoding, then that model's preprocessing."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from resnext.errors import FailureCode, InputError
from resnext.images import preprocess
from resnext.images.budget import Budget
from resnext.images.decode import DecodeConfig, decode
from resnext.images.limits import DEFAULT_MAX_MEGAPIXELS
from resnext.records import PreprocessingConfig, Source

if TYPE_CHECKING:
    from resnext.records import Pixels

# For the decoding of all threads together. A photo that needs more is decoded alone: one of 200 megapixels needs up to
# 28 bytes a pixel.
DECODING_BYTES = 2 << 30


def loader(
    config: PreprocessingConfig,
    transform: "preprocess.Transform | None" = None,
    *,
    exact: bool = False,
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS,
) -> "Callable[[Source], Pixels]":
    """Build the function from a source to the Pixels of one photo; it raises InputError for a source without any.

    `exact` decodes every JPEG in full. `transform` is that of a model whose own is not a resize and centre crop; it
    gives normalised numbers instead of a crop. All threads that call the function share DECODING_BYTES.
    """
    budget = Budget(DECODING_BYTES)
    shorter_side = 0 if transform else preprocess.resize_target(config)
    to_pixels = transform or preprocess.crop_for(config)
    decoding = DecodeConfig(0 if exact else shorter_side, max_megapixels)

    def load(source: Source) -> "Pixels":
        try:
            with budget.lease() as lease:
                return to_pixels(decode(source, decoding, lease.take))
        except MemoryError as error:  # in the resize; decoding answers for its own
            raise InputError(FailureCode.TOO_LARGE, "not enough memory to resize it") from error

    return load
