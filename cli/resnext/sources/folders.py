"""Folders: walked in natural order (img2 before img10), lazily, one folder's listing at a time.

Only what looks like a picture is taken: photos lie beside films, notes and databases. A folder is entered once,
whatever links lead to it.
"""

import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path

from resnext.errors import FailureCode
from resnext.records import Failure, Source
from resnext.sources.config import FolderConfig
from resnext.sources.skipped import SkippedFiles

IMAGE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .avif .avifs .gif .tif .tiff .bmp .jp2 .j2k .jpf .jpx .jpc .j2c .mpo"
    " .ppm .pgm .pbm .pnm .ico .heic .heif .hif .jxl".split()
)
# File systems of the kernel's own, in which no photo lies: their files are states and devices, their links go anywhere.
_PSEUDO_TYPES = frozenset(
    "proc sysfs devtmpfs devpts cgroup cgroup2 debugfs tracefs securityfs pstore bpf configfs fusectl mqueue hugetlbfs"
    " binfmt_misc rpc_pipefs efivarfs selinuxfs smackfs nsfs functionfs fuse.lxcfs fuse.portal".split()
)
_DIGITS = re.compile(r"(\d+)")


def walk(folder: str, config: FolderConfig, skipped: SkippedFiles) -> Iterator[Source | Failure]:
    """Give the pictures below `folder`; one without any, or that can't be listed, as a Failure in its place."""
    found = False
    for item in _walk(folder, config, skipped):
        found = True
        yield item
    if not found:
        yield Failure(Source(folder), FailureCode.NO_IMAGES, "no images in this folder")


def _walk(top: str, config: FolderConfig, skipped: SkippedFiles) -> Iterator[Source | Failure]:
    tree = Tree(config)
    tree.begin(top)
    # The folders that are being walked, outermost first, each with the number of its file system and what is left of
    # it; a tree may be deeper than calls go.
    walking: list[tuple[int, Iterator[os.DirEntry[str]]]] = []
    entered: str | None = top
    while entered is not None or walking:
        if entered is not None:
            try:
                walking.append((device(entered), listing(entered)))
            except OSError as error:
                yield unlisted(entered, error)
            entered = None
            continue
        entry = next(walking[-1][1], None)
        if entry is None:
            walking.pop()
        elif is_dir(entry):
            if not tree.leaves_out(entry.name) and tree.enters(entry, walking[-1][0]):
                entered = entry.path
        elif entry.name.startswith(".") and not config.include_hidden:
            continue
        elif is_picture(entry.name):
            yield Source(entry.path)
        else:
            skipped.add(entry.name)


def is_wanted(path: str, config: FolderConfig) -> bool:
    """Whether a walk would take the file with this path below the folder, judged by the names alone."""
    *folders, name = path.split("/")
    if not is_picture(name) or not config.excluded_dirs.isdisjoint(folders):
        return False
    return config.include_hidden or not any(part.startswith(".") and part.strip(".") for part in (*folders, name))


def is_picture(name: str) -> bool:
    """Whether a name ends as pictures' names do."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122


class Tree:
    """Decides where one walk goes down, so that it enters a folder once, whatever links lead to it.

    What lies below the top, or below a link that was followed, is come to by itself: a link to it is not followed. So
    only these beginnings are remembered, not every folder. File systems of the kernel's own (/proc, /sys, /dev) are
    left out, unless the walk begins in one.
    """

    def __init__(self, config: FolderConfig) -> None:
        self._config = config
        self._beginnings: set[str] = set()  # real paths
        self._inodes: set[tuple[int, int]] = set()  # of the same: device and inode

    def begin(self, folder: str) -> bool:
        """Note that all below a folder is walked from here on; False where an earlier beginning leads there."""
        path = os.path.realpath(folder or os.curdir)
        if self._is_reached(path):
            return False
        try:
            status = os.stat(path)  # noqa: PTH116 - names are kept to the byte
        except OSError:  # listing says what is wrong
            return True
        self._beginnings.add(path)
        self._inodes.add((status.st_dev, status.st_ino))
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
        known = (status.st_dev, status.st_ino) in self._inodes
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
