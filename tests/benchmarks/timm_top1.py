"""The reference for agreement: timm's own model and transform in float32, one photo at a time, nothing of resnext.

Usage: python timm_top1.py OUT.json FOLDER...

OUT.json: file name -> [index of the best label, its lead over the second best as a difference of probabilities].

The photos are turned upright first, which timm leaves to its caller.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from bundled_timm import bundled_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    args = parser.parse_args()

    model = bundled_model()
    import timm
    import torch
    from PIL import Image, ImageOps, UnidentifiedImageError

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
