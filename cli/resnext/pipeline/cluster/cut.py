"""Inputs as they are found -> numbered shards. The same inputs in the same order are always cut the same way."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from resnext.outputs.writers.rows import exact_name
from resnext.records import Failure, Source

# Photos a second and core, times the bytes of the weights: 63 for 19 MB, 12 for 100, 1.5 for 775 on cores with AVX2.
_RATE_TIMES_BYTES = 1.2e9
_SECONDS = 60
_LEAST, _MOST = 64, 10_000


class InputShard(NamedTuple):
    """Neighbouring inputs; `digest` is that of their names. All of it can be pickled."""

    number: int  # from 0 on
    items: tuple[Source | Failure, ...]
    digest: str

    @property
    def part(self) -> str:
        """The name of its part, without the ending."""
        return f"part-{self.number:05}"


def cut(inputs: Iterable[Source | Failure], size: int) -> Iterator[InputShard]:
    """Give shards of `size` inputs, the last one of what is left; reads no further than the shard that it gives."""
    iterator = iter(inputs)
    number = 0
    while items := tuple(islice(iterator, size)):
        yield InputShard(number, items, digest_of_names(items))
        number += 1


def digest_of_names(items: Iterable[Source | Failure]) -> str:
    """The digest of names in their order."""
    digest = hashlib.blake2b(digest_size=16)
    for item in items:
        name = exact_name(item.source.file if isinstance(item, Failure) else item.file)
        digest.update(len(name).to_bytes(4) + name)
    return digest.hexdigest()


def usual_size(weights: Path, cores: int) -> int:
    """Guess how many photos a worker with so many cores does in a minute, from the size of the model's weights."""
    photos = _SECONDS * cores * _RATE_TIMES_BYTES / max(1, weights.stat().st_size)
    return int(min(_MOST, max(_LEAST, float(f"{photos:.1g}"))))
