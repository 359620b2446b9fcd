"""Rows and their index while they are written: they can't drift apart, whenever the process dies.

A record is the bytes of its rows, then its line of the index, then the count in the arrays' headers. Whatever a kill
leaves of a record is cut off again: a row without a line, a line without its row.

Failures of an earlier run that are done again stay where they are as long as they come again, in their order, just as
they were. The first record that is anything else takes the place of all that did not: they are left out.
"""

import os
import shutil
from array import array
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from resnext.outputs.done import DoneInputs
from resnext.outputs.places import lock
from resnext.outputs.results.stored import foreign
from resnext.outputs.vectors.growing_npy import GrowingArray
from resnext.outputs.vectors.index import index_line, index_lines
from resnext.records import Answer, Failure, Features

_COPY_BYTES = 1 << 20


class Gathering:
    """Arrays by name, growing, and their index. Call `read_back` where there may be something, `begin`, `write`."""

    def __init__(self, name: str, arrays: dict[str, Path], index: Path, dtype: str) -> None:
        self._name = name
        self._arrays = {each: GrowingArray(path, dtype) for each, path in arrays.items()}
        self.index = index
        self._found: BinaryIO | None = None
        self._descriptor = -1
        self._failures = array("Q")  # start and end of each line that may come again
        self._confirmed = 0  # items of these that did
        self.changed = False  # whether anything was written
        self._whole = (0, 0)  # rows, and bytes of the index; set in one step, so that an interrupt can't part them

    @property
    def rows(self) -> int:
        return self._whole[0]

    @property
    def paths(self) -> dict[str, Path]:
        return {name: each.path for name, each in self._arrays.items()}

    def exists(self) -> bool:
        """Whether there is anything of it."""
        return self.index.exists() or any(each.path.exists() for each in self._arrays.values())

    def read_back(self, done: DoneInputs, *, failures_too: bool) -> None:
        """Note what is done; with `failures_too` also what failed, which else is done again. Changes nothing.

        Raises:
            UsageError: it was not written by a run.
            OutputError: another run is writing it.
        """
        try:
            self._found = self.index.open("r+b")
        except FileNotFoundError:
            return
        try:
            lock(self._name, self._found.fileno())
            self._whole = self._kept(self._found, done, failures_too)
        except BaseException:
            self.close()
            raise

    def _kept(self, found: BinaryIO, done: DoneInputs, failures_too: bool) -> tuple[int, int]:
        """How many rows stay, and how many bytes of the index."""
        stored = []
        for each in self._arrays.values():
            try:
                stored.append(each.stored_rows())
            except ValueError as error:
                raise foreign(each.path, "what is in it") from error
        rows = end = 0
        for line in index_lines(found, self.index, min(stored)):
            if line.row is not None or failures_too:
                done.add(line.name, failed=line.row is None)
            else:
                self._failures.extend((line.start, line.end))
            end = line.end
            rows += line.row is not None
        return rows, end

    def begin(self) -> None:
        """Open everything for more records; what is not whole is cut off.

        Raises:
            OSError, OutputError: it can't be written; another run is writing it.
        """
        rows, end = self._whole
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        self._descriptor = os.dup(self._found.fileno()) if self._found else os.open(self.index, flags, 0o666)
        lock(self._name, self._descriptor)
        os.ftruncate(self._descriptor, end)
        os.lseek(self._descriptor, 0, os.SEEK_END)
        for each in self._arrays.values():
            each.begin(rows)

    def write(self, record: Answer | Failure) -> None:
        """Add one record.

        Raises:
            OSError: the disk is full, or whatever else keeps it from its place; `trim` then takes back its part.
        """
        line = index_line(record, self.rows)
        if self._confirmed < len(self._failures):
            if isinstance(record, Failure) and line == self._expected():
                self._confirmed += 2
                return
            self._leave_out_failures()
        self.changed = True
        rows, end = self._whole
        if isinstance(record, Features):
            for name, each in self._arrays.items():
                each.append(record.arrays[name])
        view = memoryview(line)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._whole = (rows + isinstance(record, Features), end + len(line))
        if isinstance(record, Features):
            for each in self._arrays.values():
                each.count(rows + 1)

    def trim(self) -> None:
        """Take back what was written of a record that is not whole."""
        rows, end = self._whole
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, end)
        for each in self._arrays.values():
            each.trim(rows)

    def sync(self) -> None:
        """Wait until the disk has everything."""
        os.fsync(self._descriptor)
        for each in self._arrays.values():
            each.sync()

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        with suppress(OSError):
            if descriptor >= 0:
                os.close(descriptor)
        found, self._found = self._found, None
        if found is not None:
            found.close()
        for each in self._arrays.values():
            each.close()

    def remove(self) -> None:
        """Remove its files, those that are there."""
        self.index.unlink(missing_ok=True)
        for each in self._arrays.values():
            each.path.unlink(missing_ok=True)

    def _expected(self) -> bytes:
        """The line of the next failure that may come again."""
        start, end = self._failures[self._confirmed : self._confirmed + 2]
        with self.index.open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def _leave_out_failures(self) -> None:
        """Leave out those that did not come again, whole or not at all."""
        edges = [0, *self._failures[self._confirmed :], self._whole[1]]
        kept = self.index.with_name(f"{self.index.name}.new")
        with self.index.open("rb") as old, kept.open("w+b") as file:
            lock(self._name, file.fileno())
            for start, end in zip(edges[::2], edges[1::2], strict=True):
                old.seek(start)
                left = end - start
                while left and (chunk := old.read(min(_COPY_BYTES, left))):
                    file.write(chunk)
                    left -= len(chunk)
            file.flush()
            os.fsync(file.fileno())
            shutil.copymode(self.index, kept)
            kept.replace(self.index)
            os.dup2(file.fileno(), self._descriptor)
            self._whole = (self.rows, file.tell())
        del self._failures[self._confirmed :]
