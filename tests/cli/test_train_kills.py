"""`resnext train` that is killed, interrupted or met by another run: the next one goes on, to the same bytes."""

import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from support.program import PROGRAM, clean_environment

PHOTOS = 40


@pytest.fixture
def place(tmp_path: Path, tiny_cache: Path) -> Path:
    """Photos of two colors, and a cache of their own for each run."""
    generator = np.random.default_rng(0)
    for at in range(PHOTOS):
        folder = tmp_path / "photos" / ("red", "blue")[at % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 120, (300, 400, 3), np.uint8)
        pixels[..., (at % 2) * 2] += 120
        Image.fromarray(pixels).save(folder / f"{at}.png")
    shutil.copytree(tiny_cache, tmp_path / "cache")
    return tmp_path


def _start(place: Path, model: Path, cache: str = "cache", output: str = "out") -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*PROGRAM, "train", "photos", "-m", str(model), "-o", output, "--json"],
        env=clean_environment(place / "home", place / cache),
        cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _kept(place: Path) -> int:
    return sum(path.stat().st_size for path in place.glob("cache/features/*/*"))


def test_killed_at_any_moment_it_ends_in_the_same_bytes(place: Path, tiny_model: Path) -> None:
    shutil.copytree(place / "cache", place / "other-cache")
    undisturbed = _start(place, tiny_model, "other-cache", "undisturbed")
    said = undisturbed.communicate(timeout=120)[1]
    assert undisturbed.returncode == 0, said
    whole = sum(path.stat().st_size for path in place.glob("other-cache/features/*/*"))
    chance = random.Random(0)
    for _ in range(3):
        goal, end = _kept(place) + chance.random() * whole / 2, time.monotonic() + 60
        with _start(place, tiny_model) as process:
            while process.poll() is None and time.monotonic() < end and _kept(place) < goal:
                time.sleep(0.001)
            process.kill()
    process = _start(place, tiny_model) if not (place / "out").exists() else None
    if process is not None:
        said = process.communicate(timeout=120)[1]
        assert process.returncode == 0 and "done before" in said, said
    for name in ("model.safetensors", "config.json", "photos.jsonl"):
        assert (place / "out" / name).read_bytes() == (place / "undisturbed" / name).read_bytes(), name
    assert not [path.name for path in place.iterdir() if "resnext-new" in path.name]


def test_interrupted_it_says_how_to_go_on(place: Path, tiny_model: Path) -> None:
    process = _start(place, tiny_model)
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end and not _kept(place):
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == -signal.SIGINT, said
    assert "kept" in said.splitlines()[-1] and not (place / "out").exists()


def test_a_place_that_another_run_has_is_left_alone(place: Path, tiny_model: Path) -> None:
    with FileLock(place / ".out.lock"):
        process = _start(place, tiny_model)
        said: Any = process.communicate(timeout=120)
    assert (process.returncode, said[0]) == (3, "") and "another run is training it" in said[1]
