"""Folders: walked in natural order (img2 before img10), lazily, one folder's listing at a time.

Only what looks like a picture is taken: photos lie beside films, notes and databases.
"""

import os
import re
from collections.abc import Iterator

from resnext.errors import FailureCode
from resnext.records import Failure, Source
from resnext.sources.config import FolderConfig

IMAGE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .avif .avifs .gif .tif .tiff .bmp .jp2 .j2k .jpf .jpx .jpc .j2c .mpo"
    " .ppm .pgm .pbm .pnm .ico .heic .heif .hif .jxl".split()
)
_Identity = tuple[int, int]  # device and inode
_DIGITS = re.compile(r"(\d+)")


def walk(folder: str, config: FolderConfig) -> Iterator[Source | Failure]:
    """Give the pictures below `folder`; one without any, or that can't be listed, as a Failure in its place."""
    found = False
    for item in _walk(folder, config):
        found = True
        yield item
    if not found:
        yield Failure(Source(folder), FailureCode.NO_IMAGES, "no images in this folder")


def _walk(top: str, config: FolderConfig) -> Iterator[Source | Failure]:
    # The folders that are being walked, outermost first, with what is left of each; a tree may be deeper than calls go.
    walking: list[tuple[_Identity, Iterator[os.DirEntry[str]]]] = []
    entered: str | None = top
    while entered is not None or walking:
        if entered is not None:
            listed = _listed(entered, {identity for identity, _ in walking})
            if isinstance(listed, Failure):
                yield listed
            elif listed is not None:
                walking.append(listed)
            entered = None
            continue
        entry = next(walking[-1][1], None)
        if entry is None:
            walking.pop()
        elif entry.name.startswith(".") and not config.include_hidden:
            continue
        elif is_dir(entry):
            entered = entry.path if entry.name not in config.excluded_dirs else None
        elif is_picture(entry.name):
            yield Source(entry.path)


def _listed(folder: str, walking: set[_Identity]) -> tuple[_Identity, Iterator[os.DirEntry[str]]] | Failure | None:
    """List a folder in order; None for a symbolic link back to a folder that is being walked."""
    try:
        status = os.stat(folder)  # noqa: PTH116
        identity = (status.st_dev, status.st_ino)
        if identity in walking:
            return None
        with os.scandir(folder) as listing:
            return identity, iter(sorted(listing, key=lambda entry: natural_key(entry.name)))
    except PermissionError:
        return Failure(Source(folder), FailureCode.PERMISSION, "no permission to list this folder")
    except OSError as error:
        return Failure(Source(folder), FailureCode.READ_ERROR, f"can't list this folder: {error.strerror}")


def is_wanted(path: str, config: FolderConfig) -> bool:
    """Whether a walk would take the file with this path below the folder, as far as names tell."""
    *folders, name = path.split("/")
    if not is_picture(name) or not config.excluded_dirs.isdisjoint(folders):
        return False
    return config.include_hidden or not any(part.startswith(".") and part.strip(".") for part in (*folders, name))


def is_picture(name: str) -> bool:
    """Whether a name ends as pictures' names do."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122


def is_dir(entry: os.DirEntry[str]) -> bool:
    """Whether an entry of a folder is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link that can't be followed: decoding says what is wrong with it
        return False


def natural_key(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sort key for people: runs of digits by their number, the rest without case; the name itself breaks ties."""
    parts = _DIGITS.split(name.casefold())
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part), name
