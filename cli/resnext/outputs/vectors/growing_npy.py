"""A .npy file that grows: mapped by numpy while rows are added, and after any crash.

Its header has a fixed length, padded with spaces as the format allows, so that the number of rows is put right by one
small write in place. It is written after the rows that it counts: it never promises more than there is.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from resnext.disk import write_all

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HEADER_BYTES = 128  # room for four dimensions of any size; a multiple of 64, as numpy aligns data
_MAGIC = b"\x93NUMPY\x01\x00"
_DESCR = {"float32": "<f4", "float16": "<f2"}


class GrowingArray:
    """One array, (N, *row_shape), N growing. The shape of a row is that of the first one."""

    def __init__(self, path: Path, dtype: str) -> None:
        self.path, self._descr = path, _DESCR[dtype]
        self._descriptor = -1
        self._row_shape: tuple[int, ...] | None = None
        self._row_bytes = 0

    @property
    def itemsize(self) -> int:
        return int(self._descr[-1])

    def stored_rows(self) -> int:
        """How many whole rows are in the file, whatever its header says.

        Raises:
            ValueError: it is no array of ours, or one of another dtype.
            OSError: it can't be read.
        """
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < HEADER_BYTES:  # killed while its header was written
                return 0
            self._take_shape(file)
        if self._row_shape is None:
            return 0
        return (size - HEADER_BYTES) // self._row_bytes if self._row_bytes else 0

    def begin(self, descriptor: int, rows: int) -> None:
        """Go on in the open file behind the first `rows` rows of it."""
        self._descriptor = descriptor
        self.trim(rows)

    def append(self, row: "NDArray[np.floating[Any]]") -> None:
        """Write the bytes of one row; it counts from the next `count` on."""
        if self._row_shape is None:
            self._row_shape, self._row_bytes = row.shape, row.nbytes
        elif row.shape != self._row_shape:
            raise RuntimeError(f"a row of shape {row.shape} for an array of {self._row_shape}")
        write_all(self._descriptor, row.astype(self._descr, copy=False).tobytes())

    def count(self, rows: int) -> None:
        """Let the header say how many rows there are."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        write_all(self._descriptor, self._header(rows))
        os.lseek(self._descriptor, HEADER_BYTES + rows * self._row_bytes, os.SEEK_SET)

    def trim(self, rows: int) -> None:
        """Cut off all behind the first `rows` rows."""
        if self._descriptor < 0:
            return
        self.count(rows)
        os.ftruncate(self._descriptor, HEADER_BYTES + rows * self._row_bytes)

    def sync(self) -> None:
        """Wait until the disk has it."""
        os.fsync(self._descriptor)

    def _header(self, rows: int) -> bytes:
        # Before the first row nobody knows its shape.
        shape = (rows, *(self._row_shape or ()))
        text = repr({"descr": self._descr, "fortran_order": False, "shape": shape})
        length = HEADER_BYTES - len(_MAGIC) - 2
        return _MAGIC + length.to_bytes(2, "little") + text.ljust(length - 1).encode() + b"\n"

    def _take_shape(self, file: BinaryIO) -> None:
        from numpy.lib import format as npy

        version = npy.read_magic(file)
        if version != (1, 0):
            raise ValueError("another version of the format")
        shape, fortran_order, dtype = npy.read_array_header_1_0(file)
        if file.tell() != HEADER_BYTES or fortran_order or dtype.str != self._descr or not shape:
            raise ValueError("not an array that was written here")
        if len(shape) > 1:
            self._row_shape = tuple(shape[1:])
            self._row_bytes = self.itemsize
            for length in self._row_shape:
                self._row_bytes *= length
