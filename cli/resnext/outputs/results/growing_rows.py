"""Files that grow, and one of rows: what must be done again is taken out, a row that was cut off is cut away."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from resnext.disk import write_all
from resnext.outputs.done import ByteRanges, DoneInputs
from resnext.outputs.places import HeldFiles
from resnext.outputs.results.stored import StoredRow

_COPY_BYTES = 1 << 20


class Growing(Protocol):
    """Files that take one record after another. None of them is ever behind another one by more than a record."""

    must_unfold: bool  # whether rows that must go can't be taken out in place

    @property
    def paths(self) -> list[Path]:
        """The files; of parts the last one is that which moves last."""

    def holds_rows(self) -> bool:
        """Whether there is anything in them."""

    def read_back(self, done: DoneInputs) -> None:
        """Note what is done and which rows stay; raises UsageError for what is not ours, OSError. Changes nothing."""

    def begin(self, held: HeldFiles) -> None:
        """Open them for more, made if need be, with what stays and nothing else."""

    def trim(self) -> None:
        """Take back what was written of a record that is not whole."""

    def sync(self) -> None:
        """Wait until the disk has everything."""

    def remove(self) -> None:
        """Remove them, those that are there."""


class GrowingRows:
    """One file of rows. `read_back` where there is one, `begin`, then `write`.

    `rows` reads a file's whole rows. `old_path` is where an earlier version kept the file, `convert` makes its rows
    ones of today: then all are written anew.
    """

    must_unfold = False

    def __init__(self, path: Path, rows: Callable[[BinaryIO, Path], Iterator[StoredRow]]) -> None:
        self.path, self._rows = path, rows
        self.old_path: Path | None = None
        self.convert: Callable[[bytes], bytes] | None = None
        self.size = 0  # bytes of whole rows
        self._keep = ByteRanges()
        self._descriptor = -1

    @property
    def paths(self) -> list[Path]:
        return [self.path]

    def holds_rows(self) -> bool:
        """Whether there is anything in it."""
        return self.path.exists() and self.path.stat().st_size > 0

    def read_back(self, done: DoneInputs) -> None:
        """Note what is done, and which rows stay. Changes nothing.

        Raises:
            UsageError: it was not written by a run.
            OSError: it can't be read.
        """
        self.keep_nothing()
        path = self.old_path or self.path
        try:
            stream = path.open("rb")
        except FileNotFoundError:
            return
        with stream:
            for row in self._rows(stream, path):
                if row.name is None or done.add(row.name, ok=row.ok):
                    self.keep(row.start, row.end)

    def keep_nothing(self) -> None:
        """Start the list of the rows that stay."""
        self._keep, self.size = ByteRanges(), 0

    def keep(self, start: int, end: int) -> None:
        """Let the rows at these bytes stay, and what is kept already; nothing else will."""
        self._keep.add(start, end)
        self.size += end - start

    def begin(self, held: HeldFiles) -> None:
        """Open the file for more rows, made if need be; what need not stay is gone.

        Raises:
            OutputError: another run is writing it.
            OSError: it can't be written; it is as it was.
        """
        # What stays is the front of the file, or it is written anew.
        if self.old_path or self.convert or list(self._keep) not in ([], [(0, self.size)]):
            self._descriptor = held.replace(self.path, self._write_kept)
            if self.old_path is not None:
                held.drop(self.old_path)
                self.old_path.unlink(missing_ok=True)
            self.size = os.fstat(self._descriptor).st_size
        else:
            self._descriptor = held.descriptor(self.path)
            os.ftruncate(self._descriptor, self.size)
        os.lseek(self._descriptor, self.size, os.SEEK_SET)

    def write(self, data: bytes) -> None:
        """Add whole rows. Raises OSError; `trim` then removes what was written of them."""
        self.append(data)
        self.size += len(data)

    def append(self, data: bytes) -> None:
        """Write the bytes of rows, which count once `size` does. Raises OSError."""
        write_all(self._descriptor, data)

    def trim(self) -> None:
        """Take back what was written of a row that is not whole."""
        if self._descriptor >= 0 and os.fstat(self._descriptor).st_size > self.size:
            os.ftruncate(self._descriptor, self.size)

    def sync(self) -> None:
        """Wait until the disk has it."""
        os.fsync(self._descriptor)

    def remove(self) -> None:
        """Remove the file, if there is one."""
        self.path.unlink(missing_ok=True)

    def _write_kept(self, descriptor: int) -> None:
        with (self.old_path or self.path).open("rb") as old:
            for start, end in self._keep:
                old.seek(start)
                while start < end:
                    # Whole lines where they are converted, each of which is a row.
                    chunk = old.readline() if self.convert else old.read(min(_COPY_BYTES, end - start))
                    write_all(descriptor, self.convert(chunk) if self.convert else chunk)
                    start += len(chunk)
