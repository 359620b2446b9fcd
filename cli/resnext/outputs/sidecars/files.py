"""Sidecars on disk: read with bounds, replaced whole or not at all."""

import errno
import os
import stat
import sys
from pathlib import Path

from resnext.disk import NOFOLLOW, NONBLOCK, write_all
from resnext.errors import FailureCode, InputError
from resnext.outputs.sidecars.packet import MAX_BYTES, refuse

if sys.platform != "win32":
    import fcntl

_NO_LINK = NOFOLLOW | NONBLOCK  # nor a FIFO, which would wait for ever


class SidecarFile:
    """One sidecar: its bytes when it was read, and the way to put others in their place."""

    def __init__(self, path: Path) -> None:
        """Read what is there.

        Raises:
            InputError: it can't be read, or is no regular file.
        """
        self.path = path
        self._status: os.stat_result | None = None
        self.data: bytes | None = None
        try:
            descriptor = os.open(path, os.O_RDONLY | _NO_LINK)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise refuse("it is a link") from None
            raise _failed("can't read the sidecar", error) from None
        self._status = os.fstat(descriptor)
        if not stat.S_ISREG(self._status.st_mode):
            os.close(descriptor)
            raise refuse("it is no regular file")
        with os.fdopen(descriptor, "rb") as file:
            try:
                self.data = file.read(MAX_BYTES + 1)
            except OSError as error:
                raise _failed("can't read the sidecar", error) from None

    def replace(self, data: bytes | None) -> bool:
        """Replace the sidecar by these bytes, or remove it (None); the same bytes change nothing. Give whether it did.

        Mode and owner stay. Whatever fails or kills, the sidecar is the old or the new one, whole.

        Raises:
            InputError: it can't be written, or somebody wrote it meanwhile.
        """
        if data == self.data:
            return False
        try:
            if data is None:
                self._check_unchanged()
                self.path.unlink()
            else:
                self._write(data)
        except OSError as error:
            raise _failed("can't write the sidecar", error) from None
        return True

    def _write(self, data: bytes) -> None:
        # One name a sidecar: what a killed run left is taken over by the next one, and never piles up.
        temporary = self.path.with_name(f".{self.path.name}.resnext")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o666)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise refuse(f"{temporary.name} is in the way")
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            _lock(descriptor, temporary)
            try:
                file.truncate(0)
                write_all(descriptor, data)
                self._keep_mode_and_owner(descriptor)
                os.fsync(descriptor)
                self._check_unchanged()
                temporary.replace(self.path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise

    def _keep_mode_and_owner(self, descriptor: int) -> None:
        if self._status is None or sys.platform == "win32":
            return
        made = os.fstat(descriptor)
        if (made.st_uid, made.st_gid) != (self._status.st_uid, self._status.st_gid):
            os.fchown(descriptor, self._status.st_uid, self._status.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(self._status.st_mode))

    def _check_unchanged(self) -> None:
        """Another program may have written since we read: its work is not undone."""
        try:
            now: os.stat_result | None = self.path.lstat()
        except FileNotFoundError:
            now = None
        if _version(now) != _version(self._status):
            raise refuse("another program wrote it at the same time; run again")


def _version(status: os.stat_result | None) -> tuple[int, ...] | None:
    return None if status is None else (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _lock(descriptor: int, path: Path) -> None:
    """Keep another run of ours off the same sidecar; a file system that can't lock is written without."""
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise refuse("another run is writing it") from None
    except OSError:
        return
    try:
        same = os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        same = False
    if not same:  # the other run has just moved it into place
        raise refuse("another run is writing it")


def _failed(what: str, error: OSError) -> InputError:
    code = FailureCode.PERMISSION if isinstance(error, PermissionError) else FailureCode.SIDECAR
    return InputError(code, f"{what}: {error.strerror or error}")
