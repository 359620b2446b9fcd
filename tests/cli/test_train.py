"""`resnext train`, its method head: what is trained on, what comes out, and that it is a model everywhere."""

import json
import operator
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from support.loopback_hub import LoopbackHub
from support.program import REPO, SAMPLES, RunResnext, clean_environment

CLOTHING = REPO.parent / "shared" / "photos" / "clothing"
CLASSES = ("hat", "pants", "shoes")
pytestmark = pytest.mark.skipif(not CLOTHING.exists(), reason=f"{CLOTHING} is not there")


class Trained(NamedTuple):
    """What one run left, and the cache that it had."""

    photos: Path
    model: Path
    cache: Path
    done: "subprocess.CompletedProcess[str]"
    report: dict[str, Any]

    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.model / "photos.jsonl").read_text().splitlines()]


def _run(
    cache: Path,
    *arguments: Any,
    cwd: Path | None = None,
    python: tuple[str, ...] = (),
    env: dict[str, str] | None = None,
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *python, "-m", "resnext", *map(str, arguments)],
        env=clean_environment(cache.parent / "home", cache) | (env or {}), cwd=cwd, capture_output=True, text=True,
        timeout=300, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, warm_cache: Path) -> Iterator[Trained]:
    """A folder as people have it, trained on once."""
    root = tmp_path_factory.mktemp("train")
    cache, photos = root / "cache", root / "photos"
    shutil.copytree(warm_cache, cache)
    for name in CLASSES:
        shutil.copytree(CLOTHING / "train" / name, photos / name)
        for extra in sorted((photos / name).iterdir())[12:]:
            extra.unlink()
    (photos / "class 10").mkdir()
    shutil.copy(SAMPLES / "coffee.png", photos / "class 10")  # one photo
    (photos / "shoes" / "broken.jpg").write_bytes(sorted((photos / "shoes").iterdir())[0].read_bytes()[:500])
    shutil.copy(sorted((photos / "hat").iterdir())[0], photos / "pants" / "also a hat.jpg")
    shutil.copy(sorted((photos / "hat").iterdir())[1], photos / "hat" / "zz copy.jpg")
    (photos / "empty").mkdir()
    (photos / ".cache").mkdir()
    shutil.copy(SAMPLES / "coffee.png", photos / ".cache")
    shutil.copy(SAMPLES / "coffee.png", photos / "loose.png")
    model = root / "my-clothes"
    done = _run(
        cache, "train", "photos", "-m", "lite0", "--test", CLOTHING / "test" / "..", "-o", model, "--json", cwd=root
    )
    assert done.returncode == 2 and "not of photos that train" in done.stderr  # its classes are more
    test = root / "test"
    for name in CLASSES:
        shutil.copytree(CLOTHING / "test" / name, test / name)
    shutil.copy(sorted((photos / "shoes").iterdir())[0], test / "shoes")  # one that trains
    done = _run(cache, "train", "photos", "-m", "lite0", "--test", "test", "-o", "my-clothes", "--json", cwd=root)
    assert done.returncode == 1, done.stderr
    yield Trained(photos, model, cache, done, json.loads(done.stdout))


def test_what_can_not_be_trained_on_is_named_and_left_out(trained: Trained) -> None:
    data = trained.report["data"]
    assert data["classes"] == {"class 10": 1, "hat": 11, "pants": 12, "shoes": 12}
    assert (data["photos"], data["failed"], data["left_out"]) == (36, 1, 4)
    said = trained.done.stderr
    for words in ("empty: holds no photo", ".cache: hidden", "loose.png: in no folder", "class 10: one photo",
                  "1 test photos are as good as", "shoes"):  # fmt: skip
        assert words in said, words
    rows = trained.rows()
    assert len({tuple(row) for row in rows}) == 1  # the same keys in each
    left = {Path(row["file"]).name: row["error_code"] for row in rows if row["error_code"]}
    assert (
        left["broken.jpg"] == "truncated" and left["also a hat.jpg"] == "two_labels" and left["zz copy.jpg"] == "copy"
    )
    assert sorted(left.values()) == ["copy", "in_test", "truncated", "two_labels", "two_labels"]
    assert sum(row["split"] == "train" for row in rows) == 36
    alone = next(row for row in rows if row["label"] == "class 10")
    assert (alone["fold"], alone["answer"], alone["score"]) == (-1, "", None)


