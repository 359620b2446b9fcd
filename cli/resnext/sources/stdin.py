"""Standard input, as raw bytes: `-` is one image, and lists are read from it as they come.

The file descriptor is read directly. A thread that waits inside sys.stdin's own buffer holds its lock, and the
interpreter can't end while it does.
"""

import io
import os
import stat
import sys

from resnext.errors import FailureCode, InputError
from resnext.sources.bounds import over_max_file_size, refuse_archive

NAME = "-"
_CHUNK_BYTES = 1 << 20


def is_offered() -> bool:
    """Whether something may come from stdin: a pipe or a file, not a terminal, /dev/null or a closed stream."""
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        return False
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISCHR(mode)


def raw() -> io.FileIO:
    """The stream itself: a read gives what is there, without waiting for more."""
    return io.FileIO(sys.stdin.fileno(), closefd=False)


def read_image(max_bytes: int) -> bytes:
    """All of stdin, as the bytes of one image.

    Raises:
        InputError: more than `max_bytes`, an archive, or it can't be read.
    """
    if sys.stdin is None or sys.stdin.closed:
        raise InputError(FailureCode.READ_ERROR, "stdin is closed")
    content = bytearray()
    try:
        with raw() as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                content += chunk
                if len(content) > max_bytes:
                    raise over_max_file_size(max_bytes)
    except OSError as error:
        raise InputError(FailureCode.READ_ERROR, f"can't read stdin: {error.strerror}") from error
    refuse_archive(content, "save it, and name the file")
    return bytes(content)
