"""A model in the form that timm pushes to the hub, small enough to be compiled in a moment."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resnext.records import PreprocessingConfig
from resnext.shelf.shelf import ModelRequest, Shelf
from resnext.store.store import Store
from support.checkpoints import save_safetensors, seeded_state_dict
from support.program import Heard

ARCHITECTURE = "test_resnet"
CLASSES = ("tabby", "beagle", "sparrow")
CFG = {
    **{"input_size": [3, 128, 128], "crop_pct": 0.9, "crop_mode": "center", "interpolation": "bicubic"},
    **{"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "first_conv": "conv1.0", "classifier": "fc"},
}


def write_tiny_model(folder: Path, timm: Any, **cfg: Any) -> None:
    """Make a folder with seeded random weights and three classes; `cfg` has what is the model's own beside them."""
    folder.mkdir()
    save_safetensors(seeded_state_dict(timm, ARCHITECTURE, num_classes=3), folder / "model.safetensors")
    cfg = CFG | cfg
    config = {"architecture": ARCHITECTURE, "num_classes": 3, "label_names": CLASSES, "pretrained_cfg": cfg}
    (folder / "config.json").write_text(json.dumps(config))


class Answer(NamedTuple):
    """All that labels come from."""

    name: str
    logits: NDArray[np.float32]
    labels: tuple[str, ...]
    preprocessing: PreprocessingConfig


def answer_of(model: Path | str | None, cache: Path, heard: Heard, weights: Path | None = None) -> Answer:
    """Answer a seeded crop as a new process does; without `model` it is told by the weights."""
    request = ModelRequest(weights=weights, precision="fp32")
    opened = Shelf(heard, Store(cache)).open(request._replace(model=str(model)) if model else request)
    _, height, width = opened.preprocessing.input_size
    crops = np.random.default_rng(7).integers(0, 256, (1, height, width, 3), np.uint8)
    logits = opened.load("latency").submit(crops).result()["logits"]
    return Answer(opened.name, logits, tuple(label.name for label in opened.labels()), opened.preprocessing)
