r"""CSV and TSV, with "\n" ending the rows.

CSV is quoted as RFC 4180 says. TSV has no quotes: a tab is written as \t, a line break as \n or \r, a backslash as \\,
as awk, cut and Miller expect. Names stand as they are: a cell that begins with "=" or "@" is not altered, because the
file must be found again from its row. A spreadsheet that should show such names reads that column as text.
"""

import re
from typing import Any, TextIO

from resnext.console.terminal import printable
from resnext.outputs.writers.rows import TAG_CELLS, OutputConfig, base64_name, row_of, tag_cells
from resnext.records import Classified, Failure

DELIMITERS = {"csv": ",", "tsv": "\t"}
_QUOTED = re.compile('[",\r\n]')
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_UNESCAPED = {escape[1]: char for char, escape in _ESCAPES.items()}
_ESCAPED = str.maketrans(_ESCAPES)
_PER_PREDICTION = ("label", "score", "index", "synset")
_TEXTS_BEFORE, _TEXTS_BEHIND = ("file", "status", "model"), ("error_code", "error", "file_b64")


class DelimitedWriter:
    """A header, then a row an input: top_k groups of columns, label_1 the best; empty where there is no such class.

    In the long form a row a class: its `rank` of so many `classes`; an input without any has one row, 0 `classes`.
    Where tags were asked for, three more columns hold the likeliest. The last column, `file_b64`, holds the name's
    exact bytes where `file` does not: bytes that are not UTF-8, and on a terminal whatever it could obey.
    """

    def __init__(self, stream: TextIO, config: OutputConfig, format: str) -> None:
        self._stream, self._config = stream, config
        self._delimiter = DELIMITERS[format]
        self._cell = _csv_cell if format == "csv" else _tsv_cell

    def begin(self) -> None:
        self._line([*_TEXTS_BEFORE, *self._columns(), *_TEXTS_BEHIND])

    def write(self, record: Classified | Failure) -> None:
        row = row_of(record, self._config)
        if not row["file_b64"] and self._shown(row["file"]) != row["file"]:
            row["file_b64"] = base64_name(record.source.file)
        before, behind = ([row[name] for name in names] for names in (_TEXTS_BEFORE, _TEXTS_BEHIND))
        tags = tag_cells(row).values() if self._config.tags else ()
        for cells in self._long_cells(row) if self._config.long else [self._wide_cells(row)]:
            self._line([*before, *cells, *tags, *behind])

    def end(self) -> None:
        return

    def _columns(self) -> list[str]:
        tags = TAG_CELLS if self._config.tags else ()
        if self._config.long:
            return ["rank", "classes", *_PER_PREDICTION, *tags]
        ranks = range(1, self._config.top_k + 1)
        return [*(f"{name}_{rank}" for rank in ranks for name in _PER_PREDICTION), *tags]

    def _wide_cells(self, row: dict[str, Any]) -> list[Any]:
        cells = [prediction[name] for prediction in row["predictions"] for name in _PER_PREDICTION]
        return cells + [None] * (self._config.top_k * len(_PER_PREDICTION) - len(cells))

    def _long_cells(self, row: dict[str, Any]) -> list[list[Any]]:
        found = row["predictions"]
        cells = [[rank, len(found), *(each[name] for name in _PER_PREDICTION)] for rank, each in enumerate(found, 1)]
        return cells or [[None, 0, *(None for _ in _PER_PREDICTION)]]

    def _line(self, cells: list[Any]) -> None:
        texts = ["" if each is None else self._cell(self._shown(str(each))) for each in cells]
        self._stream.write(self._delimiter.join(texts) + "\n")

    def _shown(self, text: str) -> str:
        return printable(text) if self._config.terminal else text


def _csv_cell(text: str) -> str:
    # Not csv.writer: until Python 3.13 it leaves a lone "\r" unquoted, which no reader takes.
    if _QUOTED.search(text) is None:
        return text
    escaped = text.replace('"', '""')
    return f'"{escaped}"'


def _tsv_cell(text: str) -> str:
    return text.translate(_ESCAPED)


def tsv_cells(line: str) -> list[str]:
    """The texts of one line of TSV, without its end.

    Raises:
        ValueError: it has an escape that is none.
    """

    def text(match: re.Match[str]) -> str:
        if match[1] not in _UNESCAPED:
            raise ValueError(f"no escape: {match[0]}")
        return _UNESCAPED[match[1]]

    return [re.sub(r"\\(.?)", text, cell, flags=re.DOTALL) for cell in line.split("\t")]
