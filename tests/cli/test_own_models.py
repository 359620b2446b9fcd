"""Models of the user's own: folders and repositories in timm's form, checkpoints of training scripts."""

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from support.checkpoints import seeded_state_dict
from support.loopback_hub import LoopbackHub
from support.program import SAMPLES, Heard, RunResnext, clean_environment
from support.tiny_model import answer_of

PHOTO = SAMPLES / "coffee.png"
ARCHITECTURE = "test_resnet"
CLASSES = ["cat", "dog", "bird"]
CFG = {
    "input_size": [3, 128, 128],
    "mean": [0.5, 0.4, 0.3],
    "std": [0.2, 0.3, 0.4],
    "crop_pct": 0.9,
    "interpolation": "bilinear",
    "crop_mode": "center",
    "fixed_input_size": False,
    "first_conv": "conv1.0",
    "classifier": "fc",
}


@pytest.fixture(scope="module")
def state_dict(timm: Any) -> dict[str, torch.Tensor]:
    return seeded_state_dict(timm, ARCHITECTURE, num_classes=3)


@pytest.fixture
def birds(tmp_path: Path, state_dict: dict[str, torch.Tensor]) -> Path:
    """A folder in the form that timm pushes to the hub."""
    folder = tmp_path / "my-birds"
    folder.mkdir()
    save_file(state_dict, folder / "model.safetensors")
    config = {"architecture": ARCHITECTURE, "num_classes": 3, "label_names": CLASSES, "pretrained_cfg": CFG}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def scores_of(done: "subprocess.CompletedProcess[str]") -> dict[str, float]:
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    return {each["label"]: each["score"] for each in row["predictions"]}


def test_a_folder_is_a_model_as_plain_timm_opens_it(
    resnext: RunResnext, tmp_path: Path, birds: Path, timm: Any
) -> None:
    cache = tmp_path / "cache"
    data = importlib.import_module("timm.data")
    model = timm.create_model(f"local-dir:{birds}", pretrained=True).eval()
    transform = data.create_transform(**data.resolve_model_data_config(model), is_training=False)
    with Image.open(PHOTO) as photo, torch.inference_mode():
        scores = model(transform(photo.convert("RGB"))[None]).softmax(-1)[0]
    expected = dict(zip(CLASSES, scores.tolist(), strict=True))
    first = resnext("classify", "-m", birds, "--exact", PHOTO, cache=cache)
    assert "compiling my-birds, a test_resnet, once" in first.stderr
    assert scores_of(first) == pytest.approx(expected, abs=1e-5)
    assert json.loads(first.stdout)["model"] == "my-birds"
    again = resnext("classify", "-m", f"local-dir:{birds}", "--exact", PHOTO, cache=cache)
    assert (again.stdout, again.stderr) == (first.stdout, "")
    saved = resnext("features", "-m", birds, "-o", tmp_path / "f.npy", PHOTO, cache=cache)
    assert saved.returncode == 0 and np.load(tmp_path / "f.npy").ndim == 2
    card = json.loads(resnext("info", birds, "--json", cache=cache).stdout)
    assert (card["name"], card["num_classes"], card["state"]) == ("my-birds", 3, "compiled")
    assert card["architecture"]["name"] == ARCHITECTURE and card["preprocessing"]["mean"] == CFG["mean"]
    labels = json.loads(resnext("info", birds, "--labels", "--json", cache=cache).stdout)
    assert [label["name"] for label in labels["labels"]] == CLASSES
    # A changed folder is another model.
    config = json.loads((birds / "config.json").read_text())
    (birds / "config.json").write_text(json.dumps(config | {"label_names": ["a", "b", "c"]}))
    changed = scores_of(resnext("classify", "-m", birds, "--exact", PHOTO, cache=cache))
    assert sorted(changed) == ["a", "b", "c"]


def test_a_repository_of_the_hub_is_a_model(resnext: RunResnext, tmp_path: Path, birds: Path) -> None:
    files = {("someone/birds", name): birds / name for name in ("config.json", "model.safetensors")}
    command = ("classify", "-m", "hf-hub:someone/birds", "--exact", PHOTO)
    with LoopbackHub(files).running() as hub:
        online = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.endpoint}
        first = resnext(*command, cache=tmp_path / "cache", env=online)
        missing = resnext("classify", "-m", "hf-hub:someone/else", PHOTO, cache=tmp_path / "cache", env=online)
    assert sorted(scores_of(first)) == sorted(CLASSES)
    assert json.loads(first.stdout)["model"] == "hf-hub:someone/birds" and "downloading" in first.stderr
    again = resnext(*command, cache=tmp_path / "cache")
    assert (again.stdout, again.stderr) == (first.stdout, "")
    assert missing.returncode == 3 and missing.stderr.count("\n") <= 2 and "someone/else" in missing.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "config.json").unlink(), "configuration"),
        (lambda folder: (folder / "model.safetensors").unlink(), "holds no weights"),
        (lambda folder: (folder / "config.json").write_text('{"architecture": "no_such_net"}'), "none of timm's"),
        (lambda folder: (folder / "config.json").write_text('{"architecture": "resnet18"}'), "do not fit"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"GIF89a"), "an image, not weights"),
    ],
)
def test_a_folder_that_is_no_model_is_one_line(
    resnext: RunResnext, tmp_path: Path, birds: Path, change: Any, words: str
) -> None:
    change(birds)
    done = resnext("classify", "-m", birds, PHOTO, cache=tmp_path / "cache")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert words in done.stderr and "compiling" not in done.stderr


