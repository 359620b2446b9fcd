"""What of this machine matters for speed and precision: cores, memory, and what its CPU computes in."""

import os
import platform
from pathlib import Path
from typing import Any

# What /proc/cpuinfo calls it (x86 flags, arm64 Features) -> what it is good for here.
_CPU_FEATURES = {
    "avx2": "avx2",
    "avx512f": "avx512f",
    "avx512_vnni": "int8",
    "avx_vnni": "int8",
    "i8mm": "int8",
    "asimddp": "int8",
    "avx512_bf16": "bf16",
    "bf16": "bf16",
    "amx_bf16": "amx_bf16",
    "amx_int8": "amx_int8",
}


def report() -> dict[str, Any]:
    """`cores` usable by this process; `memory_gb`; `cpu_features` as the kernel lists them, [] where it lists none."""
    flags = _cpu_flags()
    found = [flag for flag in _CPU_FEATURES if flag in flags]
    return {
        "system": platform.platform(),
        "cpu": _cpu_name(),
        "cores": _usable_cores(),
        "cores_in_all": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "cpu_features": found,
        "bf16": any(_CPU_FEATURES[flag].endswith("bf16") for flag in found),
        "int8": any(_CPU_FEATURES[flag].endswith("int8") for flag in found),
        "amx": any(_CPU_FEATURES[flag].startswith("amx") for flag in found),
    }


def text(found: dict[str, Any]) -> str:
    """The machine in words."""
    cores = f"{found['cores']} of {found['cores_in_all']} cores"
    memory = f", {found['memory_gb']:.0f} GB of memory" if found["memory_gb"] else ""
    if not found["cpu_features"]:
        return f"{found['cpu']}, {cores}{memory}; this system does not list CPU features"
    known = ", ".join(f"{name} {'yes' if found[name.casefold()] else 'no'}" for name in ("bf16", "AMX", "int8"))
    return f"{found['cpu']}, {cores}{memory}; {known} ({', '.join(found['cpu_features'])})"


def _cpu_flags() -> set[str]:
    for line in _cpuinfo():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return set(value.split())
    return set()


def _cpu_name() -> str:
    for line in _cpuinfo():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:  # no Linux
        return []


def _usable_cores() -> int:
    """Cores that this process may use: its affinity, and a container's share of processor time."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(allowed, int(quota) // int(period)))
    except (OSError, ValueError, ZeroDivisionError):  # no cgroup, or "max": no limit
        return allowed


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None
