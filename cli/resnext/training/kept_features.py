"""Features of photos that were computed once, kept by content for the next try: `features/<model and settings>/`.

A photo is known by the SHA-256 of its bytes, so that one that was renamed, moved or given another class is known still.
Each run appends to a file of its own, a whole record a photo: two runs can't disturb each other, and of a killed one
every whole record counts.
"""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from resnext.errors import OutputError
from resnext.store.digests import digest_of
from resnext.store.training_cache import FEATURES_ENDING, features_folder, sweep_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIGEST_BYTES = 32


class KeptFeatures:
    """The features of one model with one way to compute; (D,) float32 each. Use it in a `with` block to add some."""

    def __init__(self, root: Path, identity: Any, width: int) -> None:
        self.folder = features_folder(root, digest_of(identity)[:20])
        self._record = np.dtype([("digest", f"V{_DIGEST_BYTES}"), ("vector", np.float32, (width,))])
        self._vectors: dict[bytes, NDArray[np.float32]] = {}
        self._file: BinaryIO | None = None
        sweep_features(root)
        for path in sorted(self.folder.glob(f"*{FEATURES_ENDING}")):
            with suppress(OSError, ValueError):  # what can't be read is computed again
                whole = path.stat().st_size // self._record.itemsize
                if whole:
                    records = np.memmap(path, self._record, "r", shape=(whole,))
                    self._vectors |= dict(zip(map(bytes, records["digest"]), records["vector"], strict=True))
                    os.utime(path)

    def __len__(self) -> int:
        return len(self._vectors)

    def __contains__(self, digest: str) -> bool:
        return bytes.fromhex(digest) in self._vectors

    def matrix(self, digests: "list[str]") -> "NDArray[np.float32]":
        """The features (N, D) of photos by their contents, all of which are known."""
        found = np.empty((len(digests), self._record["vector"].shape[0]), np.float32)
        for row, digest in enumerate(digests):
            found[row] = self._vectors[bytes.fromhex(digest)]
        return found

    def __enter__(self) -> "KeptFeatures":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close this run's file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def add(self, digest: str, vector: "NDArray[np.float32]") -> None:
        """Keep the features of one photo, at once.

        Raises:
            OutputError: they can't be written; what was kept before stays.
        """
        record = np.zeros((), self._record)
        record["digest"], record["vector"] = np.void(bytes.fromhex(digest)), vector
        try:
            if self._file is None:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                handle, _ = tempfile.mkstemp(FEATURES_ENDING, "", self.folder)
                self._file = os.fdopen(handle, "wb", buffering=0)
            self._file.write(record.tobytes())
        except OSError as error:
            raise OutputError(f"{self.folder}: can't keep features: {error.strerror}; set RESNEXT_CACHE") from error
        self._vectors[bytes.fromhex(digest)] = record["vector"]
