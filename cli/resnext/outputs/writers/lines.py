"""JSON Lines, and one JSON array. In pipes and files ASCII only, valid for every parser; on a terminal for people."""

import json
from typing import Any, TextIO

from resnext.console.terminal import printable
from resnext.outputs.writers.rows import OutputConfig, row_of
from resnext.records import Classified, Failure


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
