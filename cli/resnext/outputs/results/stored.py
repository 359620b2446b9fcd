"""Reads back rows that an earlier run wrote: the input of each, whether it is done, and its place in the file."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from resnext.errors import UsageError
from resnext.outputs.writers.delimited import DELIMITERS, tsv_cells
from resnext.outputs.writers.rows import name_in_row

# Formats to which rows can be added.
LINE_FORMATS = ("jsonl", *DELIMITERS)
MAX_ROW_BYTES = 64 << 20
_STATUSES = {"ok": True, "error": False}


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One whole row at bytes `start` to `end` of its file. `name` is None for a header; `ok` is False for a failure."""

    start: int
    end: int
    name: bytes | None
    ok: bool


def stored_rows(stream: BinaryIO, path: Path, format: str) -> Iterator[StoredRow]:
    """Give the whole rows of a jsonl, csv or tsv file; what follows the last of them was cut off by a kill.

    Raises:
        UsageError: one of them is no row that a run has written.
    """
    header: list[str] | None = None
    start = end = 0
    before: tuple[bytes, int] | None = None  # in the long form: name and rank of a row that others must follow
    for number, raw in enumerate(_records(stream, path, quoted=format == "csv"), start=1):
        end += len(raw)
        try:
            if format != "jsonl" and header is None:
                header = _header(_cells(raw, format))
                yield StoredRow(start, end, None, True)
            else:
                row = json.loads(raw) if header is None else dict(zip(header, _cells(raw, format), strict=True))
                name, ok = name_in_row(row), is_ok(row)
                if header is not None and "classes" in row and (before := _incomplete(row, name, before)):
                    continue
                yield StoredRow(start, end, name, ok)
        except _NO_ROW as error:
            raise foreign(path, f"row {number}") from error
        start = end
    _check_rest(stream, end, path, header, format)


_NO_ROW = (ValueError, KeyError, TypeError, csv.Error, RecursionError, StopIteration)


def _cells(raw: bytes, format: str) -> list[str]:
    if format == "tsv":
        return tsv_cells(raw.decode().removesuffix("\n"))
    return next(csv.reader([raw.decode()], strict=True))


def _incomplete(row: dict[str, Any], name: bytes, before: tuple[bytes, int] | None) -> tuple[bytes, int] | None:
    """Name and rank of a row of the long form if there must be more of its input; raises ValueError out of order."""
    rank, classes = int(row["rank"] or 0), int(row["classes"])
    expected = (name, before[1] + 1) if before is not None else (name, min(1, classes))
    if (name, rank) != expected or (before is not None and name != before[0]) or rank > classes:
        raise ValueError("out of order")
    return (name, rank) if rank < classes else None


def _records(stream: BinaryIO, path: Path, *, quoted: bool) -> Iterator[bytes]:
    """Give whole records: lines, or what quotes hold together. Quotes are doubled in them: an even number is whole."""
    lines: list[bytes] = []
    size = quotes = 0
    while line := stream.readline(MAX_ROW_BYTES):
        size += len(line)
        if size >= MAX_ROW_BYTES:
            raise foreign(path, f"a row of more than {MAX_ROW_BYTES >> 20} MB")
        if not line.endswith(b"\n"):
            return
        lines.append(line)
        quotes += line.count(b'"') if quoted else 0
        if quotes % 2 == 0:
            yield b"".join(lines)
            lines.clear()
            size = quotes = 0


def _check_rest(stream: BinaryIO, end: int, path: Path, header: list[str] | None, format: str) -> None:
    """Refuse a file whose end is no row that was cut off: one stray quote would hold all rows behind it together.

    Whole rows are looked for behind the first line break of the rest; a row that was cut off has none there, unless a
    file's name was made to look so.
    """
    if header is None:
        return
    stream.seek(end)
    stream.readline()
    for line in stream:
        if not line.endswith(b"\n"):
            return  # the row that was cut off, behind a line break in its name
        try:
            cells = _cells(line, format)
        except _NO_ROW:
            continue
        if not _STATUSES.keys().isdisjoint(cells):  # not the right number of cells: the header may be what is damaged
            raise foreign(path, "a quote")


def _header(cells: list[str]) -> list[str]:
    if not {"file", "status", "file_b64"} <= set(cells):
        raise KeyError("file")
    return cells


def is_ok(row: dict[str, Any]) -> bool:
    """Whether a row is that of an input that is done. Raises KeyError for what is no row."""
    return _STATUSES[row["status"]]


def foreign(path: Path, what: str) -> UsageError:
    """The refusal of a file that no run has written."""
    return UsageError(f"{path}: can't resume: {what} was not written by resnext; give another name, or --overwrite")
