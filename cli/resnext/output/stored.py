"""Rows that an earlier run wrote, read back: which input each is of, whether it is done, where it stands."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from resnext.errors import UsageError
from resnext.writers.rows import name_in_row

_DELIMITERS = {"csv": ",", "tsv": "\t"}
# Formats to which rows can be added, and those whose rows can be read back.
LINE_FORMATS = ("jsonl", *_DELIMITERS)
MAX_ROW_BYTES = 64 << 20


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
    end = 0
    for number, raw in enumerate(_records(stream, quoted=format in _DELIMITERS), start=1):
        start, end = end, end + len(raw)
        try:
            if format == "jsonl":
                row = json.loads(raw)
            else:
                cells = next(csv.reader([raw.decode()], delimiter=_DELIMITERS[format], strict=True))
                if header is None:
                    header = _header(cells)
                    yield StoredRow(start, end, None, True)
                    continue
                row = dict(zip(header, cells, strict=True))
            yield StoredRow(start, end, name_in_row(row), is_ok(row))
        except (ValueError, KeyError, TypeError, csv.Error, RecursionError, StopIteration) as error:
            raise foreign(path, f"row {number}") from error


def _records(stream: BinaryIO, *, quoted: bool) -> Iterator[bytes]:
    """Give whole records: lines, or what quotes hold together. Quotes are doubled in them: an even number is whole."""
    record = b""
    while line := stream.readline(MAX_ROW_BYTES):
        record += line
        if not line.endswith(b"\n"):
            return
        if not (quoted and record.count(b'"') % 2):
            yield record
            record = b""


def _header(cells: list[str]) -> list[str]:
    if not {"file", "status", "file_b64"} <= set(cells):
        raise KeyError("file")
    return cells


def is_ok(row: dict[str, Any]) -> bool:
    """Whether a row is that of an input that is done. Raises KeyError for what is no row."""
    return bool({"ok": True, "error": False}[row["status"]])


def foreign(path: Path, what: str) -> UsageError:
    """The refusal of a file that no run has written."""
    return UsageError(f"{path}: can't resume: {what} was not written by resnext; give another name, or --overwrite")
