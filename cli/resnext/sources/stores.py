"""Other stores (s3://, gs://, hf://, sftp://, chained zip://…::s3://…) through fsspec and its drivers."""

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from resnext.errors import FailureCode, InputError
from resnext.records import Failure, Source
from resnext.sources.addresses import shown
from resnext.sources.bounds import over_max_file_size, refuse_archive
from resnext.sources.config import FetchConfig
from resnext.sources.folders import is_picture, natural_key
from resnext.threads import within

# Which package drives a scheme, where its name is not what fsspec's own message says.
_PACKAGES = {
    **{"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "hf": "huggingface_hub", "sftp": "paramiko"},
    **{"ssh": "paramiko", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs", "smb": "smbprotocol", "oss": "ossfs"},
    **{"webdav": "webdav4", "dropbox": "dropboxdrivefs", "http": "aiohttp", "https": "aiohttp", "hdfs": "pyarrow"},
}
_PATTERN = re.compile(r"[*?[]")
_Result = TypeVar("_Result")


def sources(address: str, config: FetchConfig) -> Iterator[Source | Failure]:
    """Give the inputs behind an address: one file, or the pictures below one that ends in / or holds a wildcard."""
    name = shown(address)
    listed = "::" not in address and (address.endswith("/") or _PATTERN.search(address) is not None)
    if not listed:
        yield Source(name, read=functools.partial(_read, address, config), remote=True)
        return
    try:
        found = _in_time(config.timeout, lambda: _list(address))
    except InputError as error:
        yield Failure(Source(name), error.code, str(error))
        return
    if not found:
        yield Failure(Source(name), FailureCode.NO_IMAGES, "no images there")
    for each in found:
        yield Source(shown(each), read=functools.partial(_read, each, config), remote=True)


def _list(address: str) -> list[str]:
    with _Errors(address):
        files, path = _file_system(address)
        paths = files.find(path) if address.endswith("/") else files.glob(path)
        # With the user and host of the address, which the store's own paths leave out: what is given back can be read.
        base = address[: len(address) - len(path)] if address.endswith(path) else None
        names = [path for path in paths if is_picture(path)] if address.endswith("/") else list(paths)
        return [
            f"{base}{each}" if base is not None else files.unstrip_protocol(each)
            for each in sorted(names, key=natural_key)
        ]


def _read(address: str, config: FetchConfig) -> bytes:
    def read() -> bytes:
        with _Errors(address):
            files, path = _file_system(address)
            with files.open(path, "rb") as stream:
                content: bytes = stream.read(config.max_bytes + 1)
                return content

    content = _in_time(config.timeout, read)
    if len(content) > config.max_bytes:
        raise over_max_file_size(config.max_bytes)
    refuse_archive(content, "save it first, or name one member: zip://MEMBER::ADDRESS")
    return content


def _file_system(address: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise InputError(FailureCode.MISSING_PACKAGE, _install("fsspec", "'resnext[stores]'")) from error
    files, path = url_to_fs(address)
    return files, path


class _Errors:
    """What drivers raise -> InputError. Every driver has errors of its own kind, and they may quote secrets."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, InputError) or not isinstance(error, Exception):
            return
        raise self._translated(error) from error

    def _translated(self, error: Exception) -> InputError:
        if isinstance(error, ImportError):
            return InputError(FailureCode.MISSING_PACKAGE, self._missing(error))
        if isinstance(error, ValueError) and "Protocol not known" in str(error):
            return InputError(FailureCode.BAD_ENTRY, "no store is known by this scheme")
        if isinstance(error, FileNotFoundError):
            return InputError(FailureCode.NOT_FOUND, "no such file in this store")
        if isinstance(error, PermissionError):
            return InputError(FailureCode.PERMISSION, "the store gives no permission to read it")
        if isinstance(error, IsADirectoryError):
            return InputError(FailureCode.NOT_A_FILE, "a folder; end it with / to take its pictures")
        if isinstance(error, MemoryError):
            return InputError(FailureCode.TOO_LARGE, "not enough memory to read it")
        return InputError(FailureCode.NETWORK, f"the store could not be read: {type(error).__name__}")

    def _missing(self, error: ImportError) -> str:
        if isinstance(error, ModuleNotFoundError) and error.name is not None and error.name in _PACKAGES.values():
            return _install(error.name, error.name)
        schemes = re.findall(r"(?:^|::)([a-zA-Z][a-zA-Z0-9+.-]*)(?=://|::)", self._address)
        for scheme in schemes:
            package = _PACKAGES.get(scheme.lower())
            if package is not None:
                return _install(package, package)
        return _install(error.name or "a driver", error.name or "it")


def _install(package: str, argument: str) -> str:
    return f"reading this address needs {package}: pip install {argument}"


def _in_time(seconds: float, work: Callable[[], _Result]) -> _Result:
    """Do the work within --timeout: drivers have no common deadline."""
    try:
        return within(seconds, work, name="store")
    except TimeoutError as error:
        raise InputError(FailureCode.TIMEOUT, f"no complete answer within {seconds:g} s (--timeout)") from error
