"""Reading and replacing files: opens regular files only, no FIFO and no device; replaces a file whole or not at all."""

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from io import FileIO
from pathlib import Path

_NONBLOCK = getattr(os, "O_NONBLOCK", 0)  # opening a FIFO that nobody writes to would wait for ever


class NotRegular(OSError):
    """The name is of a folder, a FIFO, a socket or a device."""


def open_regular(path: str | Path) -> FileIO:
    """Open a regular file for reading bytes, unbuffered. A FIFO would block, a device would never end.

    Raises:
        NotRegular: it is anything else than a regular file.
        OSError: it can't be opened.
    """
    return open(path, "rb", buffering=0, opener=_opener)  # Path.open takes no opener


def read_regular(path: Path, max_bytes: int | None = None) -> bytes:
    """Read the bytes of a regular file.

    Raises:
        OSError: as `open_regular`, or it holds more than `max_bytes`.
    """
    with open_regular(path) as file:
        if max_bytes is not None and os.fstat(file.fileno()).st_size > max_bytes:
            raise OSError(0, f"larger than {max_bytes >> 20} MB", str(path))
        return file.read() if max_bytes is None else file.read(max_bytes)


def replace_file(path: Path, pieces: Iterable[bytes | memoryview], prefix: str = ".new-") -> None:
    """Write a file whole or not at all: under a temporary name that begins with `prefix`, then move it into place.

    Raises:
        OSError: it can't be written; an earlier file at `path` is unchanged.
    """
    import tempfile

    handle, temporary = tempfile.mkstemp(prefix=prefix, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in pieces:
                file.write(piece)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def _opener(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | _NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegular(0, "not a regular file", path)
    return descriptor
