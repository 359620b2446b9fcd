"""The SSL ResNeXts as bases of `resnext train`, with seeded random weights: the whole path, its licence with it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resnext.models.catalog import CatalogEntry
from support.checkpoints import save_safetensors, seeded_state_dict
from support.family import FAMILY_BY_SIZE
from support.program import PROGRAM, clean_environment


@pytest.mark.parametrize("entry", FAMILY_BY_SIZE, ids=lambda entry: entry.name)
def test_a_resnext_is_a_base(tmp_path: Path, timm: Any, entry: CatalogEntry, amount: Callable[[int, int], int]) -> None:
    from safetensors.numpy import load_file

    generator = np.random.default_rng(0)
    for at in range(amount(12, 8)):
        folder = tmp_path / "photos" / ("red", "blue")[at % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 120, (240, 240, 3), np.uint8)
        pixels[..., (at % 2) * 2] += 120
        Image.fromarray(pixels).save(folder / f"{at}.png")
    weights = save_safetensors(seeded_state_dict(timm, entry.timm_name), tmp_path / "seeded.safetensors")
    model = tmp_path / "colors"
    command = ["train", tmp_path / "photos", "-m", entry.name, "--weights", weights, "-o", model, "--json"]
    environment = clean_environment(tmp_path / "home", tmp_path / "cache")
    done = subprocess.run([*PROGRAM, *map(str, command)], env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["base"]["architecture"] == entry.timm_name and "CC-BY-NC" in report["base"]["licence"]
    assert report["figures"]["grouped"] is None or report["figures"]["random"]["accuracy"]["share"] > 0.9
    assert "license: cc-by-nc-4.0" in (model / "README.md").read_text()
    tensors, base = load_file(model / "model.safetensors"), load_file(weights)
    assert tensors["fc.weight"].shape == (2, 2048) and set(tensors) == set(base)
    assert all(np.array_equal(tensors[name], base[name]) for name in base if not name.startswith("fc."))
