"""Opening files that ought to be regular ones: a FIFO in their place would block, a device would never end."""

import os
import stat
from io import FileIO
from pathlib import Path

_NONBLOCK = getattr(os, "O_NONBLOCK", 0)  # opening a FIFO that nobody writes to would wait for ever


def open_regular(path: Path) -> FileIO:
    """Open a regular file for reading bytes, unbuffered.

    Raises:
        OSError: it can't be opened, or is anything else than a regular file.
    """
    return open(path, "rb", buffering=0, opener=_opener)  # Path.open takes no opener


def read_regular(path: Path) -> bytes:
    """The bytes of a regular file.

    Raises:
        OSError: as `open_regular`.
    """
    with open_regular(path) as file:
        return file.read()


def _opener(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | _NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "not a regular file", path)
    return descriptor
