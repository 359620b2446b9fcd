"""Lists of inputs: lines, NUL-separated names, or a column of CSV, JSON Lines or Parquet; read as they come.

Where a list's name does not tell what it is, its first bytes do. Names are bytes: what is no valid UTF-8 arrives with
surrogateescape, as names from the file system do.
"""

import base64
import csv
import io
import json
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from resnext.errors import FailureCode, UsageError, first_line
from resnext.records import Failure, Source
from resnext.sources import stdin
from resnext.sources.config import ListConfig
from resnext.sources.contents import archive_kind

Kind = Literal["lines", "null", "csv", "tsv", "jsonl", "parquet"]

_KINDS: dict[str, Kind] = {
    ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet",
}  # fmt: skip
_DEFAULT_COLUMN = "file"  # as our own output calls it: a filtered output is a list
_EXACT_COLUMN = "file_b64"
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}
_CHUNK_BYTES = 1 << 16
_MAX_ENTRY_BYTES = 1 << 20  # what has no separator for so long is no list
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_ROWS_AT_ONCE = 4096


def check(name: str, config: ListConfig) -> None:
    """Refuse a list that can't be read, before a model is loaded for it.

    Raises:
        UsageError: there is no such list, or it can't be read as asked.
    """
    if name == stdin.NAME:
        if not stdin.is_offered():
            raise UsageError("--files-from -: nothing is piped into stdin")
        return
    try:
        Path(name).open("rb").close()
    except OSError as error:
        raise UsageError(f"--files-from {name}: {error.strerror}") from error
    if _kind(name, config) == "parquet":
        _import_parquet(name)


def entries(name: str, config: ListConfig) -> Iterator[str | Failure]:
    """Give the entries of a list in their order, each as soon as it was read; empty ones are skipped.

    An entry that can't be read comes as a Failure that names its line.

    Raises:
        UsageError: what is there is no such list.
    """
    kind = _kind(name, config)
    if kind == "parquet":
        yield from _parquet(name, config)
        return
    try:
        with _opened(name) as stream:
            if kind == "null":
                yield from _null_separated(stream, name)
                return
            if kind is None:
                _check_lines(stream.peek(), name)
            lines = _Lines(stream, name)
            kind = kind or _kind_by_look(lines.first(), name, config)
            if kind == "lines":
                yield from _plain(lines, name)
            elif kind == "jsonl":
                yield from _json_lines(lines, name, config)
            else:
                yield from _delimited(lines, name, config, "\t" if kind == "tsv" else ",")
    except (OSError, EOFError, zlib.error) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "it is damaged"
        raise UsageError(f"{_shown(name)}: can't read the list: {reason}") from error


def _kind(name: str, config: ListConfig) -> Kind | None:
    """What a list is by its name; None where that does not tell, as for a pipe."""
    if config.null:
        return "null"
    return None if name == stdin.NAME else _KINDS.get(Path(name.lower().removesuffix(".gz")).suffix)


def _kind_by_look(first: str, name: str, config: ListConfig) -> Kind:
    """What a list is by its first line: rows of JSON, a table with a header, or else names."""
    first = first.strip()
    if first.startswith("{"):
        with suppress(ValueError, RecursionError):
            if isinstance(json.loads(first), dict):
                return "jsonl"
    if first in ("[", "[{") or first.startswith('[{"'):
        raise UsageError(f"{_shown(name)}: a JSON array is no list; JSON Lines are one: jq -c '.[]'")
    if first != _DEFAULT_COLUMN and not os.path.lexists(first):  # no file's name, though names may hold commas
        if _DEFAULT_COLUMN in first.split("\t"):
            return "tsv"
        if _DEFAULT_COLUMN in first.split(","):
            return "csv"
    return "csv" if config.column else "lines"


@contextmanager
def _opened(name: str) -> Iterator[io.BufferedReader]:
    raw: Any = stdin.raw() if name == stdin.NAME else Path(name).open("rb", buffering=0)
    with io.BufferedReader(raw, _CHUNK_BYTES) as stream:
        if not stream.peek().startswith(_GZIP):
            yield stream
            return
        import gzip

        unpacked: Any = gzip.GzipFile(fileobj=stream)
        with unpacked, io.BufferedReader(unpacked, _CHUNK_BYTES) as lines:
            yield lines


def _shown(name: str) -> str:
    return "stdin" if name == stdin.NAME else name


# -- lines and NUL-separated names -----------------------------------------------------------------------------------


class _Lines:
    """Decoded lines with their numbers; a line comes as soon as it is complete."""

    def __init__(self, stream: io.BufferedReader, name: str) -> None:
        self._stream, self._name = stream, name
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
        while line := self._stream.readline(_MAX_ENTRY_BYTES + 1):
            if len(line) > _MAX_ENTRY_BYTES:
                raise UsageError(f"{_shown(self._name)}: not a list: no end of a line within {_MAX_ENTRY_BYTES} bytes")
            self.number += 1
            yield os.fsdecode(line.removeprefix(_BOM) if self.number == 1 else line)


