"""A result file: begun, gone on with after any interruption, and whole or as it was after every failure.

Beside `FILE` stands its note, `FILE.run.json`. Rows go straight into a new file. Where an old file is to be replaced,
and where the format is made of all rows at once (json, parquet: their rows gather as JSON Lines), they go into
`FILE.part`, with a note of its own, and `FILE` comes into its place at the end of the run, whole. The order of the
steps is such that a kill between any two of them leaves something that `--resume` understands:

    begin   FILE.part, then its note              a part without a note is rubbish
    end     FILE, then its note, then no part     a note without a part belongs to a FILE that is in place already
"""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from resnext.errors import OutputError, UsageError
from resnext.outputs.done import DoneInputs, Spans
from resnext.outputs.places import check_folder, lock
from resnext.outputs.results.stored import LINE_FORMATS, stored_rows
from resnext.outputs.results.whole import FINISHERS, whole_file_rows
from resnext.outputs.run_note import Settings, check_sidecar, sidecar_of, write_sidecar
from resnext.outputs.stdout import ReaderGone
from resnext.outputs.writers import WHOLE_FORMATS
from resnext.outputs.writers.lines import json_line

_COPY_BYTES = 1 << 20
_READ_WRITE = os.O_RDWR | getattr(os, "O_BINARY", 0)


