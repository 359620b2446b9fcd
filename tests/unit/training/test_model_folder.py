"""The folder of a trained model: whole or not at all, valid for every reader of config.json."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnext.errors import OutputError
from resnext.models.model_config import ModelConfig, read_config
from resnext.models.weights import WeightsFile
from resnext.training import model_folder
from resnext.training.base import with_head
from resnext.training.card import card, licence_identifier
from resnext.training.model_folder import TrainedModel, is_model_folder, read_training, write_model_folder
from resnext.training.trained import BaseModel

CLASSES = ("a|b", "ä", "c" * 40)
CFG = {"input_size": [3, 32, 32], "mean": [0.1, 0.2, 0.3], "classifier": "fc", "url": "https://x", "tag": "t"}
FIGURE = {
    "photos": 7, "accuracy": {"share": 0.5, "low": 0.2, "high": 0.8},
    "balanced_accuracy": {"share": 0.5, "low": 0.2, "high": 0.8}, "ece": 0.1,
}  # fmt: skip
TRAINING = {
    "method": "head", "command": "resnext train 'my photos' -o x", "figures": {"grouped": FIGURE, "test": None},
    "data": {"photos": 7, "left_out": 0, "classes": dict.fromkeys(CLASSES, 2)},
}  # fmt: skip


def _base(licence: str = "CC-BY-NC 4.0 (not for commercial use)") -> BaseModel:
    weights = WeightsFile(Path("w"), "0" * 64, "safetensors", "hub x")
    return BaseModel("base", ModelConfig("resnet18.tag"), weights, licence, 4, CFG | {"license": licence})


def _model(value: float = 1.0) -> TrainedModel:
    tensors = {"conv.weight": np.full((2, 2), value, np.float32), "fc.weight": np.zeros((9, 4)), "fc.bias": np.zeros(9)}
    tensors = with_head(_base(), tensors, np.ones((3, 4), np.float32), np.ones(3, np.float32))
    return TrainedModel(_base(), CLASSES, tensors, card("x", _base(), CLASSES, TRAINING), [{"file": "1"}], TRAINING)


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    write_model_folder(tmp_path / "x", _model())
    config = read_config(tmp_path / "x" / "config.json")
    assert [label.name for label in config.labels or ()] == list(CLASSES) and config.architecture == "resnet18"
    written = json.loads((tmp_path / "x" / "config.json").read_text())
    assert not {"url", "tag"} & set(written["pretrained_cfg"]) and written["pretrained_cfg"]["classifier"] == "fc"
    tensors = load_file(tmp_path / "x" / "model.safetensors")
    assert tensors["fc.weight"].shape == (3, 4) and tensors["fc.bias"].tolist() == [1, 1, 1]
    assert read_training(tmp_path / "x") == TRAINING and is_model_folder(tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_an_earlier_model_goes_only_when_the_new_one_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model_folder(tmp_path / "x", _model(1.0))
    before = {path.name: path.read_bytes() for path in (tmp_path / "x").iterdir()}

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(model_folder, "_save", full)
        with pytest.raises(OutputError, match="No space left"):
            write_model_folder(tmp_path / "x", _model(2.0))
    assert {path.name: path.read_bytes() for path in (tmp_path / "x").iterdir()} == before
    write_model_folder(tmp_path / "x", _model(2.0))
    assert (tmp_path / "x" / "model.safetensors").read_bytes() != before["model.safetensors"]
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_the_card_has_the_licence_of_the_base_and_no_broken_table() -> None:
    text = card("x", _base(), CLASSES, TRAINING)
    assert "license: cc-by-nc-4.0" in text and "not for commercial use" in text
    assert "| a\\|b | 2 |" in text and 'base_model: "timm/resnet18.tag"' in text
    assert "license: other" in card("x", _base("not stated"), CLASSES, TRAINING)
    assert licence_identifier("Apache-2.0") == "apache-2.0"


def test_a_classifier_that_is_a_convolution_stays_one() -> None:
    tensors = {"fc.weight": np.zeros((9, 4, 1, 1), np.float16), "fc.bias": np.zeros(9, np.float16)}
    found = with_head(_base(), tensors, np.ones((3, 4), np.float32), np.ones(3, np.float32))
    assert found["fc.weight"].shape == (3, 4, 1, 1) and found["fc.weight"].dtype == np.float16
