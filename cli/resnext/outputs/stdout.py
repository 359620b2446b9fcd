"""stdout as a place for rows."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resnext.errors import OutputError
from resnext.outputs.done import DoneInputs
from resnext.outputs.run_note import Settings


class ReaderGone(Exception):
    """Whoever read stdout has closed it: `resnext … | head -1`. There is nothing left to do, and nothing went wrong."""


class Stdout:
    """stdout, UTF-8 whatever the locale says; a row is one write."""

    def __init__(self, format: str = "jsonl") -> None:
        self.format = format

    def check(self) -> None:
        """Refuse a stdout that was closed before the start (`>&-`).

        Raises:
            OutputError: it was.
        """
        if sys.stdout is None or sys.stdout.closed:
            raise OutputError("stdout is closed; give --output FILE")

    def written_paths(self) -> Iterator[tuple[str, Path]]:
        """No file; see Result."""
        return iter(())

    def prepare(self, settings: Settings | None) -> DoneInputs:
        """Nothing is done before; see ResultFile."""
        return DoneInputs()

    @property
    def is_terminal(self) -> bool:
        """Whether people read along."""
        return sys.stdout is not None and sys.stdout.isatty()

    def open(self) -> bool:
        """Give whether there are no rows yet, which is always so on stdout."""
        return True

    def write(self, data: bytes) -> None:
        """Write one row.

        Raises:
            ReaderGone: nobody reads it any more.
            OutputError: it can't be written.
        """
        with self._errors():
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    def close(self, *, useful: bool = True) -> None:
        return

    def abandon(self) -> None:
        """Lead what is still buffered nowhere: the interpreter's last flush could not write it either."""
        if sys.stdout is not None and not sys.stdout.closed:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError as error:
            raise ReaderGone from error
        except OSError as error:
            raise OutputError(f"stdout: can't write the results: {error.strerror or error}") from error
