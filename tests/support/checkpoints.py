"""Seeded random checkpoints for the real path: every parameter and statistic is random, so that a wrong one shows."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file


def seeded_state_dict(timm: Any, timm_name: str, seed: int = 0, **options: Any) -> dict[str, torch.Tensor]:
    """Random weights with activations that neither vanish nor explode through 101 layers.

    timm's own initialisation zeroes the last normalization of each block: the blocks would then not be tested at all.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    state_dict = timm.create_model(timm_name, pretrained=False, **options).state_dict()
    for name, tensor in state_dict.items():
        if not tensor.is_floating_point() or tensor.ndim != 1:
            continue
        noise = torch.rand(tensor.shape, generator=generator)
        if name.endswith("running_var"):
            tensor.copy_(0.5 + noise)
        elif name.endswith(".weight"):
            tensor.copy_((0.1 if ".bn3." in name else 0.8) + 0.4 * noise)
        else:
            tensor.copy_(0.2 * (noise - 0.5))
    return {name: tensor.contiguous() for name, tensor in state_dict.items()}


def save_safetensors(state_dict: dict[str, torch.Tensor], path: Path) -> Path:
    """Write a checkpoint whole or not at all: several test processes may ask for the same one."""
    if not path.exists():
        temporary = path.with_name(f"{path.name}.{id(state_dict)}.new")
        save_file(state_dict, temporary)
        temporary.replace(path)
    return path


def normalized(crops: NDArray[np.uint8]) -> torch.Tensor:
    """uint8 (B, H, W, 3) -> float32 (B, 3, H, W) with ImageNet's mean and std, as torchvision does it."""
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return torch.from_numpy(crops).permute(0, 3, 1, 2).float().div(255).sub(mean).div(std)
