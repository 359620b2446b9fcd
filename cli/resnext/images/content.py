"""A source -> its bytes as a stream. A FIFO or a device is refused at once."""

import errno
import io
import os
from typing import BinaryIO

from resnext.disk import NotRegular, open_regular
from resnext.errors import FailureCode, InputError, cant_read
from resnext.images.limits import check_file
from resnext.records import Source


def content(source: Source) -> BinaryIO:
    """Open the bytes of a source; the caller closes them.

    Raises:
        InputError: it can't be opened; not a regular file (a FIFO would block, a device never end); or more than
            MAX_FILE_BYTES.
    """
    if source.read is not None:
        return io.BytesIO(source.read())
    try:
        stream = io.BufferedReader(open_regular(source.file))
    except NotRegular as error:
        raise InputError(FailureCode.NOT_A_FILE, "not a regular file") from error
    except OSError as error:
        raise cant_read(error.errno or 0) from error
    except ValueError as error:  # an embedded NUL
        raise cant_read(errno.ENOENT) from error
    try:
        check_file(os.fstat(stream.fileno()).st_size)
    except InputError:
        stream.close()
        raise
    return stream
