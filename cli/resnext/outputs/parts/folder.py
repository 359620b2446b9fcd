"""Where parts go: a folder that all machines see. Whatever comes into it comes whole."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from resnext.errors import OutputError, UsageError

UNFINISHED = ".resnext"
_OURS = re.compile(r"part-\d{5,}\..+|_manifest\.json|_parts|\..+\.resnext")


class PartFolder(Protocol):
    """A folder, of a file system or of a store. All raise OutputError where it can't be read or written."""

    name: str  # as it was asked for, without passwords

    def make(self) -> None:
        """Make the folder, and make sure that it can be written."""

    def names(self, under: str = "") -> Iterator[str]:
        """Give the names of the files and folders in it, or in a folder of it."""

    def read(self, name: str) -> bytes | None:
        """Give the content of a small file; None where there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Put a small file in its place."""

    def put(self, name: str, file: Path) -> None:
        """Put a copy of a local file in its place."""

    def get(self, name: str, target: Path) -> bool:
        """Copy a file of the folder to a local one; gives whether it is there."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""


def foreign(folder: PartFolder) -> str | None:
    """The name of something in the folder that no run has made; None where there is nothing."""
    return next((name for name in folder.names() if not _OURS.fullmatch(name)), None)


class LocalFolder:
    """A folder of a file system, which may be one that many machines share."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self._path = name, path

    def make(self) -> None:
        if self._path.exists() and not self._path.is_dir():
            raise UsageError(f"{self.name}: is a file; the rows of a cluster come in parts, into a folder")
        with self._errors():
            (self._path / "_parts").mkdir(parents=True, exist_ok=True)
            if not os.access(self._path, os.W_OK | os.X_OK):
                raise OutputError(f"{self.name}: can't write the results: no permission to write in this folder")

    def names(self, under: str = "") -> Iterator[str]:
        with self._errors(), suppress(FileNotFoundError), os.scandir(self._path / under) as entries:
            for entry in entries:
                yield entry.name

    def read(self, name: str) -> bytes | None:
        with self._errors():
            try:
                return (self._path / name).read_bytes()
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        with self._placed(name) as new:
            new.write_bytes(content)

    def put(self, name: str, file: Path) -> None:
        with self._placed(name) as new:
            shutil.copyfile(file, new)

    def get(self, name: str, target: Path) -> bool:
        with self._errors():
            try:
                shutil.copyfile(self._path / name, target)
            except FileNotFoundError:
                return False
        return True

    def remove(self, name: str) -> None:
        with self._errors():
            (self._path / name).unlink(missing_ok=True)

    @contextmanager
    def _placed(self, name: str) -> Iterator[Path]:
        """Give a name to write under: two machines may write the same part, one of which was given up."""
        target = self._path / name
        new = target.with_name(f".{target.name}.{os.uname().nodename}-{os.getpid()}{UNFINISHED}")
        with self._errors():
            try:
                yield new
                with new.open("rb+") as written:
                    os.fsync(written.fileno())
                new.replace(target)
            finally:
                new.unlink(missing_ok=True)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"{self.name}: can't write the results: {error.strerror or error}") from error
