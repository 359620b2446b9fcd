"""A source -> its bytes as a stream. What is no plain file is refused without waiting for it."""

import errno
import io
import os
import stat
from typing import BinaryIO

from resnext.errors import FailureCode, InputError, cant_read
from resnext.images.limits import check_file
from resnext.records import Source


def content(source: Source) -> BinaryIO:
    """Open the bytes of a source; the caller closes them.

    Raises:
        InputError: not a regular file (a FIFO would block, a device never end), or more than MAX_FILE_BYTES.
        OSError: it can't be opened; `errors.cant_read` says it in words.
    """
    if source.read is not None:
        return io.BytesIO(source.read())
    try:
        descriptor = os.open(source.file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except IsADirectoryError as error:
        raise InputError(FailureCode.NOT_A_FILE, "not a regular file") from error
    except ValueError as error:  # an embedded NUL
        raise cant_read(errno.ENOENT) from error
    stream = os.fdopen(descriptor, "rb") if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    if stream is None:
        os.close(descriptor)
        raise InputError(FailureCode.NOT_A_FILE, "not a regular file")
    try:
        check_file(os.fstat(descriptor).st_size)
    except InputError:
        stream.close()
        raise
    return stream
