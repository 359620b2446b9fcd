"""Seeded random weights of a timm model as safetensors: speed does not depend on what a network has learnt.

Usage: python random_weights.py MODEL OUT.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

from torchvision_transforms import import_torchvision


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()

    import torch

    import_torchvision()
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = timm.create_model(args.model, pretrained=False)
    tensors = model.state_dict()
    for name, tensor in tensors.items():
        # timm starts the last norm of each block at zero, which switches the block off. A trained network has none
        # of that, and an engine might make use of it; small weights keep the sum over all blocks in range.
        if name.endswith("bn3.weight"):
            tensor.uniform_(0.1, 0.3)
        # And at zero all biases, which folds them away: a trained network adds one after every convolution.
        elif name.endswith(".bias") and tensor.ndim == 1:
            tensor.uniform_(-0.1, 0.1)
    part = args.out.with_suffix(".part")
    save_file(tensors, part)
    part.replace(args.out)


if __name__ == "__main__":
    main()
