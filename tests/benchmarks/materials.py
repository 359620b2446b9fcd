"""What the benchmarks work on: photos, weights and compiled models, made once and kept in the work folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from measure import run
from setting import HERE, SAMPLES, Setting, emptied

GRAPHS = "**/graph.xml"
ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif"}


@dataclass(frozen=True)
class Model:
    """A model under resnext's name and timm's; the weights are seeded random ones, but for the bundled model's own."""

    name: str
    timm_name: str
    bundled: bool = False


RESNEXT50 = Model("ssl_resnext50_32x4d", "resnext50_32x4d.fb_ssl_yfcc100m_ft_in1k")
RESNEXT101 = Model("ssl_resnext101_32x16d", "resnext101_32x16d.fb_ssl_yfcc100m_ft_in1k")
OTHERS = (
    Model("ssl_resnext101_32x4d", "resnext101_32x4d.fb_ssl_yfcc100m_ft_in1k"),
    Model("ssl_resnext101_32x8d", "resnext101_32x8d.fb_ssl_yfcc100m_ft_in1k"),
    RESNEXT101,
    Model("tf_efficientnet_lite0", "tf_efficientnet_lite0.in1k", bundled=True),
)


def photo_set(work: Path, count: int, size: str) -> Path:
    """A folder of `count` JPEGs made from the sample images, `size` as in 500x375."""
    samples = sorted(path for path in SAMPLES.iterdir() if path.suffix.lower() in ENDINGS)
    maker = HERE / "photos.py"
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in [maker, *samples])).hexdigest()[:8]
    folder = work / "photos" / f"{count}-of-{size}-{digest}"
    if not folder.exists():
        part = emptied(folder.with_name(folder.name + ".part"))
        command = [sys.executable, str(maker), str(SAMPLES), str(part), "--count", str(count), "--size", size]
        run(command, os.environ, work / "logs" / "photos.log")
        part.rename(folder)
    return folder


def numbered(work: Path, name: str, source: Path, count: int | None = None) -> Path:
    """A flat folder of links to the photos of `source`, taken round and round until there are `count`."""
    photos = sorted(path for path in source.rglob("*") if path.suffix.lower() in ENDINGS)
    if not photos:
        raise SystemExit(f"no photos in {source}")
    folder = emptied(work / "photos" / name)
    for number in range(count or len(photos)):
        photo = photos[number % len(photos)]
        link = folder / f"{number:05d}{photo.suffix.lower()}"
        try:
            link.hardlink_to(photo)
        except OSError:  # another file system
            shutil.copyfile(photo, link)
    return folder


def weights(setting: Setting, model: Model) -> Path:
    """The file with the model's random weights."""
    path = setting.work / "weights" / f"{model.name}.safetensors"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        setting.script("random_weights.py", model.timm_name.partition(".")[0], path)
    return path


def options(setting: Setting, model: Model) -> tuple[str | Path, ...]:
    """The options of resnext that name a model and its weights."""
    return ("-m", model.name) if model.bundled else ("-m", model.name, "--weights", weights(setting, model))


def compiled(setting: Setting, model: Model) -> Path:
    """A cache folder that holds this one model, compiled by resnext as it is now, never by an earlier one."""
    folder = setting.work / "compiled" / model.name
    if not list(folder.glob(GRAPHS)):
        photo = sorted(setting.photos.iterdir())[0]
        setting.classify(folder, photo, *options(setting, model))
    return folder


def graph(cache: Path, *, int8: bool = False) -> Path:
    """The one graph in a cache folder, or the one that was made of it in int8."""
    found = [path for path in sorted(cache.glob(GRAPHS)) if _is_int8(path) == int8]
    if len(found) != 1:
        raise RuntimeError(f"{len(found)} graphs in {cache}, one expected")
    return found[0]


def _is_int8(path: Path) -> bool:
    return json.loads(path.with_name("entry.json").read_text())["body"]["quantization"] is not None