def _plain(lines: _Lines, name: str) -> Iterator[str]:
    for line in lines:
        if "\0" in line:
            _check_lines(b"\0", name)
        if entry := line.removesuffix("\n").removesuffix("\r"):
            yield entry


def _check_lines(content: bytes, name: str) -> None:
    """Say what is possible where this is no text."""
    archive = archive_kind(content)
    if archive:
        raise UsageError(f"{_shown(name)}: a {archive} archive is no list; name its file as an input")
    if b"\0" in content:
        image = ", or the argument - for the bytes of one image" if name == stdin.NAME else ""
        raise UsageError(f"{_shown(name)}: not a list of lines; give -0 for NUL-separated names{image}")


def _null_separated(stream: io.BufferedReader, name: str) -> Iterator[str]:
    rest = b""
    while chunk := stream.read1(_CHUNK_BYTES):  # what is there now: a slow pipe's first entry is not held back
        *complete, rest = (rest + chunk).split(b"\0")
        yield from map(os.fsdecode, filter(None, complete))
        if len(rest) > _MAX_ENTRY_BYTES:
            raise UsageError(f"{_shown(name)}: not a list: no end of an entry within {_MAX_ENTRY_BYTES} bytes")
    if rest:
        yield os.fsdecode(rest)


# -- tables ----------------------------------------------------------------------------------------------------------


def _delimited(lines: _Lines, name: str, config: ListConfig, delimiter: str) -> Iterator[str | Failure]:
    rows = csv.reader(lines, delimiter=delimiter)
    column = exact = None
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield _bad(name, lines.number, str(error))
            continue
        if column is None:
            column = _index(name, row, config)
            if config.column is None and _EXACT_COLUMN in row:
                exact = row.index(_EXACT_COLUMN)
                if delimiter == "\t":  # a TSV of our own has escapes and no quotes
                    rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        elif row and max(column, exact or 0) >= len(row):
            yield _bad(name, lines.number, "the row ends before its column")
        elif row:
            bytes_of_name = row[exact] if exact is not None else ""
            value = _unescaped(row[column]) if exact is not None and delimiter == "\t" else row[column]
            if entry := _named(value, bytes_of_name):
                yield entry
            elif row[column] or bytes_of_name:
                yield _bad(name, lines.number, f"no text under {_EXACT_COLUMN!r}")


def _unescaped(cell: str) -> str:
    r"""The text of a cell of our TSV, which writes tabs, line breaks and backslashes as \t, \n, \r, \\."""
    return re.sub(r"\\([tnr\\])", lambda match: _ESCAPES[match[1]], cell)


def _index(name: str, header: list[str], config: ListConfig) -> int:
    wanted = config.column or _DEFAULT_COLUMN
    if wanted in header:
        return header.index(wanted)
    raise UsageError(f"{_shown(name)}: no column {wanted!r}; give --column, one of {', '.join(header[:20])}")


def _json_lines(lines: _Lines, name: str, config: ListConfig) -> Iterator[str | Failure]:
    wanted = config.column or _DEFAULT_COLUMN
    for line in lines:
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            yield _bad(name, lines.number, "not JSON")
            continue
        exact = row.get(_EXACT_COLUMN) if isinstance(row, dict) and config.column is None else None
        entry = _named(row.get(wanted) if isinstance(row, dict) else row, exact)
        yield entry or _bad(name, lines.number, f"no text under {wanted!r}")


def _parquet(name: str, config: ListConfig) -> Iterator[str | Failure]:
    if name == stdin.NAME:
        raise UsageError("stdin: a Parquet list can't be read from a pipe; name its file")
    parquet = _import_parquet(name)
    import pyarrow

    wanted = config.column or _DEFAULT_COLUMN
    try:
        with parquet.ParquetFile(name) as table:
            names = table.schema_arrow.names
            _index(name, list(names), config)
            columns = [wanted, *([_EXACT_COLUMN] if config.column is None and _EXACT_COLUMN in names else [])]
            number = 0
            for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    if entry := _named(row[wanted], row.get(_EXACT_COLUMN)):
                        yield entry
                    elif row[wanted]:
                        yield _bad(name, number, f"no text under {wanted!r}")
    except (pyarrow.ArrowException, OSError) as error:
        raise UsageError(f"{name}: can't read the list: {first_line(error)}") from error


def _named(value: object, exact: object) -> str | None:
    """The name of a row's file: its exact bytes where the row has them. None if there is none that can be read."""
    if exact and isinstance(exact, str):
        try:
            return os.fsdecode(base64.b64decode(exact, validate=True))
        except ValueError:
            return None
    if isinstance(value, bytes):
        return os.fsdecode(value)
    try:
        return os.fsdecode(os.fsencode(value)) if isinstance(value, str) and value else None
    except UnicodeEncodeError:  # half of a pair of surrogates, which JSON can write: the name of no file
        return None


def _import_parquet(name: str) -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(f"{name}: Parquet needs pyarrow: pip install 'resnext[parquet]'") from error
    return pyarrow.parquet


def _bad(name: str, number: int, reason: str) -> Failure:
    return Failure(Source(f"{_shown(name)}:{number}"), FailureCode.BAD_ENTRY, f"not an entry of a list: {reason}")
