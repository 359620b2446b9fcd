"""Files and folders that killed builds left in the store: finds them, and removes them when they are old enough.

A build makes files and folders under a temporary name and moves them into place; a killed process leaves them behind.
Whether it still runs can't be known (it may be on another machine, or in another container), so age decides:
LOCK_SECONDS is the longest that any process waits for a build.
"""

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

LOCK_SECONDS = 900.0  # the largest model compiles in well under two minutes on two cores
BUILDING = ".building-"
DAMAGED = ".damaged-"
REMOVED = ".removed-"
NEW_FILE = ".new-"
_BEING_REMOVED = (DAMAGED, REMOVED)
_OURS = re.compile(r"\.(building|damaged|removed|new)-.*")


def leftovers(folder: Path) -> Iterator[Path]:
    """Find what killed processes left in `folder`, by name; nothing that a running one may still use.

    A folder that was being removed is a leftover at any age.
    """
    oldest_alive = time.time() - LOCK_SECONDS
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError:  # nothing was stored yet
        return
    for name in names:
        if _OURS.fullmatch(name) and (name.startswith(_BEING_REMOVED) or modified(folder / name) < oldest_alive):
            yield folder / name


def sweep(*folders: Path) -> None:
    """Remove the leftovers in `folders`; ignore those that can't be removed: two processes may sweep at once."""
    for folder in folders:
        for path in leftovers(folder):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()


def modified(path: Path) -> float:
    """When something in a folder (or a file) was changed last, in seconds since 1970."""
    times = []
    for each in (path, *path.rglob("*")):
        with suppress(OSError):
            times.append(each.lstat().st_mtime)
    return max(times, default=0.0)
