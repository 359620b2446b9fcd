"""A source -> its bytes as a stream. What is no plain file is refused without waiting for it."""

import errno
import io
import os
import stat
from typing import BinaryIO

from resnext.errors import FailureCode, InputError
from resnext.images.limits import check_file
from resnext.records import Source

_NOT_FOUND = (FailureCode.NOT_FOUND, "no such file")
_NO_PERMISSION = (FailureCode.PERMISSION, "no permission to read it")
_ERRNO_CODES = {
    errno.ENOENT: _NOT_FOUND,
    errno.ENOTDIR: _NOT_FOUND,
    errno.ENAMETOOLONG: (FailureCode.NOT_FOUND, "no such file: the name is too long"),
    errno.ELOOP: (FailureCode.NOT_FOUND, "a loop of symbolic links"),
    errno.EACCES: _NO_PERMISSION,
    errno.EPERM: _NO_PERMISSION,
    errno.ENXIO: (FailureCode.NOT_A_FILE, "not a regular file"),
}


def content(source: Source) -> BinaryIO:
    """Open the bytes of a source; the caller closes them.

    Raises:
        InputError: not a regular file (a FIFO would block, a device never end), or more than MAX_FILE_BYTES.
        OSError: it can't be opened; `cant_read` says it in words.
    """
    if source.read is not None:
        return io.BytesIO(source.read())
    try:
        descriptor = os.open(source.file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except IsADirectoryError as error:
        raise InputError(FailureCode.NOT_A_FILE, "not a regular file") from error
    except ValueError as error:  # an embedded NUL
        raise InputError(*_NOT_FOUND) from error
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


def cant_read(number: int) -> InputError:
    """Say in words that the system refused to open or read a file, by its error number."""
    return InputError(*_ERRNO_CODES.get(number, (FailureCode.READ_ERROR, f"can't read it: {os.strerror(number)}")))
