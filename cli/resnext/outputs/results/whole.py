"""Files that are made of all their rows at once: made from gathered rows, and read back as such rows.

json and parquet are made of JSON Lines; what is packed (.jsonl.gz) of the same rows unpacked, so that they are there as
they come, whatever kills the run, and no reader meets half a gzip member.
"""

import gzip
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from resnext.outputs.results.stored import LINE_FORMATS, MAX_ROW_BYTES, foreign, is_ok, stored_rows
from resnext.outputs.writers.lines import ARRAY_BEGIN, ARRAY_END, ARRAY_SEPARATOR, json_line
from resnext.outputs.writers.parquet import read_parquet, write_parquet
from resnext.outputs.writers.rows import name_in_row

_COPY_BYTES = 1 << 20
_GZIP_LEVEL = 6
Rows = Iterator[tuple[bytes, bool, bytes]]


class WholeFormat(NamedTuple):
    """One format. `rows` gives name, "has an answer" and the row as it was gathered of all rows of a finished file;
    `head` what stood before them; both raise UsageError for what no run has written. `make` raises OSError."""

    gathered_as: str
    binary: bool
    rows: Callable[[Path], Rows]
    make: Callable[[Path, Path], None]
    head: Callable[[Path], bytes] = lambda path: b""


def _read(path: Path, rows: Callable[[Path], Iterator[dict[str, Any]]]) -> Rows:
    try:
        for row in rows(path):
            yield name_in_row(row), is_ok(row), (json_line(row) + "\n").encode()
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise foreign(path, "what is in it") from error


def _array_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The array as JsonArrayWriter lays it out: a row a line."""
    with path.open("rb") as stream:
        if stream.readline(MAX_ROW_BYTES) != b"[\n":
            raise ValueError("no array")
        while (line := stream.readline(MAX_ROW_BYTES)) != b"]\n":
            if not line:
                raise ValueError("the array is not closed")
            if line != b"\n":  # an array without rows has one
                yield json.loads(line.rstrip().removesuffix(b","))


def _make_json(part: Path, target: Path) -> None:
    with part.open("rb") as rows, target.open("wb") as file:
        file.write(ARRAY_BEGIN.encode())
        separator = b""
        for line in rows:
            file.write(separator + line.rstrip(b"\n"))
            separator = ARRAY_SEPARATOR.encode()
        file.write(ARRAY_END.encode())
        file.flush()
        os.fsync(file.fileno())


def _make_parquet(part: Path, target: Path) -> None:
    with part.open("rb") as lines:
        write_parquet(map(json.loads, lines), target)
    with target.open("rb+") as file:
        os.fsync(file.fileno())


def _packed(format: str) -> WholeFormat:
    def all_rows(path: Path) -> Iterator[tuple[bytes | None, bool, bytes]]:
        try:
            with gzip.open(path, "rb") as stream, gzip.open(path, "rb") as second:
                for row in stored_rows(cast(BinaryIO, stream), path, format):
                    yield row.name, row.ok, second.read(row.end - row.start)
        except (OSError, EOFError, zlib.error) as error:
            raise foreign(path, "what is in it") from error

    def rows(path: Path) -> Rows:
        return ((name, ok, data) for name, ok, data in all_rows(path) if name is not None)

    def head(path: Path) -> bytes:
        return next((data for name, _, data in all_rows(path) if name is None), b"")

    def make(part: Path, target: Path) -> None:
        with part.open("rb") as rows, target.open("wb") as file:
            # Without name and time: the same rows give the same bytes.
            with gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as packed:
                shutil.copyfileobj(rows, packed, _COPY_BYTES)
            file.flush()
            os.fsync(file.fileno())

    return WholeFormat(format, True, rows, make, head)


WHOLE_FORMATS: dict[str, WholeFormat] = {
    "json": WholeFormat("jsonl", False, lambda path: _read(path, _array_rows), _make_json),
    "parquet": WholeFormat("jsonl", True, lambda path: _read(path, read_parquet), _make_parquet),
    **{f"{format}.gz": _packed(format) for format in LINE_FORMATS},
}
