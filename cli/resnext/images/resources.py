"""How much memory and how many processors this process may have: the least of what machine, cgroup and ulimit say."""

import math
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
# Where the system tells nothing: what a small machine has.
_UNKNOWN_BYTES = 4 << 30


def memory_bytes(root: Path = _ROOT, membership: Path = _MEMBERSHIP) -> int:
    """Give the bytes of memory that this process can hope for, those that it has already included."""
    limits = [_machine_bytes(), *_address_space()]
    for folder in _folders("memory", root, membership):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):  # "max", or no such controller
                limits.append(int((folder / name).read_text()))
    return min(limits)


def processors(root: Path = _ROOT, membership: Path = _MEMBERSHIP) -> int:
    """Give the number of processors that this process may keep busy, 1 or more."""
    count = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    for folder in _folders("cpu", root, membership):
        for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
            with suppress(OSError, ValueError):  # "max", or no such controller
                quota, period = map(int, " ".join((folder / name).read_text() for name in names).split())
                if quota > 0 and period > 0:  # version 1 has -1 for no limit
                    count = min(count, math.ceil(quota / period))
    return max(1, count)


def _folders(controller: str, root: Path, membership: Path) -> Iterator[Path]:
    """The process's cgroup and all above it, of version 2 and of version 1; each of them may set a limit."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            mount = root
        elif controller in controllers.split(","):
            mount = root / controllers if (root / controllers).is_dir() else root / controller
        else:
            continue
        inside = mount / path.lstrip("/")
        # A container may see its own cgroup as the root of the mount, under whatever name it has outside.
        yield inside
        for folder in inside.parents:
            yield folder
            if folder == mount:
                break


def _machine_bytes() -> int:
    with suppress(OSError, ValueError, AttributeError):  # Windows has no sysconf
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return _UNKNOWN_BYTES


def _address_space() -> Iterator[int]:
    if sys.platform == "win32":
        return
    import resource

    for each in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        soft, _ = resource.getrlimit(each)
        if soft != resource.RLIM_INFINITY:
            yield soft
