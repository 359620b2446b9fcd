"""CSV and TSV, as RFC 4180 quotes them, with "\\n" ending the rows.

Names stand as they are: a cell that begins with "=" or "@" is not altered, because the file must be found again from
its row. A spreadsheet that should show such names reads that column as text.
"""

from typing import Any, TextIO

from resnext.console.terminal import printable
from resnext.outputs.writers.rows import TAG_CELLS, OutputConfig, base64_name, row_of, tag_cells
from resnext.records import Classified, Failure

_PER_PREDICTION = ("label", "score", "index", "synset")
_QUOTED_CHARACTERS = frozenset('"\r\n')


class DelimitedWriter:
    """A header, then a row an input: top_k groups of columns, label_1 the best; empty where there is no such class.

    Where tags were asked for, three more columns hold the likeliest. The last one, `file_b64`, holds the name's exact
    bytes where `file` does not: bytes that are not UTF-8, and on a terminal whatever it could obey.
    """

    def __init__(self, stream: TextIO, config: OutputConfig, delimiter: str) -> None:
        self._stream, self._config, self._delimiter = stream, config, delimiter
        self._quoted = _QUOTED_CHARACTERS | {delimiter}

    def begin(self) -> None:
        groups = [f"{name}_{rank}" for rank in range(1, self._config.top_k + 1) for name in _PER_PREDICTION]
        tags = TAG_CELLS if self._config.tags else ()
        self._line(["file", "status", "model", *groups, *tags, "error_code", "error", "file_b64"])

    def write(self, record: Classified | Failure) -> None:
        row = row_of(record, self._config)
        cells: list[Any] = [prediction[name] for prediction in row["predictions"] for name in _PER_PREDICTION]
        cells += [None] * (self._config.top_k * len(_PER_PREDICTION) - len(cells))
        if self._config.tags:
            cells += tag_cells(row).values()
        exact = row["file_b64"]
        if not exact and self._shown(row["file"]) != row["file"]:
            exact = base64_name(record.source.file)
        self._line([row["file"], row["status"], row["model"], *cells, row["error_code"], row["error"], exact])

    def end(self) -> None:
        return

    def _line(self, cells: list[Any]) -> None:
        self._stream.write(self._delimiter.join(self._cell(cell) for cell in cells) + "\n")

    def _cell(self, value: Any) -> str:
        # Not csv.writer: until Python 3.13 it leaves a lone "\r" unquoted, which no reader takes.
        text = "" if value is None else self._shown(value) if isinstance(value, str) else str(value)
        if self._quoted.isdisjoint(text):
            return text
        escaped = text.replace('"', '""')
        return f'"{escaped}"'

    def _shown(self, text: str) -> str:
        return printable(text) if self._config.terminal else text
