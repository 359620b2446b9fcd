"""A tar archive as it is read: decompressed, forward, bounded in what it unpacks to and in what a header claims."""

import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from resnext.errors import FailureCode, InputError, cant_read, too_large
from resnext.sources.bounds import BOMB_BYTES, BOMB_RATIO, UNPACKING_BYTES

if TYPE_CHECKING:
    import lzma

PLAIN_SUFFIX = ".tar"
_SKIP_BYTES = 1 << 20
_BLOCK_BYTES = 512
# What tarfile and the decompressors raise for broken archives, as found by tests with broken files.
_BROKEN = (
    *(tarfile.TarError, zlib.error, EOFError, ValueError, ArithmeticError, LookupError, RecursionError),
    *(AttributeError, TypeError),  # odd headers give tarfile fields that it does not expect
)


@contextmanager
def opened(path: str, max_bytes: int) -> Iterator[tarfile.TarFile]:
    """Open an archive; whatever breaks while it is read is an InputError."""
    plain = path.lower().endswith(PLAIN_SUFFIX)
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


def headers(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Give the headers in the archive's order; none is kept."""
    while (info := archive.next()) is not None:
        archive.members.clear()  # type: ignore[attr-defined]  # tarfile would keep every header
        yield info
    # tarfile takes any header that it can't read for the end; the true end is a block of zeros, or that of the file.
    last = archive.fileobj.last if isinstance(archive.fileobj, _Forward) else b""
    if last and (len(last) < _BLOCK_BYTES or any(last)):
        raise tarfile.ReadError("bad header")


def content_of(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    """The content of the member whose header came last."""
    stream = archive.extractfile(info)
    content = stream.read() if stream is not None else b""
    if len(content) < info.size:
        raise tarfile.ReadError("unexpected end of data")
    return content
