"""What the figures were taken on: processor, its low-precision instructions, versions, load."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("resnext", "torch", "torchvision", "timm", "openvino", "numpy", "pillow")
# The instructions that make bfloat16 fast: matrix tiles, and dot products on vectors.
BF16_FLAGS = ("amx_bf16", "avx512_bf16")


def describe() -> dict[str, str]:
    """Name and value of everything that a reader needs to judge the figures."""
    flags, model = _processor()
    found = [flag for flag in BF16_FLAGS if flag in flags]
    facts = {
        "processor": f"{_usable_cpus()} x {model}",
        "bf16": ", ".join(found) or "none of " + ", ".join(BF16_FLAGS),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    for package in PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed as a package"
    facts["load"] = load()
    return facts


def has_bf16() -> bool:
    """Whether the processor computes bfloat16 itself."""
    flags, _ = _processor()
    return any(flag in flags for flag in BF16_FLAGS)


def kind() -> str:
    """The kind of processor by what makes bfloat16 fast: "amx", "avx512_bf16" or "plain"."""
    flags, _ = _processor()
    return "amx" if "amx_bf16" in flags else "avx512_bf16" if "avx512_bf16" in flags else "plain"


def load() -> str:
    """Load average over one minute: anything well above 0 at the start means that others compute here too."""
    return f"{os.getloadavg()[0]:.2f}"


def _usable_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> tuple[frozenset[str], str]:
    """Flags and model name as Linux lists them; elsewhere no flags and what Python knows."""
    listing = Path("/proc/cpuinfo")
    fields: dict[str, str] = {}
    if listing.exists():
        for line in listing.read_text().splitlines():
            name, _, value = line.partition(":")
            fields.setdefault(name.strip(), value.strip())
    return frozenset(fields.get("flags", "").split()), fields.get("model name") or platform.processor() or "unknown"
