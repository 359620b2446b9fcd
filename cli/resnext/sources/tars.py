"""Tar archives, plain or compressed.

A plain one is read wherever its members lie; a compressed one from its beginning to its end, once, so that its members'
bytes are read while it is listed. How many of them wait to be decoded is bounded.
"""

import tarfile
import threading
import weakref
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from resnext.errors import FailureCode, InputError, cant_read, too_large
from resnext.records import Failure, Source
from resnext.sources.bounds import BOMB_BYTES, BOMB_RATIO, UNPACKING_BYTES, over_max_file_size

if TYPE_CHECKING:
    import lzma

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".tar.zst", ".tzst")
_PLAIN_SUFFIX = ".tar"
_WAITING_BYTES = 256 << 20
_SKIP_BYTES = 1 << 20
_BLOCK_BYTES = 512
# What tarfile and the decompressors raise for broken archives, as found by tests with broken files.
_BROKEN = (
    *(tarfile.TarError, zlib.error, EOFError, ValueError, ArithmeticError, LookupError, RecursionError),
    *(AttributeError, TypeError),  # odd headers give tarfile fields that it does not expect
)


def members(
    path: str, wanted: Callable[[str], bool], max_bytes: int, *, elsewhere: bool = False
) -> Iterator[Source | Failure]:
    """Give the members whose names are wanted, in the archive's order.

    A member's content can be read once: it is then no longer kept. `elsewhere`: see SourceConfig; what can't be read
    where it lies is then a Packed, for `unpacked`.

    Raises:
        InputError: this is no tar archive, or it breaks off; what came before that was given.
    """
    plain = path.lower().endswith(_PLAIN_SUFFIX)
    budget = _Budget(_WAITING_BYTES)
    with _opened(path, max_bytes) as archive:
        for number, info in enumerate(_headers(archive)):
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
                content = _content(archive, info)
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
        with _opened(first.path, first.max_bytes) as archive:
            for number, info in enumerate(_headers(archive)):
                while left and isinstance(left[0].read, Packed) and left[0].read.number == number:
                    budget.take(info.size)
                    yield left[0]._replace(read=_Held(_content(archive, info), budget, info.size))
                    left.popleft()
                if not left:
                    return
    except InputError as error:
        yield from (Failure(source, error.code, str(error)) for source in left)
        return
    yield from (Failure(source, FailureCode.NOT_FOUND, "no such member in this archive") for source in left)


def read_member(path: str, name: str, max_bytes: int) -> bytes:
    """Read one member by its name, by searching the archive from its beginning."""
    with _opened(path, max_bytes) as archive:
        for info in _headers(archive):
            if info.name != name:
                continue
            if not info.isreg():
                raise InputError(FailureCode.NOT_A_FILE, "a link, folder or device in an archive")
            if info.size > max_bytes:
                raise over_max_file_size(max_bytes)
            return _content(archive, info)
    raise InputError(FailureCode.NOT_FOUND, "no such member in this archive")


