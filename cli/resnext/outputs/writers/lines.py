"""JSON Lines, and one JSON array. In pipes and files ASCII only, valid for every parser; on a terminal for people."""

import json
import re
from typing import Any, TextIO

from resnext.console.terminal import printable
from resnext.outputs.writers.rows import OutputConfig, error_keys, exact_name, file_keys, row_of
from resnext.records import Classified, Failure, Source

_CONTROL = re.compile("[\x00-\x1f\x7f]")


def json_line(row: dict[str, Any], *, terminal: bool = False) -> str:
    r"""A row as one line of JSON Lines, without its end.

    On a terminal letters of all languages are shown; what it could obey stands there as \\uNNNN: the same row.
    """
    if not terminal:
        return json.dumps(row, allow_nan=False)
    return "".join(
        char if printable(char) == char else json.dumps(char)[1:-1]
        for char in json.dumps(row, allow_nan=False, ensure_ascii=False)
    )


class JsonLinesWriter:
    """One JSON object a line."""

    def __init__(self, stream: TextIO, config: OutputConfig) -> None:
        self._stream, self._config = stream, config

    def begin(self) -> None:
        return

    def write(self, record: Classified | Failure) -> None:
        row = row_of(record, self._config)
        self._stream.write(json_line(row, terminal=self._config.terminal) + "\n")

    def end(self) -> None:
        return


ARRAY_BEGIN, ARRAY_SEPARATOR, ARRAY_END = "[\n", ",\n", "\n]\n"


class JsonArrayWriter:
    """One JSON array, a row a line. It is closed on every orderly end; for runs that may be killed there is jsonl."""

    def __init__(self, stream: TextIO, config: OutputConfig) -> None:
        self._stream, self._config = stream, config
        self._separator = ""

    def begin(self) -> None:
        self._stream.write(ARRAY_BEGIN)

    def write(self, record: Classified | Failure) -> None:
        row = row_of(record, self._config)
        self._stream.write(self._separator + json_line(row, terminal=self._config.terminal))
        self._separator = ARRAY_SEPARATOR

    def end(self) -> None:
        self._stream.write(ARRAY_END)


def listed(item: Source | Failure, *, as_json: bool, terminal: bool) -> bytes:
    """Give one input of a --dry-run as a line: JSON, or its exact name where that fits a line for no terminal."""
    file = (item.source if isinstance(item, Failure) else item).file
    if as_json:
        return f"{json_line({**file_keys(file), **error_keys(item)}, terminal=terminal)}\n".encode()
    if terminal:
        return f"{printable(file)}\n".encode()
    return exact_name(_CONTROL.sub(lambda match: printable(match[0]), file)) + b"\n"
