"""ImageNet's classes, and the logits with what is right for each photo that lie beside the project."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from resnext.records import Label
from support.program import REPO

LABELS = REPO.parent / "shared" / "labels"


class Labelled(NamedTuple):
    """Photos of one set: float32 logits (n, 1000), and for each what is right."""

    logits: NDArray[np.float32]
    truth: list[dict[str, Any]]

    def right(self, row: int, classes: tuple[int, ...]) -> bool:
        """Whether a tag of these classes is right: it holds all of one right set, or lies within what is right."""
        tag, truth = set(classes), self.truth[row]
        return any(tag >= set(each) for each in truth["right"]) or tag <= set(truth.get("within", ()))


def imagenet() -> tuple[Label, ...]:
    """The 1000 classes as the bundled model has them."""
    from resnext.compiling.imagenet_labels import imagenet_labels

    return imagenet_labels(1000)


def labelled(name: str) -> Labelled:
    """The photos of one set that have a truth; skips the test where the set is absent."""
    if not (LABELS / f"{name}.npz").exists():
        pytest.skip(f"{LABELS / name}.npz is not there")
    truth = [json.loads(line) for line in Path(LABELS / f"{name}.jsonl").read_text().splitlines()]
    kept = [row for row, each in enumerate(truth) if each["right"]]
    with np.load(LABELS / f"{name}.npz") as arrays:
        logits = arrays["logits"].astype(np.float32)[kept]
    return Labelled(logits, [truth[row] for row in kept])
