"""Records -> text of output: one writer a format, all of them in WRITERS. Every record is one row, failures too."""

from collections.abc import Callable
from pathlib import PurePath
from typing import Protocol, TextIO

from resnext.errors import UsageError
from resnext.records import Classified, Failure
from resnext.writers.delimited import DelimitedWriter
from resnext.writers.lines import JsonArrayWriter, JsonLinesWriter
from resnext.writers.rows import LabelType, OutputConfig
from resnext.writers.table import TableWriter
from resnext.writers.template import TemplateWriter

__all__ = ["FORMATS", "WHOLE_FORMATS", "WRITERS", "LabelType", "OutputConfig", "Writer", "format_for"]


class Writer(Protocol):
    """Writes one record at a time; nothing is kept back."""

    def begin(self) -> None:
        """What stands before the first row; left out where rows are added to a file that has some."""

    def write(self, record: Classified | Failure) -> None: ...

    def end(self) -> None:
        """What stands after the last row, on every orderly end of a run, Ctrl-C included."""


WRITERS: dict[str, Callable[[TextIO, OutputConfig], Writer]] = {
    "table": TableWriter,
    "jsonl": JsonLinesWriter,
    "json": JsonArrayWriter,
    "csv": lambda stream, config: DelimitedWriter(stream, config, ","),
    "tsv": lambda stream, config: DelimitedWriter(stream, config, "\t"),
    "template": TemplateWriter,
}
# A file of these is made of all its rows at once; until then they gather as JSON Lines.
WHOLE_FORMATS = ("json", "parquet")
# What --format takes; a template is asked for by its own option.
FORMATS = ("table", "jsonl", "json", "csv", "tsv", "parquet")
_SUFFIXES = {
    **{".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv", ".tab": "tsv"},
    **{".parquet": "parquet", ".txt": "table"},
}


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
