"""What this machine's processor can do, as far as the system tells."""

from functools import cache
from pathlib import Path


@cache
def processor_features() -> tuple[str, ...]:
    """The names that Linux gives to the instruction sets of the first processor; elsewhere what Python knows."""
    try:
        # The system writes a block for each processor as it is read: of hundreds, one is enough.
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            beginning = file.read(16384)
    except OSError:
        beginning = ""
    for line in beginning.splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() in ("flags", "features"):
            return tuple(value.split())
    import platform

    return (platform.machine(), platform.processor())