def test_checkpoints_of_training_scripts_tell_what_they_are(
    tmp_path: Path, state_dict: dict[str, torch.Tensor]
) -> None:
    """One network in the forms of many trainers: the same answer, by the file's own name, compiled once."""
    args = argparse.Namespace(model=ARCHITECTURE, mean=CFG["mean"], std=CFG["std"], crop_pct=0.9, img_size=128)
    forms: dict[str, Any] = {
        "timm-train": {"arch": ARCHITECTURE, "args": args, "state_dict": state_dict, "metric": np.float64(0.5)},
        "plain-3f2a9c1d": {
            "architecture": ARCHITECTURE,
            "pretrained_cfg": CFG | {"input_size": (3, 128, 128)},
            "model_state_dict": {f"module.{name}": each for name, each in state_dict.items()},
        },
        "lightning": {
            "model_name": ARCHITECTURE,
            "pretrained_cfg": CFG,
            "state_dict": {f"model._orig_mod.{name}": each for name, each in state_dict.items()},
            "epoch": np.int64(3),
        },
    }
    answers = []
    for name, form in forms.items():
        path = tmp_path / f"{name}.pth"
        torch.save(form, path)
        answers.append(answer_of(None, tmp_path / "cache", Heard(), path))
        assert answers[-1].name == name
    np.testing.assert_array_equal(answers[1].logits, answers[2].logits)
    assert answers[1].preprocessing == answers[2].preprocessing
    assert answers[0].labels == ("class 0", "class 1", "class 2")


def test_arguments_beside_a_checkpoint_name_its_architecture(
    resnext: RunResnext, tmp_path: Path, state_dict: dict[str, torch.Tensor]
) -> None:
    save_file(state_dict, tmp_path / "best.safetensors")
    command = ("classify", "--weights", tmp_path / "best.safetensors", PHOTO)
    alone = resnext(*command, cache=tmp_path / "cache")
    assert (alone.returncode, alone.stderr.count("\n")) == (3, 1) and "name it with -m" in alone.stderr
    (tmp_path / "args.yaml").write_text(f"model: {ARCHITECTURE}\nlr: 0.1\nmean: null\n")
    assert len(scores_of(resnext(*command, cache=tmp_path / "cache"))) == 3


def test_a_note_that_can_not_be_written_ends_no_run(resnext: RunResnext, own_cache: Path) -> None:
    """The compiled model is sound: found again by its weights."""
    import shutil

    shutil.rmtree(own_cache / "refs")
    (own_cache / "refs").write_text("no folder")
    done = resnext("classify", "-m", "lite0", PHOTO, cache=own_cache)
    assert done.returncode == 0 and "compiling" not in done.stderr, done.stderr
    assert json.loads(done.stdout)["predictions"][0]["label"] == "espresso"


@pytest.mark.parametrize("command", [("classify", "-m", "lite0", str(PHOTO)), ("info",)])
def test_a_user_without_a_home_is_told_what_to_set(tmp_path: Path, command: tuple[str, ...]) -> None:
    program = (
        "import os, pwd, sys\n"
        "def nobody(*_): raise KeyError('no such user')\n"
        "pwd.getpwuid = pwd.getpwnam = nobody\n"
        "from resnext.__main__ import main\nmain()\n"
    )
    environment = clean_environment(tmp_path, tmp_path / "cache")
    del environment["HOME"], environment["RESNEXT_CACHE"]
    done = subprocess.run(
        [sys.executable, "-c", program, *command], env=environment, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1), done.stderr
    assert "set RESNEXT_CACHE" in done.stderr


@pytest.mark.parametrize("value", ["", "soon"])
def test_a_variable_that_the_hubs_client_can_not_read_is_one_line(resnext: RunResnext, value: str) -> None:
    online = {"HF_HUB_OFFLINE": "0", "HF_HUB_ETAG_TIMEOUT": value}
    done = resnext("classify", "-m", "101-32x4d", PHOTO, env=online)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "HF_HUB_ETAG_TIMEOUT" in done.stderr and "unset it" in done.stderr


def test_preprocessing_can_be_given(resnext: RunResnext, tmp_path: Path, birds: Path) -> None:
    """Given by options or by the model's own cfg: the same answer; and what was cached of it before changes nothing."""
    config = json.loads((birds / "config.json").read_text())
    (birds / "config.json").write_text(
        json.dumps(config | {"pretrained_cfg": {"classifier": "fc", "first_conv": "conv1.0"}})
    )
    cache = tmp_path / "cache"
    command = ("classify", "-m", birds, "--exact", PHOTO)
    before = scores_of(resnext(*command, cache=cache))
    options = ("--mean", "0.5,0.4,0.3", "--std", "0.2,0.3,0.4", "--crop-pct", "0.9", "--interpolation", "bilinear")
    given = scores_of(resnext(*command, *options, "--input-size", "128", cache=cache))
    again = scores_of(resnext(*command, cache=cache))
    (birds / "config.json").write_text(json.dumps(config))
    expected = scores_of(resnext(*command, cache=cache))
    assert given == pytest.approx(expected, abs=1e-6) and before == again != given
    for wrong in (
        ("--mean", "a"),
        ("--std", "0"),
        ("--crop-pct", "nan"),
        ("--input-size", "0"),
        ("--interpolation", "x"),
    ):
        done = resnext(*command, *wrong, cache=cache)
        assert (done.returncode, done.stdout) == (2, ""), wrong
