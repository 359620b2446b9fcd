"""The index of saved features: a line an input, in input order, that says which row is whose."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from resnext.outputs.results.stored import MAX_ROW_BYTES, foreign, is_ok
from resnext.outputs.writers.lines import json_line
from resnext.outputs.writers.rows import file_keys, name_in_row, valid_text
from resnext.records import Answer, Failure


@dataclass(frozen=True, slots=True)
class IndexLine:
    """One whole line at bytes `start` to `end`. `row` is None for an input that failed."""

    start: int
    end: int
    name: bytes
    row: int | None


def index_line(record: Answer | Failure, row: int) -> bytes:
    """The line of one input; `row` is the number of its row if it worked."""
    keys = file_keys(record.source.file)
    if isinstance(record, Failure):
        error = {"code": str(record.code), "message": valid_text(record.message)}
        return (json_line({**keys, "status": "error", "row": None, "error": error}) + "\n").encode()
    return (json_line({**keys, "status": "ok", "row": row, "error": None}) + "\n").encode()


def index_lines(stream: BinaryIO, path: Path, rows: int) -> Iterator[IndexLine]:
    """Give the lines that can be kept when there are `rows` rows: up to the first whose row is not there.

    Raises:
        UsageError: a line was not written by a run, or rows are not in order.
    """
    end = expected = 0
    while (line := stream.readline(MAX_ROW_BYTES)).endswith(b"\n"):
        start, end = end, end + len(line)
        try:
            fields = json.loads(line)
            name, row = name_in_row(fields), fields["row"]
            if is_ok(fields) != (row is not None) or row not in (None, expected):
                raise ValueError("rows out of order")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise foreign(path, f"what is at byte {start}") from error
        if row is not None:
            if expected == rows:
                return
            expected += 1
        yield IndexLine(start, end, name, row)
