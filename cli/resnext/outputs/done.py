"""What a result already holds: which inputs are done, which rows stay, where its last whole row ends."""

import os
from array import array
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from resnext.outputs.writers.rows import exact_name
from resnext.records import Failure, Source

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DIGEST_BYTES = 16  # 128 bits of BLAKE2: two names never meet, not even names that were made to


class DoneInputs:
    """The inputs that need not be done again, each as often as it was done: 20 bytes for each, not its name.

    Add all names first, then ask. A file that changed after `since`, in seconds since 1970, is done again.
    """

    def __init__(self, since: float = 0.0) -> None:
        self.since = since
        self._digests = bytearray()
        self._sorted: NDArray[np.bytes_] | None = None
        self._taken: NDArray[np.uint32]  # at the first of equal digests: how often it was asked for
        self._outdated: DoneInputs | None = None  # those that have changed
        self.count = self.skipped = self.changed = 0

    def add(self, name: bytes, *, ok: bool = True) -> bool:
        """Note that the input of this exact name was done (once more); give whether its row stays."""
        if not ok:
            return False
        if self.since and changed_at(name) > self.since:
            self._outdated = self._outdated or DoneInputs()
            self._outdated.add(name)
            return False
        self._digests += name_digest(name)
        self.count += 1
        return True

    def add_all(self, rows: Iterable[tuple[bytes, bool]]) -> None:
        """Note rows by name and whether each has an answer."""
        for name, ok in rows:
            self.add(name, ok=ok)

    def take(self, name: bytes) -> bool:
        """Whether this input was done; each time that it was answers for one time that it is asked."""
        if not self.count:
            return False
        if self._sorted is None:
            self._sort()
        assert self._sorted is not None
        digest = name_digest(name)
        first = int(self._sorted.searchsorted(digest))
        if first == self.count or self._sorted[first] != digest.rstrip(b"\0"):  # as numpy gives them back
            return False
        times = 1
        if first + 1 < self.count and self._sorted[first + 1] == self._sorted[first]:
            times = int(self._sorted.searchsorted(digest, "right")) - first
        if self._taken[first] == times:
            return False
        self._taken[first] += 1
        return True

    def remaining(self, inputs: Iterable[Source | Failure]) -> Iterator[Source | Failure]:
        """Give the inputs that are not done yet, lazily; counts the others as `skipped`.

        Of those that it gives, it counts the ones that were done and have changed since as `changed`.
        """
        for item in inputs:
            source = item.source if isinstance(item, Failure) else item
            name = exact_name(source.file)
            if self.take(name):
                self.skipped += 1
                continue
            self.changed += self._outdated is not None and self._outdated.take(name)
            yield item

    def _sort(self) -> None:
        import numpy as np

        # In place: a million are 16 MB, and not for a moment more.
        self._sorted = np.frombuffer(self._digests, dtype=f"S{DIGEST_BYTES}")
        self._sorted.sort()
        self._taken = np.zeros(self.count, np.uint32)


class ByteRanges:
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


def _one_spelling(name: bytes) -> bytes:
    """The same bytes for all spellings of a path: x, ./x and the absolute one. What is no path stays as it is."""
    if b"://" in name or name == b"-":
        return name
    if not name.startswith(b"/"):
        try:
            name = os.getcwdb() + b"/" + name  # noqa: PTH109  # bytes
        except OSError:  # the working folder is gone
            return name
    while b"/./" in name or b"//" in name:
        name = name.replace(b"/./", b"/").replace(b"//", b"/")
    return name


def changed_at(name: bytes) -> float:
    """When an input last changed, contents or place, in seconds since 1970; 0 for what is no file here.

    A frame changes with its file, a member with its archive.
    """
    for path in (name, name.partition(b"#frame=")[0], name.partition(b"!/")[0]):
        try:
            status = os.stat(path)  # noqa: PTH116  # bytes
        except (OSError, ValueError):
            continue
        return max(status.st_mtime, status.st_ctime)
    return 0.0


def name_digest(name: bytes) -> bytes:
    """The digest of an input's exact name, the same for all spellings of a path."""
    import hashlib  # most runs have nothing done yet

    return hashlib.blake2b(_one_spelling(name), digest_size=DIGEST_BYTES).digest()
