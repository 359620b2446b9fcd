"""A result of rows: `--output FILE` of `classify`."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from resnext.disk import write_all
from resnext.errors import UsageError
from resnext.outputs.done import DoneInputs
from resnext.outputs.places import real_path
from resnext.outputs.results.growing_rows import GrowingRows
from resnext.outputs.results.result import Result
from resnext.outputs.results.stored import LINE_FORMATS, StoredRow, stored_rows
from resnext.outputs.results.whole import WHOLE_FORMATS
from resnext.outputs.run_note import RunNote, Settings


class ResultFile(Result):
    """Rows into a file, or into a device or FIFO that is there, which has neither note nor lock."""

    def __init__(self, path: Path, format: str, *, overwrite: bool = False, resume: bool = False) -> None:
        real = real_path(str(path), path)
        self._asked_format = format
        self._whole = WHOLE_FORMATS.get(format)
        # The rows as they are written: those of json and parquet gather as JSON Lines.
        self.format = format if self._whole is None else self._whole.gathered_as
        self._device = real.exists() and not real.is_file() and not real.is_dir()
        if self._device:
            self.format = format
        self._device_descriptor = -1
        in_place = GrowingRows(real, self._rows) if self._whole is None else None
        parts = GrowingRows(real.with_name(f"{real.name}.part"), self._rows)
        super().__init__(str(path), real, None, in_place, parts, overwrite=overwrite, resume=resume)

    @property
    def is_terminal(self) -> bool:
        """Whether people read along: `-o /dev/tty`."""
        return self._device and self.path.is_char_device()

    def check(self) -> None:
        """Refuse an output that can't be, before a model is loaded for it; raises as Result.check."""
        if self.resume and self._asked_format not in (*LINE_FORMATS, *WHOLE_FORMATS):
            raise UsageError(f"--resume can't read a {self._asked_format} back; use {', '.join(RESUMABLE)}")
        if not self._device:
            super().check()
        elif self.resume or (self._whole is not None and self._whole.binary):
            raise UsageError(f"{self.name}: is not a regular file")

    def prepare(self, settings: Settings | None) -> DoneInputs:
        return DoneInputs() if self._device else super().prepare(settings)

    def open(self) -> bool:
        """Create the file, or prepare it for more rows; give whether it has none, not even a header.

        Raises:
            OutputError: it can't be written. What stood there is as it was.
        """
        if not self._device:
            self.begin()
            return self._growing_rows.size == 0
        with self._errors():
            self._device_descriptor = os.open(self.path, os.O_WRONLY)
        return True

    def write(self, data: bytes) -> None:
        """Write one row.

        Raises:
            ReaderGone: it is a FIFO that nobody reads any more.
            OutputError: the disk is full, or whatever else keeps it from its place.
        """
        with self._errors():
            if self._device:
                write_all(self._device_descriptor, data)
            else:
                self._growing_rows.write(data)

    def close(self, *, useful: bool = True) -> None:
        """Every orderly end; raises as Result.end."""
        if not self._device:
            self.end(useful=useful)

    def stored(self) -> Iterator[tuple[bytes, bool]]:
        assert self._whole is not None
        for name, ok, _ in self._whole.rows(self.path):
            yield name, ok

    def logged(self, path: Path) -> Iterator[tuple[bytes, bool]]:
        with path.open("rb") as stream:
            for row in self._rows(stream, path):
                if row.name is not None:
                    yield row.name, row.ok

    def unfold(self, done: DoneInputs) -> None:
        assert self._whole is not None
        self._growing_rows.write(self._whole.head(self.path))
        for name, ok, data in self._whole.rows(self.path):
            if done.add(name, ok=ok):
                self._growing_rows.write(data)

    def understand(self, note: RunNote) -> None:
        """Rows of earlier versions are refused."""

    def finish(self, target: Path) -> None:
        assert self._whole is not None
        self._whole.make(self.parts.paths[0], target)

    @property
    def _growing_rows(self) -> GrowingRows:
        assert isinstance(self.growing, GrowingRows)
        return self.growing

    def _rows(self, stream: BinaryIO, path: Path) -> Iterator[StoredRow]:
        return stored_rows(stream, path, self.format)


RESUMABLE = (*LINE_FORMATS, *WHOLE_FORMATS)
