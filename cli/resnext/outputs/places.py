"""Files of results: locked against other runs, written and replaced whole, none in another's place."""

import os
import stat
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from resnext.disk import BINARY, write_all, write_in_place
from resnext.errors import OutputError, UsageError

if sys.platform != "win32":  # there two runs on one file are not told apart
    import fcntl

_READ_WRITE = os.O_RDWR | BINARY


def check_folder(name: str, path: Path) -> None:
    """Refuse a file whose folder is not there or can't be written, or whose name leaves no room for its note.

    Raises:
        OutputError: that is so.
    """
    if not path.parent.is_dir():
        raise OutputError(f"{name}: can't write the results: its folder does not exist")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"{name}: can't write the results: no permission to write in its folder")
    longest = temporary_of(path.with_name(f"{path.name}.part.run.json"))
    try:
        os.lstat(longest)
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"{name[:80]}...: can't write the results: {error.strerror}; give a shorter name") from error


def real_path(name: str, path: Path) -> Path:
    """Follow links, so that a link stays a link, to the new file. What is no file keeps its name: /dev/stdout.

    Raises:
        OutputError: the working folder is gone, or a name is too long.
    """
    try:
        return path if path.exists() and not path.is_file() else Path(os.path.realpath(path))
    except FileNotFoundError as error:
        raise OutputError(
            f"{name[:80]}: can't write the results: the folder that this was started in is gone"
        ) from error
    except OSError as error:
        raise OutputError(f"{name[:80]}: can't write the results: {error.strerror or error}") from error


def check_apart(written: Iterable[tuple[str, Path]]) -> None:
    """Refuse two files of one run that are the same file, also through links. A pair is what it is, and its path.

    Raises:
        UsageError: two are.
    """
    found: dict[object, str] = {}
    for what, path in written:
        try:
            status = path.stat()
        except OSError:
            keys: list[object] = [os.path.realpath(path)]
        else:
            if not stat.S_ISREG(status.st_mode):
                continue  # a terminal or /dev/null takes both
            keys = [os.path.realpath(path), (status.st_dev, status.st_ino)]
        for key in keys:
            other = found.setdefault(key, what)
            if other != what:
                raise UsageError(f"{path}: is both {other} and {what}; give one of them another name")


def temporary_of(path: Path) -> Path:
    """The name under which a file is written before it is moved to its place; only we use it."""
    return path.with_name(f".{path.name}.resnext")


def replace_file(path: Path, content: bytes) -> None:
    """Write a small file whole or not at all: beside its place, then moved there.

    Raises:
        OSError: it can't be written; what stood there is as it was.
    """
    os.close(_replaced(path, lambda descriptor: write_all(descriptor, content)))


def _replaced(path: Path, write: Callable[[int], None]) -> int:
    """Put a new file in a place under the one name that we give: what a killed run left is taken over by the next."""
    temporary = temporary_of(path)
    temporary.unlink(missing_ok=True)
    return write_in_place(path, write, temporary)


class HeldFiles:
    """The files that a run has open, each locked against other runs and open once: a second lock would meet the first.

    A file system that can't lock is written without.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._descriptors: dict[Path, int] = {}

    def take(self, path: Path) -> bool:
        """Open and lock a file; give whether it is there.

        Raises:
            OutputError: another run has it.
            OSError: it can't be opened for writing.
        """
        while path not in self._descriptors:
            try:
                self._hold(path, os.open(path, _READ_WRITE))
            except FileNotFoundError:
                return False
            with suppress(OSError):
                if os.path.samestat(os.fstat(self._descriptors[path]), path.stat()):
                    break
            self.drop(path)  # replaced between opening and locking
        return True

    def descriptor(self, path: Path) -> int:
        """The descriptor of a file that is held, or of a new one.

        Raises:
            OutputError: another run has made it meanwhile.
        """
        if path not in self._descriptors:
            try:
                self._hold(path, os.open(path, _READ_WRITE | os.O_CREAT | os.O_EXCL, 0o666))
            except FileExistsError as error:
                raise OutputError(f"{self._name}: another run is writing it") from error
        return self._descriptors[path]

    def replace(self, path: Path, write: Callable[[int], None]) -> int:
        """Replace a file by a new one, whole or not at all, and keep that open and locked; give its descriptor."""

        def write_locked(descriptor: int) -> None:
            self._lock(descriptor)
            write(descriptor)

        descriptor = _replaced(path, write_locked)
        self.drop(path)
        self._descriptors[path] = descriptor
        return descriptor

    def drop(self, path: Path) -> None:
        """Close one file, which unlocks it."""
        with suppress(KeyError, OSError):
            os.close(self._descriptors.pop(path))

    def close(self) -> None:
        """Close all files, which unlocks them."""
        for path in list(self._descriptors):
            self.drop(path)

    def _hold(self, path: Path, descriptor: int) -> None:
        try:
            self._lock(descriptor)
        except OutputError:
            os.close(descriptor)
            raise
        self._descriptors[path] = descriptor

    def _lock(self, descriptor: int) -> None:
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(f"{self._name}: another run is writing it") from error
        except OSError:
            return
