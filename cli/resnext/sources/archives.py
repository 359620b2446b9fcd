"""Archives: .zip and .tar files whose pictures are inputs, named `photos.zip!/a/b.jpg`; nothing is unpacked to disk.

Names inside an archive are only names: one that is absolute, or climbs out with .., leads nowhere but into the archive.
"""

import functools
import os
from collections.abc import Callable, Iterator

from resnext.errors import FailureCode, InputError, cant_read
from resnext.records import Failure, Source
from resnext.sources import tars, zips
from resnext.sources.config import FolderConfig
from resnext.sources.folders import is_wanted

MEMBER_MARK = "!/"
_ZIP_SUFFIXES = (".zip", ".cbz")
_OPEN_ARCHIVES = 4


def is_archive(path: str) -> bool:
    """Whether a file's name ends as an archive's that can be read."""
    return path.lower().endswith((*_ZIP_SUFFIXES, *tars.SUFFIXES))


def pictures(path: str, config: FolderConfig, max_bytes: int, *, elsewhere: bool = False) -> Iterator[Source | Failure]:
    """Give the pictures of an archive in its own order; an archive without any, or a broken one, as a Failure.

    What a folder would leave out (hidden files, __MACOSX) is left out here too; archives inside are not entered. A
    member is given up beyond `max_bytes`, whatever size it claims to have. `elsewhere`: see SourceConfig.
    """
    found = False
    try:
        for item in _members(path, lambda name: is_wanted(name, config), max_bytes, elsewhere):
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


class Members:
    """Gives single members by name; a list may name those of one archive line by line, so zip archives stay open."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        # The state in the key gives a changed archive a new entry.
        self._zip = functools.lru_cache(_OPEN_ARCHIVES)(lambda path, *state: zips.ZipArchive(path, max_bytes))

    def __reduce__(self) -> tuple[type["Members"], tuple[int]]:
        return Members, (self._max_bytes,)

    def source(self, path: str, name: str) -> Source:
        """One member of an archive, whatever its ending; it is looked for when it is read."""
        return Source(f"{path}{MEMBER_MARK}{name}", read=functools.partial(self._read, path, name), path=path)

    def _read(self, path: str, name: str) -> bytes:
        if not _is_zip(path):
            return tars.read_member(path, name, self._max_bytes)
        try:
            state = os.stat(path)  # noqa: PTH116
        except OSError as error:
            raise cant_read(error.errno or 0) from error
        return self._zip(path, state.st_mtime_ns, state.st_size, state.st_ino).member(name)


def _members(path: str, wanted: Callable[[str], bool], max_bytes: int, elsewhere: bool) -> Iterator[Source | Failure]:
    if _is_zip(path):
        return zips.ZipArchive(path, max_bytes).members(wanted)
    return tars.members(path, wanted, max_bytes, elsewhere=elsewhere)


def _is_zip(path: str) -> bool:
    return path.lower().endswith(_ZIP_SUFFIXES)
