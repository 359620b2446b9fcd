"""What a result file already holds: which inputs are done, which rows stay, where its last whole row ends."""

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from resnext.records import Failure, Source
from resnext.writers.rows import exact_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DIGEST_BYTES = 16  # 128 bits of BLAKE2: two names never meet, not even names that were made to


class DoneInputs:
    """The inputs that need not be done again, each as often as it was done: 20 bytes for each, not its name.

    Add all names first, then ask.
    """

    def __init__(self) -> None:
        self._digests = bytearray()
        self._high: NDArray[np.uint64] | None = None
        self._low: NDArray[np.uint64]
        self._left: NDArray[np.uint32]
        self.count = 0
        self.skipped = 0

    def add(self, name: bytes) -> None:
        """Note that the input of this exact name was done (once more)."""
        self._digests += _digest(name)
        self.count += 1

    def take(self, name: bytes) -> bool:
        """Whether this input was done; each time that it was answers for one time that it is asked."""
        import numpy as np

        if not self.count:
            return False
        if self._high is None:
            self._sort()
        assert self._high is not None
        digest = _digest(name)
        high, low = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")
        index = int(np.searchsorted(self._high, np.uint64(high)))
        while index < len(self._high) and self._high[index] == high:
            if self._low[index] == low:
                if not self._left[index]:
                    return False
                self._left[index] -= 1
                return True
            index += 1
        return False

    def remaining(self, inputs: Iterable[Source | Failure]) -> Iterator[Source | Failure]:
        """Give the inputs that are not done yet, lazily; counts the others as `skipped`."""
        for item in inputs:
            source = item.source if isinstance(item, Failure) else item
            if self.take(exact_name(source.file)):
                self.skipped += 1
            else:
                yield item

    def _sort(self) -> None:
        import numpy as np

        pairs = np.frombuffer(self._digests, dtype=">u8").reshape(-1, 2)
        order = np.lexsort((pairs[:, 1], pairs[:, 0]))
        high, low = pairs[order, 0].astype(np.uint64), pairs[order, 1].astype(np.uint64)
        first = np.ones(len(high), dtype=bool)
        first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
        (starts,) = np.nonzero(first)
        self._high, self._low = high[starts], low[starts]
        self._left = np.diff(np.append(starts, len(high))).astype(np.uint32)
        del pairs
        self._digests = bytearray()


class Spans:
    """Byte ranges of a file, in order; neighbours are one range."""

    def __init__(self) -> None:
        self._edges = array("Q")

    def add(self, start: int, end: int) -> None:
        """Add the range from `start` up to `end`, behind those before it."""
        if self._edges and self._edges[-1] == start:
            self._edges[-1] = end
        else:
            self._edges.extend((start, end))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._edges[::2], self._edges[1::2], strict=True))


def _digest(name: bytes) -> Any:
    return hashlib.blake2b(name, digest_size=_DIGEST_BYTES).digest()
