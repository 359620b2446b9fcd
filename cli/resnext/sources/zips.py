"""Zip archives: any member can be read at any time, by several threads at once."""

import functools
import io
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import copy
from typing import Any

from resnext.errors import FailureCode, InputError, cant_read
from resnext.records import Failure, Source
from resnext.sources.bounds import BOMB_BYTES, BOMB_RATIO, UNPACKING_BYTES, over_max_file_size

# The table of contents is held in memory: about a million members.
_MAX_TABLE_BYTES = 128 << 20
# What zipfile and its decompressors raise for broken archives, as found by tests with broken files.
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, ArithmeticError, LookupError, OSError)


class ZipArchive:
    """An open archive, whose members are bounded each and all together: names may share their bytes, or be bombs.

    Where it is unpickled, on another machine, it is opened once a member is read.

    Raises:
        InputError: this is no zip archive, a broken one, or one whose table of contents is too large.
    """

    def __init__(self, path: str, max_bytes: int) -> None:
        self._close(path, max_bytes)
        self._open()

    def __getstate__(self) -> tuple[str, int]:
        return self._path, self._max_bytes

    def __setstate__(self, state: tuple[str, int]) -> None:
        self._close(*state)

    def _close(self, path: str, max_bytes: int) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._archive: zipfile.ZipFile | None = None
        self._lock = threading.Lock()
        self._left = 0  # bytes that may still be unpacked

    def _open(self) -> zipfile.ZipFile:
        if self._archive is not None:
            return self._archive
        try:
            stream = _TableReader(self._path)
            self._archive = zipfile.ZipFile(stream)
        except InputError:
            raise
        except NotImplementedError as error:
            raise InputError(FailureCode.ARCHIVE, "a zip archive of a kind that can't be read") from error
        except OSError as error:
            raise cant_read(error.errno or 0) from error
        except _BROKEN as error:
            raise InputError(FailureCode.ARCHIVE, "not a zip archive, or a broken one") from error
        self._left = BOMB_BYTES + BOMB_RATIO * stream.size
        return self._archive

    def members(self, wanted: Callable[[str], bool]) -> Iterator[Source | Failure]:
        """Give the members whose names are wanted, in the archive's order."""
        for info in self._open().infolist():
            if wanted(info.filename) and not info.is_dir():  # which takes no empty name
                read = functools.partial(self._read, info)
                source = Source(f"{self._path}!/{info.filename}", read=read, path=self._path)
                problem = _problem(info)
                yield source if problem is None else Failure(source, problem.code, str(problem))

    def member(self, name: str) -> bytes:
        """Read one member by its name.

        Raises:
            InputError: there is none, or it can't be read.
        """
        try:
            return self._read(self._open().getinfo(name))
        except KeyError as error:
            raise InputError(FailureCode.NOT_FOUND, "no such member in this archive") from error

    def _read(self, info: zipfile.ZipInfo) -> bytes:
        problem = _problem(info)
        if problem is not None:
            raise problem
        if info.file_size > self._max_bytes:
            raise over_max_file_size(self._max_bytes)
        with self._lock:
            archive = self._open()
            self._left -= info.file_size
            if self._left < 0:
                raise InputError(FailureCode.TOO_LARGE, "the archive is a decompression bomb: no more of it is read")
        try:
            return self._unpacked(archive, info)
        except NotImplementedError as error:
            raise InputError(FailureCode.ARCHIVE, "packed with a method that can't be read") from error
        except (*_BROKEN, RuntimeError) as error:
            raise InputError(FailureCode.ARCHIVE, "broken in its archive") from error
        except Exception as error:
            # lzma.LZMAError and zstd's are there only where Python was built with them.
            if type(error).__name__ in ("LZMAError", "ZstdError"):
                raise InputError(FailureCode.ARCHIVE, "broken in its archive") from error
            raise

    def _unpacked(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
        """Unpack no more than the size that a member claims to have, which zipfile does for two methods only."""
        if info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            with archive.open(info) as stream:
                return stream.read(info.file_size + 1)
        packed = copy(info)
        packed.compress_type, packed.file_size = zipfile.ZIP_STORED, info.compress_size
        packed.CRC = None  # type: ignore[assignment]  # not that of the packed bytes: zipfile compares no None
        with archive.open(packed) as stream:
            content: bytes = _unpack(info, stream.read(info.compress_size))
        if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
            raise zipfile.BadZipFile
        return content


def _problem(info: zipfile.ZipInfo) -> InputError | None:
    if info.flag_bits & 0x1:
        return InputError(FailureCode.ARCHIVE, "encrypted with a password")
    if stat.S_ISLNK(info.external_attr >> 16):
        return InputError(FailureCode.NOT_A_FILE, "a link in an archive")
    return None


def _unpack(info: zipfile.ZipInfo, packed: bytes) -> Any:
    try:
        if info.compress_type == zipfile.ZIP_BZIP2:
            import bz2

            return bz2.BZ2Decompressor().decompress(packed, info.file_size)
        if info.compress_type == zipfile.ZIP_LZMA:
            import lzma

            # Two versions, the length of the properties, and these: as in a .lzma file, but for the size behind them.
            alone = packed[4:9] + info.file_size.to_bytes(8, "little") + packed[9:]
            return lzma.LZMADecompressor(lzma.FORMAT_ALONE, UNPACKING_BYTES).decompress(alone, info.file_size)
        if info.compress_type == 93:
            import importlib

            return importlib.import_module("compression.zstd").ZstdDecompressor().decompress(packed, info.file_size)
    except ImportError as error:
        raise NotImplementedError from error
    raise NotImplementedError


class _TableReader(io.BufferedReader):
    """What zipfile reads from: refuses a table of contents that would fill the memory, which is read at once."""

    def __init__(self, path: str) -> None:
        super().__init__(io.FileIO(path))
        self.size = self.seek(0, io.SEEK_END)

    def __del__(self) -> None:
        with suppress(ValueError):  # it was never opened
            self.close()  # zipfile leaves to us what it did not open

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MAX_TABLE_BYTES:
            raise InputError(FailureCode.TOO_LARGE, "an archive of millions of members; split it")
        return super().read(size)
