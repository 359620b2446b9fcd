"""Files that are made of all their rows at once, json and parquet: made from gathered rows, and read back as rows."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from resnext.outputs.results.stored import MAX_ROW_BYTES, foreign, is_ok
from resnext.outputs.writers.lines import ARRAY_BEGIN, ARRAY_END, ARRAY_SEPARATOR
from resnext.outputs.writers.parquet import read_parquet, write_parquet
from resnext.outputs.writers.rows import name_in_row


def whole_file_rows(path: Path, format: str) -> Iterator[tuple[bytes, bool, dict[str, Any]]]:
    """Give name, "is done" and row for all rows of a finished json or parquet file.

    Raises:
        UsageError: it was not written by a run.
    """
    try:
        for row in read_parquet(path) if format == "parquet" else _array_rows(path):
            yield name_in_row(row), is_ok(row), row
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise foreign(path, "what is in it") from error


def _gathered_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as stream:
        for line in stream:
            yield json.loads(line)


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


def _finish_json(part: Path, target: Path) -> None:
    with part.open("rb") as rows, target.open("wb") as file:
        file.write(ARRAY_BEGIN.encode())
        separator = b""
        for line in rows:
            file.write(separator + line.rstrip(b"\n"))
            separator = ARRAY_SEPARATOR.encode()
        file.write(ARRAY_END.encode())
        file.flush()
        os.fsync(file.fileno())


def _finish_parquet(part: Path, target: Path) -> None:
    write_parquet(_gathered_rows(part), target)
    with target.open("rb+") as file:
        os.fsync(file.fileno())


# Each makes the file out of the rows that were gathered as JSON Lines.
FINISHERS: dict[str, Callable[[Path, Path], None]] = {"json": _finish_json, "parquet": _finish_parquet}
