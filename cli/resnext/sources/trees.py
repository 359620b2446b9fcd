"""What walks and patterns share: a folder's listing in natural order, and which folders below it are entered."""

import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path

from resnext.errors import FailureCode
from resnext.records import Failure, Source
from resnext.sources.config import FolderConfig

# File systems of the kernel's own, in which no photo lies: their files are states and devices, their links go anywhere.
_PSEUDO_TYPES = frozenset(
    "proc sysfs devtmpfs devpts cgroup cgroup2 debugfs tracefs securityfs pstore bpf configfs fusectl mqueue hugetlbfs"
    " binfmt_misc rpc_pipefs efivarfs selinuxfs smackfs nsfs functionfs fuse.lxcfs fuse.portal".split()
)
_DIGITS = re.compile(r"(\d+)")


class Tree:
    """Decides where one walk goes down, so that it enters a folder once, whatever links lead to it.

    What lies below the top, or below a link that was followed, is come to by itself: a link to it is not followed. So
    only these beginnings are remembered, not every folder. File systems of the kernel's own (/proc, /sys, /dev) are
    left out, unless the walk begins in one.
    """

    def __init__(self, config: FolderConfig) -> None:
        self._config = config
        self._beginnings: dict[str, tuple[int, int]] = {}  # by real path: device and inode

    def begin(self, folder: str) -> bool:
        """Note that all below a folder is walked from here on; False where an earlier beginning leads there."""
        path = os.path.realpath(folder or os.curdir)
        if self._is_reached(path):
            return False
        try:
            status = os.stat(path)  # noqa: PTH116 - names are kept to the byte
        except OSError:  # listing says what is wrong
            return True
        self._beginnings[path] = (status.st_dev, status.st_ino)
        return True

    def enters(self, entry: os.DirEntry[str], parent_device: int) -> bool:
        """Whether the walk goes into this folder, which lies in one on `parent_device`."""
        try:
            status = os.stat(entry.path)  # noqa: PTH116
        except OSError:
            return True
        if status.st_dev != parent_device and status.st_dev in self._pseudo_devices:
            return False
        if entry.is_symlink():
            return parent_device not in self._pseudo_devices and self.begin(entry.path)
        known = (status.st_dev, status.st_ino) in self._beginnings.values()
        return not known or os.path.realpath(entry.path) not in self._beginnings

    def leaves_out(self, name: str) -> bool:
        """Whether a folder is left out for its name."""
        return name in self._config.excluded_dirs or (name.startswith(".") and not self._config.include_hidden)

    def _is_reached(self, path: str) -> bool:
        while path not in self._beginnings:
            parent, name = os.path.split(path)
            if parent == path or self.leaves_out(name):
                return False
            path = parent
        return True

    @functools.cached_property
    def _pseudo_devices(self) -> frozenset[int]:
        devices = set()
        root, nodes = device("/"), device("/dev")
        if root != nodes is not None:
            devices.add(nodes)
        try:
            mounts = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
        except OSError:  # not Linux
            mounts = []
        for mount in mounts:
            place, _, kind = mount.partition(" - ")
            if kind.split(" ")[0] in _PSEUDO_TYPES:
                major, _, minor = place.split(" ")[2].partition(":")
                devices.add(os.makedev(int(major), int(minor)))
        return frozenset(devices)


def device(folder: str) -> int:
    """The number of the file system that a folder lies on; -1 where it can't be told."""
    try:
        return os.stat(folder or os.curdir).st_dev  # noqa: PTH116
    except OSError:
        return -1


def listing(folder: str) -> Iterator[os.DirEntry[str]]:
    """List a folder in natural order ("" is the working directory).

    Raises:
        OSError: it can't be listed.
    """
    with os.scandir(folder or os.curdir) as entries:
        return iter(sorted(entries, key=lambda entry: natural_key(entry.name)))


def unlisted(folder: str, error: OSError) -> Failure:
    """The row of a folder that can't be listed."""
    if isinstance(error, PermissionError):
        return Failure(Source(folder), FailureCode.PERMISSION, "no permission to list this folder")
    return Failure(Source(folder), FailureCode.READ_ERROR, f"can't list this folder: {error.strerror}")


def is_dir(entry: os.DirEntry[str]) -> bool:
    """Whether an entry of a folder is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link that can't be followed: decoding says what is wrong with it
        return False


def natural_key(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sort key for people: runs of digits by their number, the rest without case; the name itself breaks ties."""
    parts = _DIGITS.split(name.casefold())
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part), name