def test_figures_are_of_photos_that_were_held_out(trained: Trained) -> None:
    figures = trained.report["figures"]
    rows = [row for row in trained.rows() if row["answer"]]
    right = sum(row["answer"] == row["label"] for row in rows) / len(rows)
    assert figures["grouped"]["accuracy"]["share"] == pytest.approx(right, abs=1e-4)
    assert figures["grouped"]["photos"] == len(rows) == 35
    assert figures["test"]["accuracy"]["low"] > 0.7 and figures["test"]["photos"] > 40
    for each in (figures["random"], figures["grouped"], figures["test"]):
        assert {"balanced_accuracy", "ece", "confusions", "suspects", "classes"} <= set(each)


def test_the_folder_is_a_model_of_timms_and_answers_as_torch_does(trained: Trained, timm: Any) -> None:
    import torch
    from PIL import Image

    photos = sorted((CLOTHING / "test").glob("*/*.jpg"))[::12]
    done = _run(trained.cache, "classify", "-m", trained.model, "--exact", *photos)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["model"] for row in rows} == {"my-clothes"}
    model = timm.create_model(f"local-dir:{trained.model}", pretrained=True).eval()
    names = model.pretrained_cfg["label_names"]
    assert names == list(trained.report["data"]["classes"])
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=model))
    with torch.inference_mode():
        scores = torch.cat([model(transform(Image.open(photo).convert("RGB"))[None]).softmax(1) for photo in photos])
    assert [row["predictions"][0]["label"] for row in rows] == [names[int(each)] for each in scores.argmax(1)]
    found = [row["predictions"][0]["score"] for row in rows]
    assert np.abs(np.array(found) - scores.max(1).values.numpy()).max() < 1e-3


@pytest.mark.slow
def test_on_the_hub_it_is_the_same_model(trained: Trained) -> None:
    photos = sorted((CLOTHING / "test").glob("*/*.jpg"))[::20]
    files = {("someone/my-clothes", path.name): path for path in trained.model.iterdir()}
    with LoopbackHub(files).running() as hub:
        online = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.endpoint}
        done = _run(trained.cache, "classify", "-m", "hf-hub:someone/my-clothes", *photos, env=online)
    assert done.returncode == 0, done.stderr
    here = _run(trained.cache, "classify", "-m", trained.model, *photos)
    rows, own = ([json.loads(line) for line in each.stdout.splitlines()] for each in (done, here))
    assert {row.pop("model") for row in rows} == {"hf-hub:someone/my-clothes"}
    assert {row.pop("model") for row in own} == {"my-clothes"} and rows == own


@pytest.mark.slow
def test_it_can_be_made_int8(trained: Trained) -> None:
    pytest.importorskip("nncf", reason="the extra int8 is not installed")
    few = ("--calibrate", "20", "--validate", "20", "--agreement", "0")
    command = ("quantize", trained.photos, CLOTHING / "test", "-m", "./my-clothes", *few, "--json")
    done = _run(trained.cache, *command, cwd=trained.photos.parent)
    assert done.returncode == 0, done.stderr
    photos = sorted((CLOTHING / "test").glob("*/*.jpg"))[::20]
    rows = [
        [json.loads(line)["predictions"][0]["label"] for line in each.stdout.splitlines()]
        for each in (
            _run(trained.cache, "classify", "-m", trained.model, "--precision", precision, *photos)
            for precision in ("int8", "fp32")
        )
    ]
    assert len(rows[0]) == len(photos)
    assert sum(map(operator.eq, *rows)) >= 0.7 * len(photos)


