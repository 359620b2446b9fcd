"""Claims to the files that a run will write, made before its model is loaded: a run that has to wait ends at once.

The files themselves are locked too, from when they are there (places.HeldFiles), also against runs on other machines.
A new file is there only once the model is; and a file to lock would stay beside it where a run is killed before. So
claims are byte ranges of one file of this user's: each path has a byte of its own, far behind the file's end.
"""

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from resnext.disk import BINARY, NOFOLLOW, NONBLOCK
from resnext.errors import OutputError
from resnext.outputs.places import real_path

if sys.platform != "win32":  # there two runs on one file are not told apart
    import fcntl

_PLACES = 1 << 62  # so many that no two paths meet in one


@contextmanager
def claimed(name: str, written: Iterable[tuple[str, Path]], claims: Path) -> Iterator[None]:
    """Keep other runs of this user off the files of a run, each given as what it is and its path; `claims` is the file.

    Where that can't be written or locked, nobody is kept off: what locks the files themselves comes later.

    Raises:
        OutputError: another run has one of them, or a path can't be that of a file.
    """
    places = {_place_of(real_path(name, path)) for _, path in written if _is_file_or_none(path)}
    descriptor = _opened(claims) if places else -1
    try:
        for place in places if descriptor >= 0 else ():
            _lock(name, descriptor, place)
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _opened(claims: Path) -> int:
    if sys.platform == "win32":
        return -1
    with suppress(OSError):
        return os.open(claims, os.O_RDWR | os.O_CREAT | BINARY | NOFOLLOW | NONBLOCK, 0o600)
    return -1


def _lock(name: str, descriptor: int, place: int) -> None:
    if sys.platform == "win32":
        return
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except (BlockingIOError, PermissionError) as error:  # which of them is the system's choice
        raise OutputError(f"{name}: another run is writing it") from error
    except OSError:  # a file system without locks
        return


def _is_file_or_none(path: Path) -> bool:
    """Whether a run alone can write it; a terminal or /dev/null takes many."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True


def _place_of(path: Path) -> int:
    import xxhash

    return int(xxhash.xxh3_64_intdigest(os.fsencode(path))) % _PLACES
