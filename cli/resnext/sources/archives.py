"""Archives: .zip and .tar files whose pictures are inputs, named `photos.zip!/a/b.jpg`; nothing is unpacked to disk.

Names inside an archive are only names: one that is absolute, or climbs out with .., leads nowhere but into the archive.
"""

import os
from collections.abc import Iterator
from types import ModuleType

from resnext.errors import FailureCode, InputError
from resnext.records import Failure, Source
from resnext.sources import tars, zips
from resnext.sources.config import FolderConfig
from resnext.sources.folders import is_wanted

MEMBER_MARK = "!/"
_ZIP_SUFFIXES = (".zip", ".cbz")


def is_archive(path: str) -> bool:
    """Whether a file's name ends as an archive's that can be read."""
    return path.lower().endswith((*_ZIP_SUFFIXES, *tars.SUFFIXES))


def pictures(path: str, config: FolderConfig, max_bytes: int) -> Iterator[Source | Failure]:
    """Give the pictures of an archive in its own order; an archive without any, or a broken one, as a Failure.

    What a folder would leave out (hidden files, __MACOSX) is left out here too; archives inside are not entered. A
    member is given up beyond `max_bytes`, whatever size it claims to have.
    """
    found = False
    try:
        for item in _room(path).members(path, lambda name: is_wanted(name, config), max_bytes):
            found = True
            yield item
    except InputError as error:
        found = True
        yield Failure(Source(path), error.code, str(error))
    if not found:
        yield Failure(Source(path), FailureCode.NO_IMAGES, "no images in this archive")


def split(argument: str) -> tuple[str, str] | None:
    """Split `photos.zip!/a/b.jpg` into archive and member; None if there is no such archive."""
    start = argument.find(MEMBER_MARK)
    while start > 0:
        path = argument[:start]
        if is_archive(path) and os.path.isfile(path):  # noqa: PTH113
            return path, argument[start + len(MEMBER_MARK) :]
        start = argument.find(MEMBER_MARK, start + 1)
    return None


def member(path: str, name: str, max_bytes: int) -> Source:
    """One member of an archive, whatever its ending; it is looked for when it is read."""
    room = _room(path)
    return Source(f"{path}{MEMBER_MARK}{name}", read=lambda: room.read_member(path, name, max_bytes), path=path)


def _room(path: str) -> ModuleType:
    return zips if path.lower().endswith(_ZIP_SUFFIXES) else tars
