"""Let timm import torchvision's transforms also where torchvision's operators do not load."""

from __future__ import annotations

import sys
import types


def import_torchvision() -> None:
    """Import torchvision; where it was built for another torch, import it without its compiled operators.

    A torchvision built for CUDA beside a torch for the CPU fails with "operator torchvision::nms does not exist" as it
    registers shapes for operators that it could not load. timm needs only its transforms, which are plain Python.
    Where the install is sound this is the import that timm would do anyway, and costs nothing.
    """
    try:
        import torchvision
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        sys.modules["torchvision._meta_registrations"] = types.ModuleType("torchvision._meta_registrations")
        import torchvision  # noqa: F401
