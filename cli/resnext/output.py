"""Where rows go: stdout or a file. Each row is handed on at once; a reader that has gone ends the run quietly."""

import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TextIO

from resnext.errors import OutputError, UsageError
from resnext.records import Classified, Failure
from resnext.writers import Writer, format_for


def choose_format(explicit: str | None, output: Path | None) -> str:
    """`--format`, else the ending of `--output`, else a table on a terminal and JSON Lines in a pipe."""
    if explicit is not None:
        return explicit
    if output is not None:
        return format_for(str(output))
    return "table" if sys.stdout.isatty() else "jsonl"


class ReaderGone(Exception):
    """Whoever read stdout has closed it: `resnext … | head -1`. There is nothing left to do, and nothing went wrong."""


def check_output(output: Path | None, overwrite: bool) -> None:
    """Refuse an output that can't be, before a model is loaded for it.

    Raises:
        UsageError: the file exists and `overwrite` was not given.
        OutputError: its folder does not exist or can't be written.
    """
    if output is None:
        return
    if output.is_dir():
        raise UsageError(f"{output}: is a folder; name a file in it")
    if os.path.lexists(output):
        if not overwrite:
            raise UsageError(f"{output}: exists already; give --overwrite, or another name")
        if not os.access(output, os.W_OK):
            raise OutputError(f"{output}: can't write the results: no permission")
    elif not output.parent.is_dir():
        raise OutputError(f"{output}: can't write the results: its folder does not exist")
    elif not os.access(output.parent, os.W_OK):
        raise OutputError(f"{output}: can't write the results: no permission to write in its folder")


class Output:
    """The open stream of rows. Each row is handed on at once; what was written stays, however the run ends."""

    def __init__(self, output: Path | None, overwrite: bool, make_writer: Callable[[TextIO], Writer]) -> None:
        self._name = str(output) if output is not None else "stdout"
        with self._errors():
            if output is None:
                self._stream: TextIO = _stdout()
            else:
                mode: Literal["w", "x"] = "w" if overwrite else "x"
                self._stream = output.open(mode, encoding="utf-8", errors="backslashreplace", newline="")
            self._writer = make_writer(self._stream)

    def __enter__(self) -> "Output":
        return self

    def __exit__(self, *exception: object) -> None:
        with self._errors():
            if self._stream is sys.stdout:
                self._stream.flush()
            else:
                self._stream.close()

    def write(self, record: Classified | Failure) -> None:
        """Write and flush one row.

        Raises:
            ReaderGone: stdout is a pipe that nobody reads any more.
            OutputError: the disk is full, or whatever else keeps the row from its place.
        """
        with self._errors():
            self._writer.write(record)
            self._stream.flush()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError as error:
            _silence_stdout()
            raise ReaderGone from error
        except OSError as error:
            _silence_stdout()
            raise OutputError(f"{self._name}: can't write the results: {error.strerror or error}") from error


def terminal_width() -> int:
    """Columns of the terminal, COLUMNS first; 80 where there is none."""
    return max(40, shutil.get_terminal_size((80, 24)).columns)


def _stdout() -> TextIO:
    if sys.stdout is None or sys.stdout.closed:
        raise OutputError("stdout is closed; give --output FILE")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # UTF-8 whatever the locale says, and no error on a name that UTF-8 can't carry.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="")
    return sys.stdout


def _silence_stdout() -> None:
    """What is still buffered can't be written either: let the interpreter's last flush end in nothing."""
    if sys.stdout is not None and not sys.stdout.closed:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
