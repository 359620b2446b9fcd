"""Where rows go: stdout or a file. Each row is handed on at once; a reader that has gone ends the run quietly."""

import io
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from resnext.errors import OutputError, ResnextError, UsageError
from resnext.outputs.done import DoneInputs
from resnext.outputs.run_note import Settings
from resnext.outputs.stdout import ReaderGone, Stdout
from resnext.outputs.writers import CAN_BE_PACKED, DELIMITED, FORMATS, PACKED, Writer, format_for
from resnext.records import Answer, Failure, Features

if TYPE_CHECKING:
    from resnext.outputs.results.result_file import ResultFile

__all__ = [
    "DoneInputs",
    "Output",
    "OutputRequest",
    "ReaderGone",
    "Settings",
    "Stdout",
    "check_output",
    "choose_format",
    "terminal_width",
]


class OutputRequest(NamedTuple):
    """What was asked of the rows. `path` None is stdout."""

    path: Path | None
    format: str
    template: str = ""
    tags: bool = False
    overwrite: bool = False
    resume: bool = False
    long: bool = False

    @property
    def resumable(self) -> Path | None:
        """The file that --resume continues; None for stdout, and for formats that are not read back."""
        return self.path if self.format not in ("table", "template") else None

    def target(self) -> "ResultFile | Stdout":
        """The place for the rows; nothing is opened yet."""
        if self.path is None:
            return Stdout(self.format)
        from resnext.outputs.results.result_file import ResultFile

        return ResultFile(self.path, self.format, overwrite=self.overwrite, resume=self.resume)


def choose_format(explicit: str | None, *, json: bool, template: str | None, output: Path | None) -> str:
    """The one that was asked for, else the ending of `--output`, else a table on a terminal and jsonl in a pipe.

    Raises:
        UsageError: there is no such format, or two of them were asked for.
    """
    if explicit is not None and explicit not in FORMATS:
        raise UsageError(f"--format {explicit}: not one of {', '.join(FORMATS)}")
    if json and explicit not in (None, "jsonl"):
        raise UsageError(f"--json and --format {explicit} contradict each other")
    if template is not None and (json or explicit is not None):
        raise UsageError(f"--template and {'--json' if json else '--format'} contradict each other")
    if template is not None:
        return "template"
    if json or explicit is not None:
        format = explicit or "jsonl"
        packed = output is not None and output.name.lower().endswith(PACKED) and format in CAN_BE_PACKED
        return f"{format}{PACKED}" if packed else format
    if output is not None:
        return format_for(str(output))
    return "table" if sys.stdout is not None and sys.stdout.isatty() else "jsonl"


def check_output(request: OutputRequest) -> Iterator[tuple[str, Path]]:
    """Refuse an output that can't be written, before a model is loaded; give what will be written, and where.

    Raises:
        UsageError: options that contradict each other; a file that exists.
        OutputError: a file that can't be written; a package that is not installed.
    """
    if request.resume and request.path is None:
        raise UsageError("--resume goes on with a file: --output FILE")
    if request.resume and request.overwrite:
        raise UsageError("--resume and --overwrite contradict each other")
    if request.long and request.format.removesuffix(PACKED) not in DELIMITED:
        raise UsageError("--long is a form of csv and tsv: --format csv, or --output NAME.csv")
    if request.format == "template":
        from resnext.outputs.writers.template import parse_template

        parse_template(request.template, tags=request.tags)
    if request.format == "parquet":
        if request.path is None:
            raise UsageError("--format parquet needs a file: --output FILE")
        from resnext.outputs.writers.parquet import require_parquet

        require_parquet()
    target = request.target()
    target.check()
    return target.written_paths()


class Output:
    """The open stream of rows. Each row is handed on at once; what was written stays, however the run ends."""

    def __init__(self, target: "ResultFile | Stdout", make_writer: Callable[[TextIO], Writer]) -> None:
        self._target = target
        self._text = io.StringIO(newline="")
        self._writer = make_writer(self._text)
        self._wrote = False

    def __enter__(self) -> "Output":
        """Open the target and write what comes before the first row.

        Raises:
            ReaderGone, OutputError: as `write`.
        """
        if self._target.open():
            self._writer.begin()
            self._hand_on()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Every end but a failing output is an orderly one: the rows that there are become the result."""
        # An interrupt and a refusal to go on are orderly; a fault of ours and an output that fails or has gone are not.
        unexpected = isinstance(error, Exception) and not isinstance(error, ResnextError)
        if unexpected or isinstance(error, OutputError):
            self._target.abandon()
            return
        try:
            self._text.seek(0)
            self._text.truncate()  # an interrupt may have left a part of a row here
            self._writer.end()
            self._hand_on()
            self._target.close(useful=error is None or self._wrote)
        except (ReaderGone, OutputError):
            self._target.abandon()
            raise

    def write(self, record: Answer | Failure) -> None:
        """Write and flush one row.

        Raises:
            ReaderGone: stdout is a pipe that nobody reads any more.
            OutputError: the disk is full, or whatever else keeps the row from its place.
        """
        assert not isinstance(record, Features), "features are no text"
        self._writer.write(record)
        self._hand_on()
        self._wrote = True

    def _hand_on(self) -> None:
        text = self._text.getvalue()
        if text:
            self._text.seek(0)
            self._text.truncate()
            # No error on what UTF-8 can't carry: rows hold none, tables and templates hold users' own text.
            self._target.write(text.encode(errors="backslashreplace"))


def terminal_width() -> int:
    """Columns of the terminal, COLUMNS first; 80 where there is none."""
    return max(20, shutil.get_terminal_size((80, 24)).columns)
