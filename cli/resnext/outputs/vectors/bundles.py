"""Files that are made of all rows at once, .npz and .parquet: made from the parts, and read back as records."""

import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from resnext.errors import FailureCode
from resnext.outputs.results.stored import foreign
from resnext.outputs.vectors.gathering import Gathering
from resnext.outputs.vectors.index import index_lines
from resnext.outputs.vectors.parquet import ROWS_A_GROUP, read_vectors, require_parquet, write_vectors
from resnext.outputs.writers.rows import name_in_row
from resnext.records import Failure, Features, Source

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COPY_BYTES = 1 << 20
_ANY_NUMBER = 1 << 62


class Bundle(Protocol):
    """One format. Memory stays flat: nothing holds more than some rows."""

    def check(self) -> None:
        """Refuse before the run what could not be written after it: raises OutputError."""

    def make(self, parts: Gathering, target: Path) -> None:
        """Make the file of closed parts; raises OSError."""

    def names(self, path: Path, index: Path | None) -> Iterator[bytes]:
        """The exact names of the inputs that worked, of a finished file; raises UsageError for one that is not ours."""

    def records(self, path: Path, index: Path | None, arrays: tuple[str, ...]) -> Iterator[Features | Failure]:
        """The records of all inputs; raises as `names`."""


class Npz:
    """An array a level, stored without compression, as numpy.savez does; the same rows give the same bytes."""

    def check(self) -> None:
        return

    def make(self, parts: Gathering, target: Path) -> None:
        with target.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                for name, path in parts.paths.items():
                    member = zipfile.ZipInfo(f"{name}.npy")  # of 1980: no time of this run
                    with path.open("rb") as array, archive.open(member, "w", force_zip64=True) as copy:
                        shutil.copyfileobj(array, copy, _COPY_BYTES)
            file.flush()
            os.fsync(file.fileno())

    def names(self, path: Path, index: Path | None) -> Iterator[bytes]:
        assert index is not None
        with index.open("rb") as stream:
            for line in index_lines(stream, index, _ANY_NUMBER):
                if line.row is not None:
                    yield line.name

    def records(self, path: Path, index: Path | None, arrays: tuple[str, ...]) -> Iterator[Features | Failure]:
        assert index is not None
        try:
            with zipfile.ZipFile(path) as archive, index.open("rb") as lines:
                rows = zip(*(_rows(archive.open(f"{name}.npy")) for name in arrays), strict=True)
                for line in lines:
                    row = json.loads(line)
                    found = next(rows) if row["row"] is not None else None
                    yield (
                        _failure(row)
                        if found is None
                        else Features(_source(row), dict(zip(arrays, found, strict=True)))
                    )
        except (zipfile.BadZipFile, KeyError, ValueError, TypeError, StopIteration) as error:
            raise foreign(path, "what is in it") from error


class Parquet:
    """A table of the index's texts and `vector`, a row an input; failures have no vector."""

    def check(self) -> None:
        require_parquet()

    def make(self, parts: Gathering, target: Path) -> None:
        import numpy as np

        ((_, array),) = parts.paths.items()
        # Read, not mapped: pages of a mapping count as this process's memory.
        with parts.index.open("rb") as lines, array.open("rb") as file:
            header = np.lib.format
            header.read_magic(file)
            shape, _, dtype = header.read_array_header_1_0(file)
            length = shape[1] if len(shape) > 1 else 0

            def groups() -> Iterator[tuple[list[dict[str, Any]], "NDArray[np.floating[Any]]"]]:
                while group := [json.loads(line) for line in islice(lines, ROWS_A_GROUP)]:
                    count = sum(row["row"] is not None for row in group)
                    vectors = np.frombuffer(file.read(count * length * dtype.itemsize), dtype)
                    yield group, vectors.reshape(count, length)

            write_vectors(groups(), target, str(dtype), length)
        with target.open("rb+") as written:
            os.fsync(written.fileno())

    def names(self, path: Path, index: Path | None) -> Iterator[bytes]:
        for row, _ in self._stored(path, vectors=False):
            if row["status"] == "ok":
                yield name_in_row(row)

    def records(self, path: Path, index: Path | None, arrays: tuple[str, ...]) -> Iterator[Features | Failure]:
        for row, vector in self._stored(path, vectors=True):
            yield _failure(row) if vector is None else Features(_source(row), {arrays[0]: vector})

    def _stored(self, path: Path, *, vectors: bool) -> Iterator[tuple[dict[str, Any], Any]]:
        try:
            yield from read_vectors(path, vectors=vectors)
        except (ValueError, KeyError, TypeError) as error:
            raise foreign(path, "what is in it") from error


def _source(row: dict[str, Any]) -> Source:
    return Source(os.fsdecode(name_in_row(row)))


def _failure(row: dict[str, Any]) -> Failure:
    return Failure(_source(row), FailureCode(row["error_code"]), row["error"])


def _rows(member: IO[bytes]) -> Iterator["NDArray[np.floating[Any]]"]:
    """The rows of an array in an archive, one at a time."""
    import numpy as np

    np.lib.format.read_magic(member)
    shape, _, dtype = np.lib.format.read_array_header_1_0(member)
    size = dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))
    for _ in range(shape[0]):
        yield np.frombuffer(member.read(size), dtype).reshape(shape[1:])


BUNDLES: dict[str, Bundle] = {"npz": Npz(), "parquet": Parquet()}
