"""Make a set of photos from a few samples: seeded crops, flips and brightness, saved as JPEG.

Usage: python photos.py SAMPLES OUT --count 400 --size 500x375
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

QUALITY = 90
# Enlarging a sample leaves a surface smoother than any sensor gives, and the smoother, the faster a JPEG decodes.
# Where a pixel of the sample becomes more than two each way, this much noise (a standard deviation, of 255) is added;
# it makes 12 megapixels about as large as a phone's file.
ENLARGED = 0.5
GRAIN = 5.0


def make_photos(samples: Path, out: Path, count: int, size: tuple[int, int], seed: int) -> None:
    """Write `count` JPEGs of `size` (width, height) to `out`, the same ones for the same samples and seed."""
    import numpy as np
    from PIL import Image, ImageEnhance, ImageOps

    sources = []
    for path in sorted(samples.iterdir()):
        if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp", ".avif", ".tif", ".tiff"}:
            with Image.open(path) as opened:
                sources.append(ImageOps.exif_transpose(opened).convert("RGB"))
    if not sources:
        raise SystemExit(f"no photos in {samples}")
    dice = random.Random(seed)
    width, height = size
    out.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        source = sources[number % len(sources)]
        # The largest box of the wanted shape, shrunk by up to 40%, anywhere in the sample.
        scale = min(source.width / width, source.height / height) * dice.uniform(0.6, 1.0)
        left = dice.uniform(0, source.width - width * scale)
        top = dice.uniform(0, source.height - height * scale)
        box = (left, top, left + width * scale, top + height * scale)
        photo = source.resize(size, Image.Resampling.BICUBIC, box=box)
        if dice.random() < 0.5:
            photo = ImageOps.mirror(photo)
        photo = ImageEnhance.Brightness(photo).enhance(dice.uniform(0.7, 1.3))
        if scale < ENLARGED:
            grain = np.random.default_rng(seed + number).standard_normal((height, width, 1), dtype=np.float32) * GRAIN
            photo = Image.fromarray((np.asarray(photo) + grain).clip(0, 255).astype(np.uint8))
        photo.save(out / f"{number:05d}.jpg", quality=QUALITY)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("samples", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--size", required=True, metavar="WIDTHxHEIGHT")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    make_photos(args.samples, args.out, args.count, (width, height), args.seed)


if __name__ == "__main__":
    main()
