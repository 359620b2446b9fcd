"""A model's config.json: timm's own forms are read, everything else is one line."""

import json
from pathlib import Path
from typing import Any

import pytest

from resnext.errors import ModelError
from resnext.models.checkpoints import clean_names
from resnext.models.model_config import checked_fields, read_config
from resnext.records import Label

PLAIN = {"architecture": "resnet18", "num_classes": 2, "label_names": ["cat", "dog"]}


def written(folder: Path, config: Any) -> Path:
    path = folder / "config.json"
    path.write_bytes(config if isinstance(config, bytes) else json.dumps(config).encode())
    return path


def test_what_timm_itself_writes_is_read(timm: Any, tmp_path: Path) -> None:
    model = timm.create_model("test_resnet.r160_in1k", pretrained=False, num_classes=2)
    timm.models._hub.save_config_for_hf(
        model, str(tmp_path / "config.json"), {"label_names": ["cat", "dog"], "label_descriptions": {"cat": "a cat"}}
    )
    config = read_config(tmp_path / "config.json")
    assert (config.architecture, config.num_classes) == ("test_resnet", 2)
    assert config.labels == (Label(0, "cat", "a cat"), Label(1, "dog", "dog"))
    assert config.pretrained_cfg["input_size"] == [3, 160, 160]
    assert config.model_args == {"in_chans": 3, "global_pool": "avg"}
    assert "url" not in config.pretrained_cfg and "hf_hub_id" not in config.pretrained_cfg


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({}, ("cat", "dog")),
        ({"label_names": None, "id2label": {"1": "dog", "0": "cat"}}, ("cat", "dog")),
        ({"label_names": None}, None),
        ({"label_names": None, "pretrained_cfg": {"label_names": ["a", "b"]}}, ("a", "b")),
    ],
)
def test_labels_in_every_form(tmp_path: Path, changes: dict[str, Any], labels: tuple[str, ...] | None) -> None:
    found = read_config(written(tmp_path, PLAIN | changes)).labels
    assert (found and tuple(label.name for label in found)) == labels


def test_timms_first_form_had_everything_in_one_object(tmp_path: Path) -> None:
    flat = {"architecture": "resnet18", "num_classes": 2, "labels": ["a", "b"], "mean": [0.5, 0.5, 0.5], "url": "x"}
    config = read_config(written(tmp_path, flat))
    assert config.pretrained_cfg == {"mean": [0.5, 0.5, 0.5]} and config.labels is not None


def test_synsets_are_named_by_their_descriptions(tmp_path: Path) -> None:
    names = {"label_names": ["n01440764", "n01443537"], "label_descriptions": {"n01440764": "tench, Tinca tinca"}}
    config = read_config(written(tmp_path, PLAIN | names))
    assert config.labels is not None and config.labels[0] == Label(0, "tench", "tench, Tinca tinca", "n01440764")
    assert config.labels[1].name == "n01443537"


HOSTILE: dict[str, tuple[Any, str]] = {
    "no JSON": (b"{", "not valid JSON"),
    "nested without end": (b"[" * 100_000, "not valid JSON"),
    "no text": (b"\xff\xfe\x00", "not valid JSON"),
    "a list": ([], "architecture"),
    "of another library": ({"model_type": "vit", "architectures": ["ViT"]}, "architecture"),
    "a path for an architecture": (PLAIN | {"architecture": "../../etc/passwd"}, "no name of timm's"),
    "an architecture of two lines": (PLAIN | {"architecture": "resnet18\nx"}, "no name of timm's"),
    "no count": (PLAIN | {"num_classes": "two"}, "num_classes"),
    "a billion classes": (PLAIN | {"num_classes": 10**9}, "num_classes"),
    "true classes": (PLAIN | {"num_classes": True}, "num_classes"),
    "labels that are too few": (PLAIN | {"label_names": ["cat"]}, "1 label names, but 2 classes"),
    "a cfg of text": (PLAIN | {"pretrained_cfg": "x"}, "pretrained_cfg"),
    "arguments that name a file": (PLAIN | {"model_args": {"checkpoint_path": "/etc/passwd"}}, "checkpoint_path"),
    "arguments that download": (PLAIN | {"model_args": {"pretrained_cfg": "x"}}, "pretrained_cfg"),
    "a huge argument": (PLAIN | {"model_args": {"depth": 10**9}}, "depth"),
    "a nested argument": (PLAIN | {"model_args": {"a": {"b": 1}}}, "model_args"),
    "channels of a satellite": (PLAIN | {"model_args": {"in_chans": 12}}, "photos have 3"),
    **{
        f"{name} {value}": (PLAIN | {"pretrained_cfg": {name: value}}, f'"{name}"')
        for name, value in (
            ("input_size", [3, 100_000, 100_000]),
            ("input_size", [1, 224, 224]),
            ("input_size", 224),
            ("input_size", [3, -1, 224]),
            ("mean", [0.5, "x", 0.5]),
            ("mean", [0.5]),
            ("std", [0, 0, 0]),
            ("std", [float("nan")] * 3),
            ("crop_pct", 0),
            ("crop_pct", float("inf")),
            ("crop_mode", "spiral"),
            ("interpolation", "psychic"),
            ("fixed_input_size", "yes"),
        )
    },
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_configuration_is_one_line(tmp_path: Path, name: str) -> None:
    content, words = HOSTILE[name]
    path = written(tmp_path, content)
    with pytest.raises(ModelError) as caught:
        read_config(path)
    message = str(caught.value)
    assert words in message and message.startswith(str(path)) and len(message) < len(str(path)) + 300


def test_a_configuration_without_end_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").symlink_to("/dev/zero")
    with pytest.raises(ModelError, match="not a regular file"):
        read_config(tmp_path / "config.json")
    (tmp_path / "large").mkdir()
    with (tmp_path / "large" / "config.json").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(ModelError, match="larger than"):
        read_config(tmp_path / "large" / "config.json")


def test_unsound_fields_of_a_checkpoint_are_told_apart() -> None:
    sound, wrong = checked_fields({"mean": [0.5] * 3, "interpolation": "random", "lr": 0.1, "std": None})
    assert (sound, wrong) == ({"mean": [0.5] * 3}, ["interpolation"])


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "model.", "module.model.", "model._orig_mod.", "net."])
def test_the_names_of_wrappers_are_taken_off(wrapper: str) -> None:
    names = ["conv1.weight", "layer1.0.conv1.weight", "fc.weight", "fc.bias"]
    found = clean_names([*(f"{wrapper}{name}" for name in names), "criterion.weight"])
    assert list(found.values()) == names and "criterion.weight" not in found


def test_a_network_keeps_the_names_of_its_parts() -> None:
    for names in (["fc.weight", "fc.bias"], ["model.weight", "a.b", "c.d", "e.f"], ["backbone.a", "head.b", "x.c"]):
        assert list(clean_names(names).values()) == names
