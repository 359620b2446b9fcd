"""The index of saved features: a line an input, in input order, that says which row is whose."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from resnext.outputs.results.stored import MAX_ROW_BYTES, StoredRow, foreign, is_ok
from resnext.outputs.writers.lines import json_line
from resnext.outputs.writers.rows import error_keys, file_keys, name_in_row
from resnext.records import Answer, Failure


@dataclass(frozen=True, slots=True)
class IndexLine:
    """One whole line at bytes `start` to `end`. `row` is None for an input that failed."""

    start: int
    end: int
    name: bytes
    row: int | None


def index_rows(stream: BinaryIO, path: Path) -> Iterator[StoredRow]:
    """Give the lines as rows of a file, whatever array they belong to; raises as `index_lines`."""
    for line in index_lines(stream, path, sys.maxsize):
        yield StoredRow(line.start, line.end, line.name, line.row is not None)


def index_line(record: Answer | Failure, row: int) -> bytes:
    """The line of one input; `row` is the number of its row if it worked."""
    failed = isinstance(record, Failure)
    outcome = {"status": "error" if failed else "ok", "row": None if failed else row}
    return (json_line({**file_keys(record.source.file), **outcome, **error_keys(record)}) + "\n").encode()


def of_today(line: bytes) -> bytes:
    """A line of the first version of the index as one of today."""
    fields = json.loads(line)
    error = fields.get("error") or {"code": "", "message": ""}
    texts = {"error_code": error["code"], "error": error["message"]}
    first = {"file": fields["file"], "file_b64": fields.get("file_b64", "")}
    return (json_line({**first, "status": fields["status"], "row": fields["row"], **texts}) + "\n").encode()


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
