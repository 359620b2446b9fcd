"""Members of tar archives, plain or compressed.

A plain one is read wherever its members lie; a compressed one from its beginning to its end, once, so that its members'
bytes are read while it is listed. How many of them wait to be decoded is bounded.
"""

import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from resnext.errors import FailureCode, InputError
from resnext.records import Failure, Source
from resnext.sources.bounds import over_max_file_size
from resnext.sources.tar_stream import PLAIN_SUFFIX, content_of, headers, opened

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".tar.zst", ".tzst")
_WAITING_BYTES = 256 << 20


def members(
    path: str, wanted: Callable[[str], bool], max_bytes: int, *, elsewhere: bool = False
) -> Iterator[Source | Failure]:
    """Give the members whose names are wanted, in the archive's order.

    A member's content can be read once: it is then no longer kept. `elsewhere`: see SourceConfig; what can't be read
    where it lies is then a Packed, for `unpacked`.

    Raises:
        InputError: this is no tar archive, or it breaks off; what came before that was given.
    """
    plain = path.lower().endswith(PLAIN_SUFFIX)
    budget = _Budget(_WAITING_BYTES)
    with opened(path, max_bytes) as archive:
        for number, info in enumerate(headers(archive)):
            if info.isdir() or not wanted(info.name):
                continue
            source = Source(f"{path}!/{info.name}")
            if not info.isreg():
                yield Failure(source, FailureCode.NOT_A_FILE, "a link or device in an archive")
            elif info.size > max_bytes:
                yield Failure(source, FailureCode.TOO_LARGE, str(over_max_file_size(max_bytes)))
            elif plain and not info.issparse():
                yield Source(source.file, read=_Slice(path, info.offset_data, info.size), path=path)
            elif elsewhere:
                yield Source(source.file, read=Packed(path, number, max_bytes), path=path)
            else:
                budget.take(info.size)
                content = content_of(archive, info)
                yield Source(source.file, read=_Held(content, budget, info.size), path=path)


class Packed:
    """Reads the member with this number of a compressed archive, all of which before it must be unpacked for that."""

    def __init__(self, path: str, number: int, max_bytes: int) -> None:
        self.path, self.number, self.max_bytes = path, number, max_bytes

    def __call__(self) -> bytes:
        (item,) = unpacked([Source("", read=self)])
        if isinstance(item, Failure):
            raise InputError(item.code, item.message)
        assert item.read is not None
        return item.read()


def unpacked(items: Iterable[Source | Failure]) -> Iterator[Source | Failure]:
    """Give the same items, members of compressed archives with their contents: neighbours are unpacked in one go."""
    group: list[Source] = []
    for item in items:
        if group and _archive_of(group[0]) != _archive_of(item):
            yield from _unpacked(group)
            group = []
        if _archive_of(item) is not None and isinstance(item, Source):
            group.append(item)
        else:
            yield item
    if group:
        yield from _unpacked(group)


def _archive_of(item: Source | Failure) -> str | None:
    return item.read.path if isinstance(item, Source) and isinstance(item.read, Packed) else None


def _unpacked(sources: list[Source]) -> Iterator[Source | Failure]:
    budget = _Budget(_WAITING_BYTES)
    left = deque(sources)
    first = left[0].read
    assert isinstance(first, Packed)
    try:
        with opened(first.path, first.max_bytes) as archive:
            for number, info in enumerate(headers(archive)):
                while left and isinstance(left[0].read, Packed) and left[0].read.number == number:
                    budget.take(info.size)
                    yield left[0]._replace(read=_Held(content_of(archive, info), budget, info.size))
                    left.popleft()
                if not left:
                    return
    except InputError as error:
        yield from (Failure(source, error.code, str(error)) for source in left)
        return
    yield from (Failure(source, FailureCode.NOT_FOUND, "no such member in this archive") for source in left)


def read_member(path: str, name: str, max_bytes: int) -> bytes:
    """Read one member by its name, by searching the archive from its beginning."""
    with opened(path, max_bytes) as archive:
        for info in headers(archive):
            if info.name != name:
                continue
            if not info.isreg():
                raise InputError(FailureCode.NOT_A_FILE, "a link, folder or device in an archive")
            if info.size > max_bytes:
                raise over_max_file_size(max_bytes)
            return content_of(archive, info)
    raise InputError(FailureCode.NOT_FOUND, "no such member in this archive")


class _Slice:
    """Reads a member of a plain archive where it lies."""

    def __init__(self, path: str, offset: int, size: int) -> None:
        self._path, self._offset, self._size = path, offset, size

    def __call__(self) -> bytes:
        with Path(self._path).open("rb") as stream:
            stream.seek(self._offset)
            content = stream.read(self._size)
        if len(content) < self._size:
            raise InputError(FailureCode.ARCHIVE, "the archive breaks off in this member")
        return content


class _Held:
    """Holds a member's content until it is read, or until nobody can read it any more."""

    def __init__(self, content: bytes, budget: "_Budget", size: int) -> None:
        self._content: bytes | None = content
        self._free = weakref.finalize(self, budget.give_back, size)
        self._free.atexit = False

    def __call__(self) -> bytes:
        content, self._content = self._content, None
        if content is None:
            raise InputError(FailureCode.READ_ERROR, "a member of a compressed archive can be read only once")
        self._free()
        return content


class _Budget:
    """Bytes that wait to be decoded. One member always passes, however large."""

    def __init__(self, limit: int) -> None:
        self._limit, self._taken = limit, 0
        self._changed = threading.Condition(threading.RLock())  # a finalizer may run inside of take()

    def take(self, size: int) -> None:
        with self._changed:
            while self._taken and self._taken + size > self._limit:
                self._changed.wait(0.05)
            self._taken += size

    def give_back(self, size: int) -> None:
        with self._changed:
            self._taken -= size
            self._changed.notify_all()
