"""Zip archives: any member can be read at any time, by several threads at once."""

import functools
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from resnext.errors import FailureCode, InputError
from resnext.records import Failure, Source
from resnext.sources.contents import too_large

# The table of contents is held in memory: about a million members.
_MAX_TABLE_BYTES = 128 << 20
_OPEN_ARCHIVES = 4
# What zipfile and its decompressors raise for broken archives, as far as they were made to.
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, ArithmeticError, LookupError)


def members(path: str, wanted: Callable[[str], bool], max_bytes: int) -> Iterator[Source | Failure]:
    """Give the members whose names are wanted, in the archive's order.

    Raises:
        InputError: this is no zip archive, or a broken one.
    """
    archive = _open(path)
    for info in archive.infolist():
        if info.is_dir() or not wanted(info.filename):
            continue
        source = Source(f"{path}!/{info.filename}", read=functools.partial(_read, archive, info, max_bytes), path=path)
        problem = _problem(info)
        yield source if problem is None else Failure(source, *problem)


def read_member(path: str, name: str, max_bytes: int) -> bytes:
    """Read one member by its name."""
    state = os.stat(path)  # noqa: PTH116
    archive = _kept_open(path, state.st_mtime_ns, state.st_size, state.st_ino)
    try:
        info = archive.getinfo(name)
    except KeyError as error:
        raise InputError(FailureCode.NOT_FOUND, "no such member in this archive") from error
    problem = _problem(info)
    if problem is not None:
        raise InputError(*problem)
    return _read(archive, info, max_bytes)


def _open(path: str) -> zipfile.ZipFile:
    try:
        _check_table(path)
        return zipfile.ZipFile(path)
    except _BROKEN as error:
        raise InputError(FailureCode.ARCHIVE, "not a zip archive, or a broken one") from error
    except NotImplementedError as error:
        raise InputError(FailureCode.ARCHIVE, "a zip archive of a kind that can't be read") from error
    except PermissionError as error:
        raise InputError(FailureCode.PERMISSION, "no permission to read it") from error
    except OSError as error:
        raise InputError(FailureCode.READ_ERROR, f"can't read it: {error.strerror or error}") from error


# A list may name the members of one archive line by line. The state in the key gives a changed archive a new entry.
@functools.lru_cache(maxsize=_OPEN_ARCHIVES)
def _kept_open(path: str, *state: int) -> zipfile.ZipFile:
    return _open(path)


def _check_table(path: str) -> None:
    """Refuse a table of contents that would fill the memory: zipfile reads it whole."""
    with Path(path).open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - (1 << 16) - 22 - 20))
        tail = stream.read()
        end = tail.rfind(b"PK\x05\x06")
        if end < 0 or len(tail) < end + 22:
            raise zipfile.BadZipFile
        table_bytes = int(struct.unpack_from("<L", tail, end + 12)[0])
        if table_bytes == 0xFFFFFFFF and end >= 20 and tail[end - 20 : end - 16] == b"PK\x06\x07":
            stream.seek(struct.unpack_from("<Q", tail, end - 12)[0])
            record = stream.read(56)
            table_bytes = int(struct.unpack_from("<Q", record, 40)[0])
    if table_bytes > _MAX_TABLE_BYTES:
        raise InputError(FailureCode.TOO_LARGE, "an archive of millions of members; split it")


def _problem(info: zipfile.ZipInfo) -> tuple[FailureCode, str] | None:
    if info.flag_bits & 0x1:
        return FailureCode.ARCHIVE, "encrypted with a password"
    if stat.S_ISLNK(info.external_attr >> 16):
        return FailureCode.NOT_A_FILE, "a link in an archive"
    return None


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, max_bytes: int) -> bytes:
    if info.file_size > max_bytes:
        raise too_large(max_bytes)
    try:
        with archive.open(info) as stream:
            content = stream.read(max_bytes + 1)
    except NotImplementedError as error:
        raise InputError(FailureCode.ARCHIVE, "packed with a method that can't be read") from error
    except RuntimeError as error:  # zipfile's word for what is encrypted
        raise InputError(FailureCode.ARCHIVE, "encrypted with a password") from error
    except (*_BROKEN, OSError) as error:
        raise InputError(FailureCode.ARCHIVE, "broken in its archive") from error
    except Exception as error:
        # lzma.LZMAError and zstd's are there only where Python was built with them.
        if type(error).__name__ in ("LZMAError", "ZstdError"):
            raise InputError(FailureCode.ARCHIVE, "broken in its archive") from error
        raise
    if len(content) > max_bytes:
        raise too_large(max_bytes)
    return content
