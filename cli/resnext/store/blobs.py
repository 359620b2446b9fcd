"""What an engine made of a stored graph for one processor: kept beside the graph, found again whole or not at all.

A file is 64 bytes that begin with a digest, then the engine's own content.
"""

import mmap
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from resnext.store import leftovers
from resnext.store.digests import digest_of_bytes
from resnext.store.regular_files import open_regular

_HEADER_BYTES = 64  # the content stays as aligned as it was made
# A blob is made again in seconds where it is missed.
_OLD_SECONDS = 30 * 24 * 3600
_read: dict[Path, memoryview] = {}  # a blob is checked once a run


class Blob(NamedTuple):
    """A file in an entry's folder. `made_from` says all that its content depends on: another text, another file.

    Empty content says that nothing can be kept.
    """

    folder: Path
    made_from: str

    @property
    def path(self) -> Path:
        return self.folder / f"{digest_of_bytes(self.made_from.encode())[:20]}.blob"

    def read(self) -> memoryview | None:
        """The content, mapped; what is written to it stays private. None if none was kept, or not the one that was."""
        path = self.path
        if path in _read:
            return _read[path]
        with suppress(OSError, ValueError), open_regular(path) as file:
            stored = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
            content = stored[_HEADER_BYTES:]
            if stored[:_HEADER_BYTES] == self._header(content):
                _read[path] = content
                return content
        return None

    def can_be_kept(self, size: int) -> bool:
        """Whether the folder takes a file of `size` bytes."""
        import shutil

        try:
            return os.access(self.folder, os.W_OK) and shutil.disk_usage(self.folder).free > size
        except OSError:
            return False

    def keep(self, content: bytes | memoryview) -> None:
        """Put the content in place in one step. Where that can't be done, later runs do without."""
        import tempfile

        with suppress(OSError):
            self._remove_others()
            handle, temporary = tempfile.mkstemp(prefix=self._passing_name, dir=self.folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(self._header(content))
                    # In large pieces: the system then keeps the file in large pages, which map in half the time.
                    for first in range(0, len(content), 16 << 20):
                        file.write(content[first : first + (16 << 20)])
                Path(temporary).replace(self.path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise

    def _remove_others(self) -> None:
        """Remove what was broken off, and blobs that are older than a month: their processors are most likely gone.

        A process that is at the same blob now loses its file, and leaves it to this one.
        """
        leftovers.sweep(self.folder)
        for other in self.folder.iterdir():
            old = other.suffix == ".blob" and leftovers.modified(other) < time.time() - _OLD_SECONDS
            if old or other.name.startswith(self._passing_name):
                other.unlink(missing_ok=True)

    @property
    def _passing_name(self) -> str:
        return f"{leftovers.NEW_FILE}{self.path.stem}-"

    def remove(self) -> None:
        """Forget the content, as far as that goes."""
        _read.pop(self.path, None)
        with suppress(OSError):
            self.path.unlink()

    def _header(self, content: bytes | memoryview) -> bytes:
        digest = digest_of_bytes(f"{digest_of_bytes(content)} {self.made_from}".encode())
        return digest.encode().ljust(_HEADER_BYTES, b"\0")
