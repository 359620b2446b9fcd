"""Records -> bytes of output: one writer a format, all of them in WRITERS. Every record is one row, failures too."""

import base64
import csv
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, Protocol, TextIO

from resnext.errors import UsageError
from resnext.records import Classified, Failure, Label, Prediction
from resnext.terminal import printable

if TYPE_CHECKING:
    from rich.table import Table

LabelType = Literal["name", "description", "detailed"]
_SCORE_DIGITS = 6  # float32 holds no more
_FILE_SHARE = 0.4  # of the terminal's width, at most


@dataclass(frozen=True, slots=True)
class OutputConfig:
    """What stands in every row. `color` and `width` (columns) concern the table alone."""

    model: str
    top_k: int
    label_type: LabelType = "name"
    color: bool = False
    width: int = 80


class Writer(Protocol):
    """Writes one record at a time; nothing is kept back."""

    def write(self, record: Classified | Failure) -> None: ...


class JsonLinesWriter:
    """One JSON object a line, ASCII only: valid for every parser, and harmless on a terminal."""

    def __init__(self, stream: TextIO, config: OutputConfig) -> None:
        self._stream, self._config = stream, config

    def write(self, record: Classified | Failure) -> None:
        self._stream.write(json.dumps(row_of(record, self._config)) + "\n")


class DelimitedWriter:
    """CSV or TSV with a header: top_k groups of columns, label_1 the best; empty where there is no such class."""

    _PER_PREDICTION = ("label", "score", "index", "synset")

    def __init__(self, stream: TextIO, config: OutputConfig, delimiter: str) -> None:
        self._config = config
        self._csv = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        self._header_due = True

    def write(self, record: Classified | Failure) -> None:
        if self._header_due:
            self._header_due = False
            groups = [f"{name}_{rank}" for rank in range(1, self._config.top_k + 1) for name in self._PER_PREDICTION]
            self._csv.writerow(["file", "status", "model", *groups, "error_code", "error"])
        row = row_of(record, self._config)
        cells: list[Any] = [prediction[name] for prediction in row["predictions"] for name in self._PER_PREDICTION]
        cells += [None] * (self._config.top_k * len(self._PER_PREDICTION) - len(cells))
        error = row["error"] or {"code": None, "message": None}
        self._csv.writerow([row["file"], row["status"], row["model"], *cells, error["code"], error["message"]])


class TableWriter:
    """For people: a photo's classes with their probabilities, in columns that fit the terminal; rows as they come."""

    def __init__(self, stream: TextIO, config: OutputConfig) -> None:
        from rich.console import Console

        self._config = config
        self._file_width = max(12, int(config.width * _FILE_SHARE) - 2)
        self._console = Console(
            file=stream,
            width=config.width,
            force_terminal=config.color,
            no_color=not config.color,
            color_system="standard" if config.color else None,
            highlight=False,
            emoji=False,
            markup=False,
        )
        self._header_due = True

    def write(self, record: Classified | Failure) -> None:
        table = self._table(show_header=self._header_due)
        self._header_due = False
        file = self._fitted(printable(record.source.file))
        if isinstance(record, Failure):
            table.add_row(file, self._styled(f"{record.code}: {printable(record.message)}", "red"), "")
        elif not record.predictions:
            table.add_row(file, self._styled("no class reaches the threshold", "dim"), "")
        else:
            for rank, prediction in enumerate(record.predictions):
                style = "bold" if rank == 0 else ""
                label = printable(label_text(prediction.label, self._config.label_type))
                table.add_row(file if rank == 0 else "", self._styled(label, style), f"{prediction.score:.1%}")
        self._console.print(table)

    def _table(self, show_header: bool) -> "Table":
        from rich.table import Table

        # Fixed widths, so that tables printed one after another stand in line.
        score_width = 6
        label_width = max(12, self._config.width - self._file_width - score_width - 4)
        table = Table(box=None, show_header=show_header, padding=(0, 2, 0, 0), pad_edge=False)
        table.add_column("file", width=self._file_width, overflow="fold")
        table.add_column("label", width=label_width, overflow="fold")
        table.add_column("score", width=score_width, justify="right")
        return table

    def _fitted(self, file: str) -> str:
        """The end of a path that is too long for its column: the name is there, the folders are known."""
        from rich.cells import cell_len

        if cell_len(file) <= self._file_width:
            return file
        while cell_len(file) >= self._file_width:
            file = file[1:]
        return f"…{file}"

    @staticmethod
    def _styled(text: str, style: str) -> Any:
        from rich.text import Text

        return Text(text, style=style)


WRITERS: dict[str, Callable[[TextIO, OutputConfig], Writer]] = {
    "table": TableWriter,
    "jsonl": JsonLinesWriter,
    "csv": lambda stream, config: DelimitedWriter(stream, config, ","),
    "tsv": lambda stream, config: DelimitedWriter(stream, config, "\t"),
}
_SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".txt": "table"}


def format_for(path: str) -> str:
    """The format that a file's ending asks for.

    Raises:
        UsageError: none does.
    """
    suffix = PurePath(path).suffix.lower()
    if suffix not in _SUFFIXES:
        endings = ", ".join(_SUFFIXES)
        raise UsageError(f"{path}: the ending names no format; use one of {endings}, or give --format")
    return _SUFFIXES[suffix]


def row_of(record: Classified | Failure, config: OutputConfig) -> dict[str, Any]:
    """The row of a record with the keys of the contract; scripts depend on it."""
    row: dict[str, Any] = {**_file_keys(record.source.file), "status": "ok", "model": config.model}
    if isinstance(record, Failure):
        error = {"code": str(record.code), "message": record.message}
        return {**row, "status": "error", "predictions": [], "error": error}
    return {**row, "predictions": [_prediction_row(each, config) for each in record.predictions], "error": None}


def label_text(label: Label, label_type: LabelType) -> str:
    """The label as asked for: the first name, all synonyms, or those with the definition."""
    if label_type == "name":
        return label.name
    if label_type == "description" or not label.definition:
        return label.description
    return f"{label.description}: {label.definition}"


def _prediction_row(prediction: Prediction, config: OutputConfig) -> dict[str, Any]:
    label = prediction.label
    return {
        "label": label_text(label, config.label_type),
        "score": round(prediction.score, _SCORE_DIGITS),
        "index": label.index,
        "synset": label.synset,
    }


def _file_keys(file: str) -> dict[str, str]:
    r"""`file`, and where its bytes are no UTF-8 also `file_b64`: those bytes, which JSON can't carry as they are.

    `file` then shows each such byte as \xNN.
    """
    try:
        file.encode()
    except UnicodeEncodeError:
        return {"file": printable(file), "file_b64": base64.b64encode(os.fsencode(file)).decode()}
    return {"file": file}
