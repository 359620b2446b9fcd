"""A sample of many photos: the same for the same inputs, spread over all of them; its memory is bounded."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from resnext.pipeline.look_ahead import LookAhead
from resnext.records import Failure, Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from resnext.records import Pixels


class Sample(NamedTuple):
    """`pixels` (N, ...) of N different photos. `found` and `failed` count inputs; a failed one is in no sample."""

    pixels: "NDArray[np.uint8 | np.float32]"
    found: int
    failed: int


def sample(
    sources: Iterable[Source | Failure], load: Callable[[Source], "Pixels"], count: int, *, workers: int
) -> Sample:
    """Decode up to `count` photos, chosen by the digests of their names: those with the lowest.

    A photo is decoded only if it is among the lowest so far. Of two photos with the same pixels one is taken.
    """
    chosen: dict[bytes, Pixels] = {}  # by the digest of the name
    found = failed = 0
    highest = b"\xff" * 32

    def candidates() -> "Iterator[Source | Failure]":
        nonlocal found, failed
        for source in sources:
            found += 1
            if isinstance(source, Failure):
                failed += 1
            elif len(chosen) < count or _rank(source) < highest:
                yield source

    with LookAhead(candidates(), load, workers=workers) as ahead:
        for batch in ahead.batches(8):
            if batch is None:
                continue
            decoded = [entry for entry in batch.entries if isinstance(entry, Source)]
            failed += len(batch.entries) - len(decoded)
            for source, pixels in zip(decoded, batch.pixels, strict=True):
                chosen[_rank(source)] = pixels.copy()
                if len(chosen) > count:
                    del chosen[max(chosen)]
            if len(chosen) == count:
                highest = max(chosen)
    different = {hashlib.sha256(chosen[rank].tobytes()).digest(): rank for rank in sorted(chosen, reverse=True)}
    pixels = [chosen[rank] for rank in sorted(different.values())]
    return Sample(np.stack(pixels) if pixels else np.empty(0, np.uint8), found, failed)


def _rank(source: Source) -> bytes:
    return hashlib.sha256(os.fsencode(source.file)).digest()
