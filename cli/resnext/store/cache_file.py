"""A cached file, which can be made again. It is read only if it is whole: its digest is checked.

The file is 64 bytes that begin with the digest, then the content.
"""

import itertools
import mmap
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from resnext.disk import open_regular, replace_file
from resnext.store import leftovers
from resnext.store.digests import digest_of_bytes

_HEADER_BYTES = 64  # the content stays as aligned as it was made
_SUFFIX = ".blob"
_DAY_SECONDS = 24 * 3600
_UNUSED_DAYS = 30


class CacheFile(NamedTuple):
    """A file in an entry's folder. `made_from` says all that its content depends on: another text, another file."""

    folder: Path
    made_from: str

    @property
    def path(self) -> Path:
        return self.folder / f"{digest_of_bytes(self.made_from.encode())[:20]}{_SUFFIX}"

    def read(self) -> memoryview | None:
        """Read and check the content. None where there is none, or not what was written.

        It is mapped into memory; what is written to the memory does not reach the file.
        """
        path = self.path
        with suppress(OSError, ValueError), open_regular(path) as file:
            stored = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
            content = stored[_HEADER_BYTES:]
            if stored[:_HEADER_BYTES] == self._header(content):
                self._note_use()
                return content
        return None

    def has_room_for(self, size: int) -> bool:
        """Tell whether a file of `size` bytes fits into the folder."""
        import shutil

        try:
            return os.access(self.folder, os.W_OK) and shutil.disk_usage(self.folder).free > size
        except OSError:
            return False

    def write(self, content: bytes | memoryview) -> None:
        """Write the file whole or not at all. An error is ignored: later runs work without the file."""
        with suppress(OSError):
            self._remove_others()
            # In large pieces: the system then keeps the file in large pages, which map in half the time.
            view = memoryview(content)
            pieces = (view[first : first + (16 << 20)] for first in range(0, len(view), 16 << 20))
            replace_file(self.path, itertools.chain([self._header(content)], pieces), self._temporary_prefix)

    def remove(self) -> None:
        """Remove the file if it can be removed."""
        with suppress(OSError):
            self.path.unlink()

    def _note_use(self) -> None:
        """Set the file's date to now, once a day: the date says when it was used last."""
        with suppress(OSError):  # the folder is another user's
            if self.path.stat().st_mtime < time.time() - _DAY_SECONDS:
                os.utime(self.path)

    def _remove_others(self) -> None:
        """Remove what killed processes left, and cached files that nobody has used for a month.

        A process that is writing the same file now loses its own, and leaves it to this one.
        """
        leftovers.sweep(self.folder)
        unused_since = time.time() - _UNUSED_DAYS * _DAY_SECONDS
        for other in self.folder.iterdir():
            unused = other.suffix == _SUFFIX and leftovers.modified(other) < unused_since
            if unused or other.name.startswith(self._temporary_prefix):
                other.unlink(missing_ok=True)

    @property
    def _temporary_prefix(self) -> str:
        return f"{leftovers.NEW_FILE}{self.path.stem}-"

    def _header(self, content: bytes | memoryview) -> bytes:
        digest = digest_of_bytes(f"{digest_of_bytes(content)} {self.made_from}".encode())
        return digest.encode().ljust(_HEADER_BYTES, b"\0")
