"""The facts of this machine that decide speed and precision: cores, memory, and the number types of its CPU."""

import os
import platform
from typing import Any

from resnext.engines.openvino.processor import this_processor
from resnext.images.resources import processors

# The features that are reported, by Linux's names.
_TOLD = (
    "avx2", "avx512f", "avx512_vnni", "avx_vnni", "i8mm", "asimddp", "avx512_bf16", "bf16", "amx_bf16", "amx_int8",
)  # fmt: skip


def report() -> dict[str, Any]:
    """`cores` usable by this process; `memory_gb`; `cpu_features` as the kernel lists them, [] where it lists none."""
    processor = this_processor()
    return {
        "system": platform.platform(),
        "cpu": processor.name,
        "cores": processors(),
        "cores_in_all": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "cpu_features": [name for name in _TOLD if name in processor.features],
        "bf16": processor.has_bf16,
        "int8": processor.has_int8,
        "amx": processor.has_amx,
    }


def text(found: dict[str, Any]) -> str:
    """The machine in words."""
    cores = f"{found['cores']} of {found['cores_in_all']} cores"
    memory = f", {found['memory_gb']:.0f} GB of memory" if found["memory_gb"] else ""
    if not found["cpu_features"]:
        return f"{found['cpu']}, {cores}{memory}; this system does not list CPU features"
    known = ", ".join(f"{name} {'yes' if found[name.casefold()] else 'no'}" for name in ("bf16", "AMX", "int8"))
    return f"{found['cpu']}, {cores}{memory}; {known} ({', '.join(found['cpu_features'])})"


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None