def test_the_folder_says_what_it_is(trained: Trained) -> None:
    card = (trained.model / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: timm\n") and "license: apache-2.0" in card
    assert "resnext train photos -m lite0 --test test -o my-clothes" in card
    training = json.loads((trained.model / "training.json").read_text())
    assert training["base"]["weights"].startswith("sha256:579344248a93") and training["settings"]["seed"] == 0
    assert {path.name for path in trained.model.iterdir()} == {
        "config.json", "model.safetensors", "README.md", "photos.jsonl", "training.json"
    }  # fmt: skip
    assert not list(trained.model.parent.glob(".*my-clothes*"))


def test_another_try_computes_nothing_again_and_needs_no_torch(trained: Trained) -> None:
    command = ("train", "photos", "-m", "lite0", "-o", "my-clothes", "--json")
    root = trained.photos.parent
    refused = _run(trained.cache, *command, cwd=root)
    assert refused.returncode == 2 and "already there; --overwrite" in refused.stderr
    weights = (trained.model / "model.safetensors").read_bytes()
    again = _run(trained.cache, *command, "--overwrite", cwd=root, python=("-X", "importtime"))
    assert again.returncode == 1, again.stderr
    assert "39 done before" in again.stderr
    assert not [line for line in again.stderr.splitlines() if line.endswith((" torch", " timm", " torchvision"))]
    assert (trained.model / "model.safetensors").read_bytes() == weights


def test_a_table_says_the_same_as_folders(trained: Trained) -> None:
    root = trained.photos.parent
    lines = ["photo,is"] + [
        f"photos/{path.parent.name}/{path.name},{path.parent.name}"
        for path in sorted(trained.photos.glob("[ps]*/*.jpg"))
    ]
    (root / "birds.csv").write_text("\n".join(lines) + "\n")
    command = ("train", "--labels-from", "birds.csv", "--column", "photo", "--label-column", "is", "-m", "lite0")
    done = _run(trained.cache, *command, "-o", "from-table", "--json", cwd=root)
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["data"]["classes"] == {"pants": 13, "shoes": 12}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("photos/hat", "-o", "new"), 2, "no class: a model needs two or more"),
        (("one", "-o", "new"), 2, "one class, 'hat'"),
        (("broken", "-o", "new"), 3, "nothing to train on: only 1 of 2 classes"),
        (("photos",), 2, "give --output FOLDER"),
        (("photos", "-o", "my-clothes", "--resume"), 2, "already trained, nothing to go on with; --overwrite"),
        (("photos", "-o", "new", "--column", "photo"), 2, "are of a table: give --labels-from"),
        (("photos", "-o", "photos", "--overwrite"), 2, "no model that resnext trained"),
        (("photos", "-o", "nowhere/new"), 3, "its folder does not exist"),
        (("photos/hat/nothing", "-o", "new"), 2, "is no folder"),
        (("--labels-from", "missing.csv", "-o", "new"), 2, "missing.csv"),
        (("photos", "-o", "new", "--precision", "int8"), 2, "resnext quantize"),
    ],
)
def test_what_can_not_be_trained_is_one_line(
    trained: Trained, arguments: tuple[str, ...], code: int, words: str
) -> None:
    root = trained.photos.parent
    if not (root / "one").exists():
        shutil.copytree(trained.photos / "hat", root / "one" / "hat")
        shutil.copytree(trained.photos / "hat", root / "broken" / "hat")
        (root / "broken" / "pants").mkdir()
        (root / "broken" / "pants" / "1.jpg").write_bytes(b"no photo")
    done = _run(trained.cache, "train", *arguments, "-m", "lite0", cwd=root)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    assert len(errors) == 1 and words in errors[0], done.stderr
    assert not (root / "new").exists()


def test_a_dry_run_lists_the_classes(trained: Trained, resnext: RunResnext) -> None:
    done = resnext("train", trained.photos, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["classes"] == [
        {"name": name, "train": count} for name, count in (("class 10", 1), ("hat", 13), ("pants", 13), ("shoes", 13))
    ]