def _headers(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (info := archive.next()) is not None:
        archive.members.clear()  # type: ignore[attr-defined]  # tarfile would keep every header
        yield info
    # tarfile takes any header that it can't read for the end; the true end is a block of zeros, or that of the file.
    last = archive.fileobj.last if isinstance(archive.fileobj, _Forward) else b""
    if last and (len(last) < _BLOCK_BYTES or any(last)):
        raise tarfile.ReadError("bad header")


def _content(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(info)
    content = stream.read() if stream is not None else b""
    if len(content) < info.size:
        raise tarfile.ReadError("unexpected end of data")
    return content


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


# -- opening ---------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(path: str, max_bytes: int) -> Iterator[tarfile.TarFile]:
    """Open an archive; whatever breaks while it is read is an InputError."""
    plain = path.lower().endswith(_PLAIN_SUFFIX)
    try:
        with Path(path).open("rb") as raw:
            stream: Any = (
                _Forward(raw, None, max_bytes) if plain else _Forward(_decompressed(raw, path), raw, max_bytes)
            )
            with tarfile.open(fileobj=stream, mode="r:", errors="surrogateescape") as archive:
                yield archive
    except InputError:
        raise
    except OSError as error:
        if error.errno is None:  # gzip and bz2 call broken data so
            raise InputError(FailureCode.ARCHIVE, _BREAKS) from error
        raise cant_read(error.errno) from error
    except _BROKEN as error:
        raise InputError(FailureCode.ARCHIVE, _BREAKS) from error
    except Exception as error:
        if type(error).__name__ in ("LZMAError", "ZstdError"):  # there only where Python was built with them
            raise InputError(FailureCode.ARCHIVE, _BREAKS) from error
        raise


_BREAKS = "not a tar archive, or broken from here on"


def _decompressed(raw: IO[bytes], path: str) -> IO[bytes]:
    name = path.lower()
    try:
        if name.endswith("gz"):
            import gzip

            return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]
        if name.endswith(("bz2", "bz")):
            import bz2

            return bz2.BZ2File(raw)
        if name.endswith("xz"):
            return _Xz(raw)  # type: ignore[return-value]
        import importlib

        zstd: Any = importlib.import_module("compression.zstd")
        stream: IO[bytes] = zstd.ZstdFile(raw)
        return stream
    except ImportError as error:
        kind = name.rpartition(".")[2]
        wanted = "Python 3.14 or later" if "zst" in kind else "a Python that was built with it"
        raise InputError(FailureCode.MISSING_PACKAGE, f"reading .{kind} archives needs {wanted}") from error


class _Xz:
    """Reads an xz file forward, and bounds the memory that its headers ask for, which lzma.LZMAFile does not."""

    def __init__(self, raw: IO[bytes]) -> None:
        import lzma

        self._raw, self._lzma = raw, lzma
        self._stream = self._next_stream()

    def _next_stream(self) -> "lzma.LZMADecompressor":
        return self._lzma.LZMADecompressor(self._lzma.FORMAT_AUTO, UNPACKING_BYTES)

    def read(self, size: int) -> bytes:
        content = bytearray()
        while len(content) < size:
            packed = b""
            if self._stream.eof:  # another stream may follow, behind zeros
                packed = (self._stream.unused_data or self._raw.read(_SKIP_BYTES)).lstrip(b"\0")
                if not packed:
                    break
                self._stream = self._next_stream()
            elif self._stream.needs_input:
                packed = self._raw.read(_SKIP_BYTES)
                if not packed:
                    raise EOFError
            try:
                content += self._stream.decompress(packed, size - len(content))
            except self._lzma.LZMAError as error:
                if "Memory usage limit" in str(error):
                    words = f"unpacking it takes more than {UNPACKING_BYTES / 1e6:.0f} MB of memory"
                    raise too_large(words) from error
                raise
        return bytes(content)


class _Forward:
    """What tarfile reads from: stops at bombs, and never reads more at once than one member may have.

    With `raw`, the compressed file below, `stream` is read from its beginning to its end; without, it can be sought in.
    """

    def __init__(self, stream: IO[bytes], raw: IO[bytes] | None, max_bytes: int) -> None:
        self._stream, self._raw = stream, raw
        self._most = max(max_bytes, _SKIP_BYTES) + _BLOCK_BYTES
        self._position = 0
        self.last = b""

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        if self._raw is None:
            self._position = self._stream.seek(position)
            return self._position
        if position < self._position:
            raise tarfile.ReadError("seeking backwards")
        while self._position < position:
            if not self.read(min(_SKIP_BYTES, position - self._position)):
                break
        return self._position

    def read(self, size: int) -> bytes:
        if size > self._most:  # a header that claims to be as large
            raise tarfile.ReadError("header too large")
        self.last = self._stream.read(size)
        self._position += len(self.last)
        if self._raw is not None and self._position > BOMB_BYTES + BOMB_RATIO * self._raw.tell():
            raise too_large("a decompression bomb: it is read no further")
        return self.last
