"""Records -> text of output: one writer a format, all of them in WRITERS. Every record is one row, failures too."""

from collections.abc import Callable
from pathlib import PurePath
from typing import Protocol, TextIO

from resnext.errors import UsageError
from resnext.outputs.writers.rows import OutputConfig
from resnext.records import Classified, Failure

__all__ = [
    "CAN_BE_PACKED",
    "DELIMITED",
    "FORMATS",
    "PACKED",
    "WRITERS",
    "LabelType",
    "OutputConfig",
    "Writer",
    "format_for",
]


class Writer(Protocol):
    """Writes one record at a time; nothing is kept back."""

    def begin(self) -> None:
        """Write what comes before the first row; not called where rows are added to a file that has some."""

    def write(self, record: Classified | Failure) -> None: ...

    def end(self) -> None:
        """Write what comes after the last row; called at every orderly end of a run, also after Ctrl-C."""


def _table(stream: TextIO, config: OutputConfig) -> Writer:
    from resnext.outputs.writers.table import TableWriter

    return TableWriter(stream, config)


def _json_lines(stream: TextIO, config: OutputConfig) -> Writer:
    from resnext.outputs.writers.lines import JsonLinesWriter

    return JsonLinesWriter(stream, config)


def _json_array(stream: TextIO, config: OutputConfig) -> Writer:
    from resnext.outputs.writers.lines import JsonArrayWriter

    return JsonArrayWriter(stream, config)


def _delimited(stream: TextIO, config: OutputConfig, format: str) -> Writer:
    from resnext.outputs.writers.delimited import DelimitedWriter

    return DelimitedWriter(stream, config, format)


def _template(stream: TextIO, config: OutputConfig) -> Writer:
    from resnext.outputs.writers.template import TemplateWriter

    return TemplateWriter(stream, config)


# A run imports the one that it writes with.
WRITERS: dict[str, Callable[[TextIO, OutputConfig], Writer]] = {
    "table": _table,
    "jsonl": _json_lines,
    "json": _json_array,
    "csv": lambda stream, config: _delimited(stream, config, "csv"),
    "tsv": lambda stream, config: _delimited(stream, config, "tsv"),
    "template": _template,
}
# What --format takes; a template is asked for by its own option.
FORMATS = ("table", "jsonl", "json", "csv", "tsv", "parquet")
# Packed by the ending of a file, on top of its format.
PACKED = ".gz"
DELIMITED = ("csv", "tsv")
CAN_BE_PACKED = ("jsonl", *DELIMITED)
_SUFFIXES = {
    **{".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv", ".tab": "tsv"},
    **{".parquet": "parquet", ".txt": "table"},
}


def format_for(path: str) -> str:
    """The format that a file's ending asks for.

    Raises:
        UsageError: none does.
    """
    name = PurePath(path).name.lower()
    packed = name.endswith(PACKED)
    format = _SUFFIXES.get(PurePath(name.removesuffix(PACKED)).suffix)
    if format is None or (packed and format not in CAN_BE_PACKED):
        endings = ", ".join(_SUFFIXES)
        raise UsageError(f"{path}: the ending names no format; use one of {endings}, .jsonl.gz, .csv.gz, or --format")
    return f"{format}{PACKED}" if packed else format
