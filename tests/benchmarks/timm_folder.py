"""timm's documented evaluation loop over a folder, after the inference.py of its repository.

Usage: python timm_folder.py FOLDER --model resnext50_32x4d --weights FILE --out labels.csv [--best] [--batch-size 32]

Its defaults are that script's: batches of 256, two loading workers, the prefetching loader, float32.
"""

from __future__ import annotations

import argparse
import csv
from contextlib import nullcontext
from pathlib import Path

from torchvision_transforms import import_torchvision


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--best", action="store_true", help="bfloat16 autocast and channels_last")
    parser.add_argument("--channels-last", action="store_true", help="channels_last, in float32")
    args = parser.parse_args()

    import torch

    import_torchvision()
    import timm
    from timm.data import ImageNetInfo, create_dataset, create_loader, resolve_model_data_config

    device = torch.device("cpu")
    model = timm.create_model(args.model, pretrained=True, pretrained_cfg_overlay={"file": args.weights}).eval()
    channels_last = args.best or args.channels_last
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    loader = create_loader(
        create_dataset(name="", root=str(args.folder)),
        batch_size=args.batch_size,
        use_prefetcher=True,
        num_workers=args.workers,
        device=device,
        **resolve_model_data_config(model),
    )
    autocast = torch.autocast(device_type=device.type, dtype=torch.bfloat16) if args.best else nullcontext()
    scores: list[list[float]] = []
    indices: list[list[int]] = []
    with torch.inference_mode():
        for batch, _ in loader:
            if channels_last:
                batch = batch.contiguous(memory_format=torch.channels_last)
            with autocast:
                logits = model(batch)
            best = logits.float().softmax(-1).topk(5)
            scores += best.values.tolist()
            indices += best.indices.tolist()

    labels = ImageNetInfo()
    with args.out.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "index", "label", "prob"])
        for name, row, probabilities in zip(loader.dataset.filenames(basename=True), indices, scores, strict=True):
            writer.writerow([name, row, [labels.index_to_description(index) for index in row], probabilities])


if __name__ == "__main__":
    main()
