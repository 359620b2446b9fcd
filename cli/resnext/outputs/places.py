"""Whether results can be written at a place, and the lock that keeps other runs off while they are."""

import os
import sys
from pathlib import Path

from resnext.errors import OutputError

if sys.platform != "win32":  # there two runs on one file are not told apart
    import fcntl


def check_folder(name: str, path: Path) -> None:
    """Refuse a file whose folder is not there or can't be written.

    Raises:
        OutputError: that is so.
    """
    if not path.parent.is_dir():
        raise OutputError(f"{name}: can't write the results: its folder does not exist")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"{name}: can't write the results: no permission to write in its folder")


def lock(name: str, descriptor: int) -> None:
    """Keep other runs off while this process lives. A file system that can't lock is written without.

    Raises:
        OutputError: another run has the file.
    """
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError(f"{name}: another run is writing it") from error
    except OSError:
        return
