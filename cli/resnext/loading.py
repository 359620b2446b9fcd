"""A source -> the pixels that one model takes: decoding, then that model's preprocessing."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from resnext import preprocess
from resnext.budget import Budget
from resnext.decode import DEFAULT_MAX_MEGAPIXELS, DecodeConfig, decode
from resnext.errors import FailureCode, InputError
from resnext.records import PreprocessingConfig, Source

# For the decoding of all threads together. A photo that needs more is decoded alone: one of 200 megapixels needs up to
# 28 bytes a pixel.
DECODING_BYTES = 2 << 30


def loader(
    config: PreprocessingConfig, *, exact: bool = False, max_megapixels: float = DEFAULT_MAX_MEGAPIXELS
) -> Callable[[Source], NDArray[np.float32]]:
    """Build the function from a source to float32 pixels (3, H, W); it raises InputError for a source without any.

    `exact` decodes every JPEG in full. A model whose transform is not a resize and centre crop gets timm's own, which
    imports torch. All threads that call the function share DECODING_BYTES.
    """
    budget = Budget(DECODING_BYTES)
    if preprocess.is_supported(config):
        transform = preprocess.transform_for(config)
        shorter_side = preprocess.resize_target(config)
    else:
        from resnext.engines.timm_models import timm_transform

        transform = timm_transform(config)
        shorter_side = 0
    decoding = DecodeConfig(0 if exact else shorter_side, max_megapixels)

    def load(source: Source) -> NDArray[np.float32]:
        try:
            with budget.lease() as lease:
                return transform(decode(source, decoding, lease.take))
        except MemoryError as error:  # in the resize; decoding answers for its own
            raise InputError(FailureCode.TOO_LARGE, "not enough memory to resize it") from error

    return load
