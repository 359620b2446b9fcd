"""JSON Lines, and one JSON array. ASCII only: valid for every parser, and harmless on a terminal."""

import json
from typing import Any, TextIO

from resnext.outputs.writers.rows import OutputConfig, row_of
from resnext.records import Classified, Failure


def json_line(row: dict[str, Any]) -> str:
    """A row as one line of JSON Lines, without its end."""
    return json.dumps(row, allow_nan=False)


class JsonLinesWriter:
    """One JSON object a line."""

    def __init__(self, stream: TextIO, config: OutputConfig) -> None:
        self._stream, self._config = stream, config

    def begin(self) -> None:
        return

    def write(self, record: Classified | Failure) -> None:
        self._stream.write(json_line(row_of(record, self._config)) + "\n")

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
        self._stream.write(self._separator + json_line(row_of(record, self._config)))
        self._separator = ARRAY_SEPARATOR

    def end(self) -> None:
        self._stream.write(ARRAY_END)
