"""Tables: the rows of CSV, TSV, JSON Lines or Parquet, packed by gzip or not, a row at a time.

Text is read as names of files are: what is no valid UTF-8 arrives with surrogateescape.
"""

import csv
import io
import json
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from resnext.errors import UsageError, first_line
from resnext.sources import stdin

TableKind = Literal["csv", "tsv", "jsonl", "parquet"]

KINDS: dict[str, TableKind] = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet",
}  # fmt: skip
FILE_COLUMN = "file"  # as our own output calls it: a filtered output is a list
EXACT_COLUMN = "file_b64"
MAX_LINE_BYTES = 1 << 20  # what has no separator for so long is no list
MAX_ROW_BYTES = 64 << 20  # a row of all classes of a large model
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}
_CHUNK_BYTES = 1 << 16
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_ROWS_AT_ONCE = 4096

# Given the columns of a table, those that are wanted of it; raises UsageError where they are not there.
Choose = Callable[[Sequence[str]], Sequence[str]]


class Row(NamedTuple):
    """One row: its number (of the line; of the row in Parquet), and its cells by column. `problem`: why it has none.

    A row of JSON Lines may be any value, also no object, and may lack any column.
    """

    number: int
    cells: Any
    problem: str = ""


def kind_of(name: str) -> TableKind | None:
    """What a table is by its name; None where that does not tell."""
    return KINDS.get(Path(name.lower().removesuffix(".gz")).suffix)


def shown(name: str) -> str:
    """A table's name as messages have it."""
    return "stdin" if name == stdin.NAME else name


def all_columns(columns: Sequence[str]) -> Sequence[str]:
    """Choose every column."""
    return columns


def file_rows(name: str, choose: Choose, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[Row]:
    """Give the rows of a table in a file, whose name tells its kind.

    Raises:
        UsageError: it is no such table, or can't be read; what `choose` raises.
    """
    kind = kind_of(name)
    if kind is None:
        raise UsageError(
            f"{name}: not CSV, TSV or JSON Lines, nor Parquet, by its ending; use one of {', '.join(KINDS)}"
        )
    if kind == "parquet":
        yield from parquet_rows(name, choose)
        return
    with reading(name), opened(name) as stream:
        yield from text_rows(Lines(stream, name, max_line_bytes), kind, choose)


def text_rows(lines: "Lines", kind: TableKind, choose: Choose) -> Iterator[Row]:
    """Give the rows of a table of lines, each as soon as its line was read. JSON Lines have no columns to choose from.

    Raises:
        UsageError: what `choose` raises.
    """
    return _json_lines(lines) if kind == "jsonl" else _delimited(lines, choose, "\t" if kind == "tsv" else ",")


def parquet_rows(name: str, choose: Choose) -> Iterator[Row]:
    """Give the rows of a Parquet file, of the chosen columns alone.

    Raises:
        UsageError: it can't be read, or pyarrow is not installed; what `choose` raises.
    """
    if name == stdin.NAME:
        raise UsageError("stdin: a Parquet list can't be read from a pipe; name its file")
    parquet = import_parquet(name)
    import pyarrow

    try:
        with parquet.ParquetFile(name) as table:
            columns = list(choose(table.schema_arrow.names))
            number = 0
            for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=columns):
                for cells in batch.to_pylist():
                    number += 1
                    yield Row(number, cells)
    except (pyarrow.ArrowException, OSError) as error:
        raise UsageError(f"{name}: can't read the list: {first_line(error)}") from error


def import_parquet(name: str) -> Any:
    """Import the reader of Parquet.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(f"{name}: Parquet needs pyarrow: pip install 'resnext[parquet]'") from error
    return pyarrow.parquet


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Say in one line what keeps a table or a list from being read.

    Raises:
        UsageError: it can't be.
    """
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "it is damaged"
        raise UsageError(f"{shown(name)}: can't read the list: {reason}") from error


@contextmanager
def opened(name: str) -> Iterator[io.BufferedReader]:
    """Open a table or a list as bytes, unpacked."""
    raw: Any = stdin.raw() if name == stdin.NAME else Path(name).open("rb", buffering=0)
    with io.BufferedReader(raw, _CHUNK_BYTES) as stream:
        if not stream.peek().startswith(_GZIP):
            yield stream
            return
        import gzip

        unpacked: Any = gzip.GzipFile(fileobj=stream)
        with unpacked, io.BufferedReader(unpacked, _CHUNK_BYTES) as lines:
            yield lines


class Lines:
    """Decoded lines with their numbers; a line comes as soon as it is complete."""

    def __init__(self, stream: io.BufferedReader, name: str, max_bytes: int = MAX_LINE_BYTES) -> None:
        self._stream, self._name, self._max_bytes = stream, name, max_bytes
        self._first: str | None = None
        self.number = 0

    def first(self) -> str:
        """The first line, which comes once more when the lines are read; empty where there is none."""
        self._first = next(iter(self), "")
        return self._first

    def __iter__(self) -> Iterator[str]:
        if self._first:
            first, self._first = self._first, None
            yield first
        while line := self._stream.readline(self._max_bytes + 1):
            if len(line) > self._max_bytes:
                raise UsageError(f"{shown(self._name)}: not a list: no end of a line within {self._max_bytes} bytes")
            self.number += 1
            yield os.fsdecode(line.removeprefix(_BOM) if self.number == 1 else line)


def _delimited(lines: Lines, choose: Choose, delimiter: str) -> Iterator[Row]:
    rows = csv.reader(lines, delimiter=delimiter)
    chosen: list[tuple[str, int]] | None = None
    escaped = False
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(lines.number, None, str(error))
            continue
        if chosen is None:
            chosen = [(name, row.index(name)) for name in choose(row)]
            if delimiter == "\t" and EXACT_COLUMN in row:  # a TSV of our own has escapes and no quotes
                rows, escaped = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE), True
        elif row:
            if max((place for _, place in chosen), default=0) >= len(row):
                yield Row(lines.number, None, "the row ends before its column")
                continue
            cells = {name: row[place] for name, place in chosen}
            yield Row(lines.number, {name: _unescaped(cell) for name, cell in cells.items()} if escaped else cells)


def _unescaped(cell: str) -> str:
    r"""The text of a cell of our TSV, which writes tabs, line breaks and backslashes as \t, \n, \r, \\."""
    return re.sub(r"\\([tnr\\])", lambda match: _ESCAPES[match[1]], cell) if "\\" in cell else cell


def _json_lines(lines: Lines) -> Iterator[Row]:
    for line in lines:
        if not line.strip():
            continue
        try:
            yield Row(lines.number, json.loads(line))
        except (ValueError, RecursionError):
            yield Row(lines.number, None, "not JSON")
