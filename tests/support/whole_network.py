"""A tiny network to train in a second, its photos, and the training as a process of its own."""

import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from resnext.console.terminal import Notices
from resnext.models.model_config import ModelConfig
from resnext.models.weights import from_file
from resnext.records import Source
from resnext.training.full.recipe import Recipe
from resnext.training.full.settings import FullSettings
from resnext.training.labelled import LabelledPhoto
from resnext.training.trained import BaseModel, HeadFit

if TYPE_CHECKING:
    from resnext.training.full.settings import WholeNetwork

CLASSES = 3
# Seconds of a processor decide what is here: 5 epochs of 3 steps of 8 photos of 64 pixels.
RECIPE = Recipe(
    epochs=5, batch_size=8, low_size=32, lr=1e-2, freeze_bn=False, layer_decay=None, patience=0, drop=0.1, reprob=0.2
)

# Without what depends on the photos that a process has of a step, and without what makes much of the last bits.
PLAIN = replace(RECIPE, drop=0.0, freeze_bn=True, opt="momentum", weight_decay=0.0)


def labelled_photos(folder: Path, each: int, seed: int = 0) -> tuple[LabelledPhoto, ...]:
    """Photos that differ by their color, on noise: `each` of every class."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    photos = []
    for at in range(CLASSES * each):
        pixels = rng.integers(0, 120, (60, 80, 3), dtype=np.uint8)
        pixels[..., at % CLASSES] += 100
        file = folder / f"{at}.png"
        Image.fromarray(pixels).save(file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        photos.append(LabelledPhoto(Source(str(file)), at % CLASSES, digest, digest))
    return tuple(photos)


def tiny_base(folder: Path, name: str = "test_resnet", side: int = 64) -> BaseModel:
    """timm's network of this name with seeded random weights."""
    import torch
    from safetensors.torch import save_file

    from resnext.compiling.timm_models import import_timm

    torch.manual_seed(0)
    module = import_timm().create_model(name)
    file = folder / f"{name}.safetensors"
    if not file.exists():
        save_file(module.state_dict(), file)
    cfg: dict[str, Any] = {"input_size": (3, side, side)}
    facts = {**module.pretrained_cfg, **cfg}
    return BaseModel(name, ModelConfig(name, pretrained_cfg=cfg), from_file(file), "none", module.num_features, facts)


def blind_head(base: BaseModel) -> HeadFit:
    """A head that says the first class of everything."""
    weight, bias = np.zeros((CLASSES, base.num_features), np.float32), np.array([1, 0, 0], np.float32)
    return HeadFit(weight, bias, 1.0, np.zeros((0, CLASSES), np.float32), 1.0)


def digest_of(tensors: Mapping[str, Any]) -> str:
    """What distinguishes these tensors, to the byte."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + tensors[name].tobytes())
    return digest.hexdigest()


def train(folder: Path, recipe: Recipe = RECIPE, **options: Any) -> "WholeNetwork":
    """Train the tiny network on photos of `folder`, where its state is kept too."""
    from resnext.training.full.training import train_full

    base = options.pop("base", None) or tiny_base(folder)
    progress, notices = options.pop("progress", lambda *told: None), options.pop("notices", Notices(quiet=True))
    photos = options.pop("photos", None) or labelled_photos(folder / "training", 8)
    validation = options.pop("validation", None)
    validation = labelled_photos(folder / "validation", 4, seed=1) if validation is None else validation
    head = options.pop("head", blind_head(base))
    settings = replace(FullSettings(recipe), **options)
    return train_full(base, CLASSES, photos, validation, head, settings, progress, notices, folder / "state")


if __name__ == "__main__":
    # FOLDER [--resume]: a state after every step, and in the end the digest of the tensors on stdout.
    from resnext.training.full import loop, training

    loop._SAVE_SECONDS = loop._SAVE_PART = 0
    recipe = PLAIN if "--plain" in sys.argv else RECIPE
    if os.environ.get("RANK", "0") == "0":
        told = train(Path(sys.argv[1]), recipe, resume="--resume" in sys.argv)
        print(digest_of(told.tensors), flush=True)
    else:
        training.follow(tiny_base(Path(sys.argv[1])), FullSettings(recipe), Path(sys.argv[1]) / "state")
