"""A plain timm script, as on the model card: the five best labels of one photo.

Usage: python timm_one.py PHOTO --model resnext50_32x4d --weights FILE
"""

from __future__ import annotations

import argparse
from pathlib import Path

from torchvision_transforms import import_torchvision


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--weights", required=True)
    args = parser.parse_args()

    import torch

    import_torchvision()
    import timm
    from PIL import Image

    model = timm.create_model(args.model, pretrained=True, pretrained_cfg_overlay={"file": args.weights}).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    photo = Image.open(args.photo).convert("RGB")
    with torch.inference_mode():
        probabilities = model(transform(photo).unsqueeze(0)).softmax(dim=1)
    scores, indices = probabilities[0].topk(5)
    labels = timm.data.ImageNetInfo()
    for score, index in zip(scores.tolist(), indices.tolist(), strict=True):
        print(f"{score:.4f}  {labels.index_to_description(index)}")


if __name__ == "__main__":
    main()
