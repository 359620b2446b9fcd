"""Finished files of features: made of the parts, and taken apart again."""

import json
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from resnext.outputs.results.stored import foreign
from resnext.outputs.vectors.gathering import Gathering
from resnext.outputs.vectors.index import index_lines
from resnext.outputs.vectors.parquet import ROWS_A_GROUP, read_vectors, require_parquet, write_vectors
from resnext.outputs.writers.rows import name_in_row
from resnext.records import Features, Source

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COPY_BYTES = 1 << 20


class Bundle(Protocol):
    """One format. Memory stays flat: nothing holds more than some rows."""

    def check(self) -> None:
        """Refuse before the run what could not be written after it: raises OutputError."""

    def make(self, parts: Gathering, target: Path) -> None:
        """Make the file of complete parts, where it is not the parts themselves; raises OSError."""

    def names(self, path: Path) -> Iterator[bytes]:
        """Where there is no index, the exact names of the inputs that worked; raises UsageError if not ours."""

    def records(self, path: Path, index: Path | None, arrays: tuple[str, ...]) -> Iterator[Features]:
        """The records of the inputs that worked; raises UsageError for what is not ours."""


class Indexed:
    """Arrays and their index: .npy, which are the parts themselves, and .npz, an array a level in it.

    That is stored without compression, as numpy.savez does; the same rows give the same bytes.
    """

    def __init__(self, *, archive: bool) -> None:
        self._archive = archive

    def check(self) -> None:
        return

    def make(self, parts: Gathering, target: Path) -> None:
        with target.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                for name, path in parts.arrays.items():
                    member = zipfile.ZipInfo(f"{name}.npy")  # of 1980: no time of this run
                    with path.open("rb") as array, archive.open(member, "w", force_zip64=True) as copy:
                        shutil.copyfileobj(array, copy, _COPY_BYTES)
            file.flush()
            os.fsync(file.fileno())

    def names(self, path: Path) -> Iterator[bytes]:
        raise AssertionError("its index tells")

    def records(self, path: Path, index: Path | None, arrays: tuple[str, ...]) -> Iterator[Features]:
        assert index is not None
        try:
            with ExitStack() as open_files, index.open("rb") as lines:
                streams: list[IO[bytes]]
                if self._archive:
                    archive = open_files.enter_context(zipfile.ZipFile(path))
                    streams = [archive.open(f"{name}.npy") for name in arrays]
                else:
                    streams = [open_files.enter_context(path.open("rb"))]
                # Zipped the shorter way: killed while it grew, an array may be a row ahead of its index, or behind.
                named = (line.name for line in index_lines(lines, index, sys.maxsize) if line.row is not None)
                for name, row in zip(named, zip(*map(_rows, streams), strict=True), strict=False):
                    yield Features(Source(os.fsdecode(name)), dict(zip(arrays, row, strict=True)))
        except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
            raise foreign(path, "what is in it") from error


class Parquet:
    """A table of the index's texts and `vector`, a row an input; failures have no vector."""

    def check(self) -> None:
        require_parquet()

    def make(self, parts: Gathering, target: Path) -> None:
        import numpy as np

        ((_, array),) = parts.arrays.items()
        # Read, not mapped: pages of a mapping count as this process's memory.
        with parts.index.path.open("rb") as lines, array.open("rb") as file:
            header = np.lib.format
            header.read_magic(file)
            shape, _, dtype = header.read_array_header_1_0(file)
            length = shape[1] if len(shape) > 1 else None

            def groups() -> Iterator[tuple[list[dict[str, Any]], "NDArray[np.floating[Any]]"]]:
                while group := [json.loads(line) for line in islice(lines, ROWS_A_GROUP)]:
                    count = sum(row["row"] is not None for row in group)
                    vectors = np.frombuffer(file.read(count * (length or 0) * dtype.itemsize), dtype)
                    yield group, vectors.reshape(count, length or 0)

            write_vectors(groups(), target, str(dtype), length)
        with target.open("rb+") as written:
            os.fsync(written.fileno())

    def names(self, path: Path) -> Iterator[bytes]:
        for row, _ in self._stored(path, vectors=False):
            if row["status"] == "ok":
                yield name_in_row(row)

    def records(self, path: Path, index: Path | None, arrays: tuple[str, ...]) -> Iterator[Features]:
        for row, vector in self._stored(path, vectors=True):
            if vector is not None:
                yield Features(Source(os.fsdecode(name_in_row(row))), {arrays[0]: vector})

    def _stored(self, path: Path, *, vectors: bool) -> Iterator[tuple[dict[str, Any], Any]]:
        try:
            yield from read_vectors(path, vectors=vectors)
        except (ValueError, KeyError, TypeError) as error:
            raise foreign(path, "what is in it") from error


def _rows(member: IO[bytes]) -> Iterator["NDArray[np.floating[Any]]"]:
    """The rows of an array in a file, one at a time."""
    import numpy as np

    np.lib.format.read_magic(member)
    shape, _, dtype = np.lib.format.read_array_header_1_0(member)
    size = dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))
    for _ in range(shape[0]):
        yield np.frombuffer(member.read(size), dtype).reshape(shape[1:])


BUNDLES: dict[str, Bundle] = {"npy": Indexed(archive=False), "npz": Indexed(archive=True), "parquet": Parquet()}
