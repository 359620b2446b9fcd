"""A source -> the pixels that one model's engine takes: decoding, then that model's preprocessing."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from resnext import preprocess
from resnext.budget import Budget
from resnext.decode import DEFAULT_MAX_MEGAPIXELS, DecodeConfig, decode
from resnext.errors import FailureCode, InputError
from resnext.records import PreprocessingConfig, Source

if TYPE_CHECKING:
    from resnext.records import Pixels

# For the decoding of all threads together. A photo that needs more is decoded alone: one of 200 megapixels needs up to
# 28 bytes a pixel.
DECODING_BYTES = 2 << 30


def loader(
    config: PreprocessingConfig, *, exact: bool = False, max_megapixels: float = DEFAULT_MAX_MEGAPIXELS
) -> "Callable[[Source], Pixels]":
    """Build the function from a source to the Pixels of one photo; it raises InputError for a source without any.

    `exact` decodes every JPEG in full. A model whose transform is not a resize and centre crop gets timm's own, which
    imports torch, and normalised numbers instead of a crop. All threads that call the function share DECODING_BYTES.
    """
    budget = Budget(DECODING_BYTES)
    transform: preprocess.Transform
    if preprocess.is_supported(config):
        transform = preprocess.crop_for(config)
        shorter_side = preprocess.resize_target(config)
    else:
        from resnext.engines.timm_models import timm_transform

        transform = timm_transform(config)
        shorter_side = 0
    decoding = DecodeConfig(0 if exact else shorter_side, max_megapixels)

    def load(source: Source) -> "Pixels":
        try:
            with budget.lease() as lease:
                return transform(decode(source, decoding, lease.take))
        except MemoryError as error:  # in the resize; decoding answers for its own
            raise InputError(FailureCode.TOO_LARGE, "not enough memory to resize it") from error

    return load
