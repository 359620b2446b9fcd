"""What a checkpoint holds: architecture by shapes, labels and metadata, without torch and without running anything."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from resnext.errors import ModelError
from resnext.models.checkpoints import num_classes_of, read_header, resnet_of, sorted_contents, stated_architecture
from resnext.models.weights import from_file


@pytest.mark.parametrize(
    "name",
    ["resnet50", "resnet101", "resnext50_32x4d", "resnext101_32x4d", "resnext101_32x16d", "resnext101_64x4d"],
)
def test_an_architecture_is_named_as_timm_names_it(timm: Any, name: str) -> None:
    import torch

    with torch.device("meta"):
        state_dict = timm.create_model(name, pretrained=False).state_dict()
    shapes = {key: tuple(tensor.shape) for key, tensor in state_dict.items()}
    assert resnet_of(shapes) == name
    assert num_classes_of(shapes) == 1000


@pytest.mark.parametrize(
    "name", ["resnet18", "resnet50d", "wide_resnet50_2", "seresnext50_32x4d", "mobilenetv3_small_050"]
)
def test_another_network_is_not_taken_for_a_resnext(timm: Any, name: str) -> None:
    import torch

    with torch.device("meta"):
        state_dict = timm.create_model(name, pretrained=False).state_dict()
    assert resnet_of({key: tuple(tensor.shape) for key, tensor in state_dict.items()}) is None


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({"labels": ["cat", "dog"]}, ("cat", "dog")),
        ({"id2label": {"0": "cat", "1": "dog"}}, ("cat", "dog")),
        ({"class_to_idx": {"dog": 1, "cat": 0}}, ("cat", "dog")),
        ({"idx_to_class": {1: "dog", 0: "cat"}}, ("cat", "dog")),
        ({"labels": ["cat", 3]}, None),
        ({"id2label": {"0": "cat", "7": "dog"}}, None),
        ({"labels": []}, None),
        ({}, None),
    ],
)
def test_labels_inside_in_every_common_form(stored: dict[str, Any], expected: tuple[str, ...] | None) -> None:
    assert sorted_contents({}, set(), stored).labels == expected


def test_a_safetensors_header_tells_all(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    metadata = {"label_names": json.dumps(["cat", "dog"]), "architecture": "resnet50", "odd": "[not json"}
    save_file({"module.fc.weight": np.zeros((2, 8), np.float32)}, path, metadata)
    contents = read_header(from_file(path))
    assert contents.shapes == {"fc.weight": (2, 8)} and contents.dtypes == ("F32",) and contents.num_parameters == 16
    assert contents.labels == ("cat", "dog")
    assert stated_architecture(contents.metadata) == "resnet50"
    assert contents.metadata["odd"] == "[not json"


def test_a_damaged_header_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    save_file({"fc.weight": np.zeros((2, 8), np.float32)}, path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ModelError, match="not a readable safetensors file"):
        read_header(from_file(path))


def test_timms_training_checkpoint_is_read_without_running_code(tmp_path: Path) -> None:
    """train.py keeps its arguments as an argparse.Namespace, which weights_only alone refuses."""
    import argparse

    import torch

    from resnext.compiling.checkpoint_files import read_contents

    path = tmp_path / "model_best.pth.tar"
    state = {"module.fc.weight": torch.zeros(2, 8)}
    torch.save({"epoch": 3, "arch": "resnet50", "args": argparse.Namespace(lr=0.1), "state_dict": state}, path)
    contents = read_contents(from_file(path))
    assert contents.shapes == {"fc.weight": (2, 8)}
    assert contents.metadata == {"epoch": 3, "arch": "resnet50"}
