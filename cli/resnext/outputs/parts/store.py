"""Where parts go: a store (s3://, gs://, ...) through fsspec, in which an object is there whole or not at all."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec.core

from resnext.errors import OutputError, first_line

_SECRET = re.compile(r"//[^/]*@")


class StoreFolder:
    """The objects of a store whose names begin with an address.

    Raises:
        OutputError: no driver for this kind of store is installed, or it refuses the address.
    """

    def __init__(self, address: str) -> None:
        self.name, self._address = _SECRET.sub("//***@", address), address
        self._files, self._path = self._connected()

    def __reduce__(self) -> tuple[type["StoreFolder"], tuple[str]]:
        return StoreFolder, (self._address,)

    def _connected(self) -> tuple[fsspec.AbstractFileSystem, str]:
        with self._errors("open"):
            files, path = fsspec.core.url_to_fs(self._address)
            return files, str(path).rstrip("/")

    def make(self) -> None:
        """Nothing has to be made in a store; that it can be written the manifest shows, which comes first."""

    def names(self, under: str = "") -> Iterator[str]:
        path = f"{self._path}/{under}".rstrip("/")
        with self._errors("list"):
            self._files.invalidate_cache()  # other machines write too
            try:
                found = self._files.ls(path, detail=False)
            except FileNotFoundError:
                return
        for each in found:
            name = str(each).rstrip("/").rpartition("/")[2]
            if name and str(each).rstrip("/") != path:
                yield name

    def read(self, name: str) -> bytes | None:
        with self._errors("read"):
            try:
                return bytes(self._files.cat_file(f"{self._path}/{name}"))
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        with self._errors("write"):
            self._files.pipe_file(f"{self._path}/{name}", content)

    def put(self, name: str, file: Path) -> None:
        with self._errors("write"):
            self._files.put_file(str(file), f"{self._path}/{name}")

    def get(self, name: str, target: Path) -> bool:
        with self._errors("read"):
            try:
                self._files.get_file(f"{self._path}/{name}", str(target))
            except FileNotFoundError:
                return False
        return True

    def remove(self, name: str) -> None:
        with self._errors("write"):
            try:
                self._files.rm_file(f"{self._path}/{name}")
            except FileNotFoundError:
                return

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except ImportError as error:
            raise OutputError(f"{self.name}: this store needs a driver: {first_line(error)}") from error
        except OutputError:
            raise
        except Exception as error:  # every driver has errors of its own kind, and they may quote secrets
            raise OutputError(f"{self.name}: can't {what} it: {type(error).__name__}") from error