class ResultFile:
    """One `--output FILE`. Call `check`, `prepare`, `open`, then `write`; at the end `close` or `abandon`."""

    def __init__(self, path: Path, format: str, *, overwrite: bool = False, resume: bool = False) -> None:
        self._name = str(path)
        # A link stays a link, to the new file. What is no file keeps its name: /dev/stdout has no other one.
        self.path = path if path.exists() and not path.is_file() else Path(os.path.realpath(path))
        self._overwrite, self._resume = overwrite, resume
        self._whole = format if format in WHOLE_FORMATS else None
        self._format = format
        self._part = self.path.with_name(f"{self.path.name}.part")
        self._working = self.path
        self._settings = Settings("", {})
        self._descriptor = -1
        self._good = 0  # bytes of whole rows
        self._empty = True
        # What resuming found in the working file.
        self._found: BinaryIO | None = None
        self._keep = Spans()
        self._compact = False

    @property
    def is_terminal(self) -> bool:
        """Whether people read along: `-o /dev/tty`."""
        return self._is_device() and self.path.is_char_device()

    @property
    def format(self) -> str:
        """The format of the rows as they are written: those of json and parquet gather as JSON Lines."""
        return "jsonl" if self._whole and not self._is_device() else self._format

    # -- before the run ----------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Refuse an output that can't be, before a model is loaded for it.

        Raises:
            UsageError: the file exists and nothing was said of that, or it can't be gone on with.
            OutputError: its folder does not exist or can't be written.
        """
        if self._resume and self._format not in (*LINE_FORMATS, *WHOLE_FORMATS):
            raise UsageError(f"--resume can't read a {self._format} back; use jsonl, csv, tsv, json or parquet")
        if self.path.is_dir():
            raise UsageError(f"{self._name}: is a folder; name a file in it")
        if self._is_device():
            if self._resume or self._format == "parquet":
                raise UsageError(f"{self._name}: is not a regular file")
            return
        if self.path.exists():
            if not (self._overwrite or self._resume):
                raise UsageError(f"{self._name}: exists already; give --resume, --overwrite, or another name")
            if not os.access(self.path, os.W_OK | os.R_OK):
                raise OutputError(f"{self._name}: can't write the results: no permission")
        elif self._unfinished() and not (self._overwrite or self._resume):
            raise UsageError(f"{self._part}: holds the rows of an unfinished run; give --resume or --overwrite")
        check_folder(self._name, self.path)

    def prepare(self, settings: Settings | None) -> DoneInputs:
        """Give the inputs that are done already: none, or with `resume` those of the file. Nothing is changed yet.

        Without `settings` it is not asked whether they are those of the file: for a look, not for a run.

        Raises:
            UsageError: it was made with other settings, or not by us.
            OutputError: it can't be read, or another run is writing it.
        """
        if settings is not None:
            self._settings = settings
        done = DoneInputs()
        if not self._resume:
            return done
        with self._errors():
            if self._unfinished():
                if settings is not None:
                    check_sidecar(self._part, settings)
                self._read_back(self._part, done)
            elif sidecar_of(self._part).exists() and not self._part.exists():
                sidecar_of(self._part).replace(sidecar_of(self.path))  # the last step of a run that was killed there
            if self._found is None and self.path.exists():
                if settings is not None:
                    check_sidecar(self.path, settings)
                if self._whole:
                    for name, ok, _ in whole_file_rows(self.path, self._whole):
                        if ok:
                            done.add(name)
                else:
                    self._read_back(self.path, done)
        return done

    def _read_back(self, path: Path, done: DoneInputs) -> None:
        self._working = path
        self._found = path.open("r+b")
        try:
            lock(self._name, self._found.fileno())
            for row in stored_rows(self._found, path, self.format):
                if row.name is not None and row.ok:
                    done.add(row.name)
                if row.name is None or row.ok:
                    self._keep.add(row.start, row.end)
                    self._good += row.end - row.start
                else:
                    self._compact = True
        except BaseException:
            self._release()
            raise

    # -- the run -----------------------------------------------------------------------------------------------------

    def open(self) -> bool:
        """Begin the file, or make it ready for more rows; gives whether it has none, not even a header.

        Raises:
            OutputError: it can't be written. What stood there is as it was.
        """
        with self._errors():
            if self._is_device():
                self._descriptor = os.open(self.path, os.O_WRONLY)
                return True
            if self._found is not None:
                self._go_on(self._found)
            elif self.path.exists() or self._whole:
                self._begin_part()
            else:
                write_sidecar(self.path, self._settings)
                self._descriptor = os.open(self.path, _READ_WRITE | os.O_CREAT | os.O_EXCL, 0o666)
                lock(self._name, self._descriptor)
        self._empty = self._good == 0
        return self._empty

    def write(self, data: bytes) -> None:
        """Write one row.

        Raises:
            ReaderGone: it is a FIFO that nobody reads any more.
            OutputError: the disk is full, or whatever else keeps it from its place.
        """
        with self._errors():
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        self._good += len(data)

    def close(self, *, useful: bool = True) -> None:
        """Every orderly end: the rows that there are become the result. A run that is not `useful` changes nothing.

        Raises:
            OutputError: it can't be written. What stood there is as it was.
        """
        with self._errors():
            self._trim()
            if not self._is_device():
                os.fsync(self._descriptor)
            begun_here = self._found is None
            self._release()
            if self._working == self._part:
                if useful:
                    self._put_in_place()
                elif begun_here:
                    sidecar_of(self._part).unlink()
                    self._part.unlink()

    def abandon(self) -> None:
        """The end of a run whose output failed: whole rows stay where they are; an old file is as it was."""
        with suppress(OSError):
            self._trim()
        self._release()

    # -- steps -------------------------------------------------------------------------------------------------------

    def _go_on(self, found: BinaryIO) -> None:
        """Leave out the failures, which are done again, and a row that was cut off."""
        if not self._compact:
            self._descriptor = os.dup(found.fileno())
            os.ftruncate(self._descriptor, self._good)
            os.lseek(self._descriptor, self._good, os.SEEK_SET)
            return
        kept = self._working.with_name(f"{self._working.name}.new")
        with kept.open("w+b") as file:
            lock(self._name, file.fileno())
            for start, end in self._keep:
                found.seek(start)
                while start < end:
                    chunk = found.read(min(_COPY_BYTES, end - start))
                    file.write(chunk)
                    start += len(chunk)
            file.flush()
            os.fsync(file.fileno())
            shutil.copymode(self._working, kept)
            kept.replace(self._working)
            self._descriptor = os.dup(file.fileno())

    def _begin_part(self) -> None:
        self._working = self._part
        sidecar_of(self._part).unlink(missing_ok=True)
        self._descriptor = os.open(self._part, _READ_WRITE | os.O_CREAT, 0o666)
        lock(self._name, self._descriptor)
        os.ftruncate(self._descriptor, 0)
        if self.path.exists():
            shutil.copymode(self.path, self._part)
            if self._resume and self._whole:
                for _, ok, row in whole_file_rows(self.path, self._whole):
                    if ok:
                        self.write((json_line(row) + "\n").encode())
        write_sidecar(self._part, self._settings)

    def _put_in_place(self) -> None:
        if self._whole is None:
            self._part.replace(self.path)
        else:
            new = self.path.with_name(f"{self.path.name}.new")
            try:
                FINISHERS[self._whole](self._part, new)
                shutil.copymode(self._part, new)
                new.replace(self.path)
            except OSError:
                new.unlink(missing_ok=True)
                raise
        sidecar_of(self._part).replace(sidecar_of(self.path))
        self._part.unlink(missing_ok=True)

    def _trim(self) -> None:
        """Cut off what was written of a row that is not whole."""
        if self._descriptor >= 0 and not self._is_device() and os.fstat(self._descriptor).st_size > self._good:
            os.ftruncate(self._descriptor, self._good)

    def _release(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        with suppress(OSError):
            if descriptor >= 0:
                os.close(descriptor)
        found, self._found = self._found, None
        if found is not None:
            found.close()

    def _unfinished(self) -> bool:
        return self._part.exists() and sidecar_of(self._part).exists()

    def _is_device(self) -> bool:
        """Whether rows go into something that is there and is no regular file: /dev/null, a FIFO."""
        try:
            return not stat.S_ISREG(self.path.stat().st_mode)
        except OSError:
            return False

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError as error:
            raise ReaderGone from error
        except OSError as error:
            message = f"{self._name}: can't write the results: {error.strerror or error}"
            if self._working == self._part and self._unfinished():
                message += f"; the rows so far are in {self._part.name}, --resume goes on with them"
            raise OutputError(message) from error
