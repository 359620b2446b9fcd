"""What the figures were taken on: processor, its low-precision instructions, versions, load."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from resnext.engines.openvino.processor import this_processor

PACKAGES = ("resnext", "torch", "torchvision", "timm", "openvino", "numpy", "pillow")
# The instructions that make bfloat16 and int8 fast: matrix tiles, and dot products on vectors.
LOW_PRECISION = ("amx_bf16", "avx512_bf16", "amx_int8", "avx512_vnni", "avx_vnni")


def describe() -> dict[str, str]:
    """Name and value of everything that a reader needs to judge the figures."""
    processor = this_processor()
    found = [name for name in LOW_PRECISION if name in processor.features]
    facts = {
        "processor": f"{_usable_cpus()} x {processor.name}",
        "low precision": ", ".join(found) or "none of " + ", ".join(LOW_PRECISION),
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


def kind() -> str:
    """The kind of processor by what makes bfloat16 fast: "amx", "avx512_bf16" or "plain"."""
    features = this_processor().features
    return "amx" if "amx_bf16" in features else "avx512_bf16" if "avx512_bf16" in features else "plain"


def load() -> str:
    """Load average over one minute: anything well above 0 at the start means that others compute here too."""
    return f"{os.getloadavg()[0]:.2f}"


def _usable_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
