"""Reading and replacing files: opens regular files only, no FIFO and no device; replaces a file whole or not at all."""

import os
import stat
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from io import FileIO
from pathlib import Path

# Flags for os.open that one of the systems lacks. Without NONBLOCK, opening a FIFO that nobody writes to would wait for
# ever; without BINARY, bytes would be taken for text.
if sys.platform == "win32":
    NONBLOCK, NOFOLLOW, BINARY = 0, 0, os.O_BINARY
else:
    NONBLOCK, NOFOLLOW, BINARY = os.O_NONBLOCK, os.O_NOFOLLOW, 0


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


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all bytes. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_in_place(
    path: Path, write: Callable[[int], object], temporary: Path, *, mode: int = 0o666, sync: bool = True
) -> int:
    """Put a new file in a place, whole or not at all: `write` is given its descriptor while it has a `temporary` name.

    With `sync` it is on the disk before it takes its place. An earlier file's mode stays. Gives the descriptor, open.

    Raises:
        OSError: it can't be written; an earlier file at `path` is unchanged.
    """
    descriptor = os.open(temporary, os.O_RDWR | BINARY | os.O_CREAT | os.O_EXCL, mode)
    try:
        write(descriptor)
        if sync:
            os.fsync(descriptor)
        with suppress(FileNotFoundError):
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        temporary.replace(path)
    except BaseException:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)
        raise
    return descriptor


def replace_file(path: Path, pieces: Iterable[bytes | memoryview], prefix: str = ".new-") -> None:
    """Write a file of the user's alone, whole or not at all, under a name of its own that begins with `prefix`.

    Several processes may write it at once. It is not synced: whoever reads it checks it.

    Raises:
        OSError: it can't be written; an earlier file at `path` is unchanged.
    """

    def write(descriptor: int) -> None:
        for piece in pieces:
            write_all(descriptor, piece)

    os.close(write_in_place(path, write, path.with_name(f"{prefix}{os.urandom(8).hex()}"), mode=0o600, sync=False))


def _opener(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegular(0, "not a regular file", path)
    return descriptor
