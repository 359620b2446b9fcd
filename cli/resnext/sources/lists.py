"""Lists of inputs: lines, NUL-separated names, or a column of CSV, JSON Lines or Parquet; read as they come.

Where a list's name does not tell what it is, its first bytes do. Names are bytes: what is no valid UTF-8 arrives with
surrogateescape, as names from the file system do.
"""

import base64
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from resnext.errors import FailureCode, UsageError
from resnext.records import Failure, Source
from resnext.sources import stdin
from resnext.sources.bounds import archive_kind
from resnext.sources.config import ListConfig
from resnext.sources.tables import (
    EXACT_COLUMN,
    FILE_COLUMN,
    MAX_LINE_BYTES,
    Lines,
    Row,
    TableKind,
    import_parquet,
    kind_of,
    opened,
    parquet_rows,
    reading,
    shown,
    text_rows,
)

_CHUNK_BYTES = 1 << 16


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
        import_parquet(name)


def entries(name: str, config: ListConfig) -> Iterator[str | Failure]:
    """Give the entries of a list in their order, each as soon as it was read; empty ones are skipped.

    An entry that can't be read comes as a Failure that names its line.

    Raises:
        UsageError: what is there is no such list.
    """
    kind = _kind(name, config)
    table = _Column(name, config)
    if kind == "parquet":
        yield from table.entries(parquet_rows(name, table.choose))
        return
    with reading(name), opened(name) as stream:
        if config.null:
            yield from _null_separated(stream, name)
            return
        if kind is None:
            _check_lines(stream.peek(), name)
        lines = Lines(stream, name)
        look = kind or _kind_by_look(lines.first(), name, config)
        if look == "lines":
            yield from _plain(lines, name)
        else:
            yield from table.entries(text_rows(lines, look, table.choose), json_lines=look == "jsonl")


def _kind(name: str, config: ListConfig) -> TableKind | None:
    """What table a list is by its name; None where that does not tell, as for a pipe."""
    return None if config.null or name == stdin.NAME else kind_of(name)


def _kind_by_look(first: str, name: str, config: ListConfig) -> TableKind | Literal["lines"]:
    """What a list is by its first line: rows of JSON, a table with a header, or else names."""
    first = first.strip()
    if first.startswith("{"):
        with suppress(ValueError, RecursionError):
            if isinstance(json.loads(first), dict):
                return "jsonl"
    if first in ("[", "[{") or first.startswith('[{"'):
        raise UsageError(f"{shown(name)}: a JSON array is no list; JSON Lines are one: jq -c '.[]'")
    if first != FILE_COLUMN and not os.path.lexists(first):  # no file's name, though names may hold commas
        if FILE_COLUMN in first.split("\t"):
            return "tsv"
        if FILE_COLUMN in first.split(","):
            return "csv"
    return "csv" if config.column else "lines"


# -- lines and NUL-separated names -----------------------------------------------------------------------------------


def _plain(lines: Lines, name: str) -> Iterator[str]:
    for line in lines:
        if "\0" in line:
            _check_lines(b"\0", name)
        if entry := line.removesuffix("\n").removesuffix("\r"):
            yield entry


def _check_lines(content: bytes, name: str) -> None:
    """Say what is possible where this is no text."""
    archive = archive_kind(content)
    if archive:
        raise UsageError(f"{shown(name)}: a {archive} archive is no list; name its file as an input")
    if b"\0" in content:
        image = ", or the argument - for the bytes of one image" if name == stdin.NAME else ""
        raise UsageError(f"{shown(name)}: not a list of lines; give -0 for NUL-separated names{image}")


def _null_separated(stream: io.BufferedReader, name: str) -> Iterator[str]:
    rest = b""
    while chunk := stream.read1(_CHUNK_BYTES):  # what is there now: a slow pipe's first entry is not held back
        *complete, rest = (rest + chunk).split(b"\0")
        yield from map(os.fsdecode, filter(None, complete))
        if len(rest) > MAX_LINE_BYTES:
            raise UsageError(f"{shown(name)}: not a list: no end of an entry within {MAX_LINE_BYTES} bytes")
    if rest:
        yield os.fsdecode(rest)


# -- tables ----------------------------------------------------------------------------------------------------------


class _Column:
    """The column of a table that holds names; without one asked for, their exact bytes where the table has them."""

    def __init__(self, name: str, config: ListConfig) -> None:
        self._name = name
        self._wanted = config.column or FILE_COLUMN
        self._exact = [EXACT_COLUMN] if config.column is None else []

    def choose(self, columns: Sequence[str]) -> list[str]:
        if self._wanted not in columns:
            offered = ", ".join(columns[:20])
            raise UsageError(f"{shown(self._name)}: no column {self._wanted!r}; give --column, one of {offered}")
        return [self._wanted, *(each for each in self._exact if each in columns)]

    def entries(self, rows: Iterator[Row], *, json_lines: bool = False) -> Iterator[str | Failure]:
        """Give the entries; an empty cell is none, but a line of JSON always is one."""
        for number, cells, problem in rows:
            if problem:
                yield self._bad(number, problem)
                continue
            if not isinstance(cells, dict):  # a line of JSON that is a text alone
                cells = {self._wanted: cells}
            value, exact = cells.get(self._wanted), next((cells.get(each) for each in self._exact), None)
            if entry := named(value, exact):
                yield entry
            elif value or exact or json_lines:
                yield self._bad(number, f"no text under {(EXACT_COLUMN if exact else self._wanted)!r}")

    def _bad(self, number: int, reason: str) -> Failure:
        source = Source(f"{shown(self._name)}:{number}")
        return Failure(source, FailureCode.BAD_ENTRY, f"not an entry of a list: {reason}")


def named(value: object, exact: object = None) -> str | None:
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
