"""A model's own description, in the form of timm and the hub: `config.json` beside `model.safetensors`.

    {"architecture": "resnet18", "num_classes": 2, "label_names": ["cat", "dog"], "label_descriptions": {...},
     "pretrained_cfg": {"input_size": [3, 224, 224], "mean": [...], ...}, "model_args": {...}}

A file of anybody's: every field that is used is checked and bounded, every other is left out. The same fields stand in
checkpoints of training scripts, there beside the weights.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resnext.disk import read_regular
from resnext.errors import ModelError
from resnext.models.checkpoints import labels_in
from resnext.records import Label

_MAX_BYTES = 32 << 20
_MAX_SIDE = 1024  # pixels; timm's largest classifiers take 800
_MAX_CLASSES = 1_000_000
_INTERPOLATIONS = ("bilinear", "bicubic", "lanczos", "nearest", "box", "hamming")
_CROP_MODES = ("center", "squash", "border")
_NAME = re.compile(r"[A-Za-z0-9_]{1,100}(?:\.[A-Za-z0-9_]{1,100})?")
_SYNSET = re.compile(r"n\d{8}")
# What would make timm read other files or build something else than a classifier from these weights.
_REFUSED_ARGS = re.compile(r"pretrained.*|checkpoint.*|cache_dir|features.*|scriptable|exportable|no_jit|.*_layer")
_MAX_ARG = 8192  # width, depth, pixels


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What a model is besides its weights; `pretrained_cfg` has those of timm's fields that are given.

    `labels` None: ImageNet's, if it has as many classes. `num_classes` None: told by the weights.
    """

    architecture: str
    num_classes: int | None = None
    labels: tuple[Label, ...] | None = None
    pretrained_cfg: Mapping[str, Any] = field(default_factory=dict)
    model_args: Mapping[str, Any] = field(default_factory=dict)

    def own(self) -> dict[str, Any]:
        """Everything that differs from the architecture as timm publishes it, as JSON can say it."""
        labels = [[label.name, label.description] for label in self.labels] if self.labels is not None else None
        given = {
            "num_classes": self.num_classes,
            "labels": labels,
            "pretrained_cfg": dict(self.pretrained_cfg),
            "model_args": dict(self.model_args),
        }
        return {key: value for key, value in given.items() if value}


def read_config(path: Path) -> ModelConfig:
    """Read and check a config.json.

    Raises:
        ModelError: it can't be read, or a field is not what timm would have written.
    """
    try:
        config = json.loads(read_regular(path, _MAX_BYTES))
    except OSError as error:
        raise ModelError(f"{path}: can't read the model's configuration: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: the model's configuration is not valid JSON") from error
    if not isinstance(config, dict) or not isinstance(config.get("architecture"), str):
        raise ModelError(f'{path}: names no timm architecture (the key "architecture"); is it a timm model?')
    architecture = config["architecture"]
    if _NAME.fullmatch(architecture) is None:
        raise ModelError(f"{path}: its architecture {architecture[:80]!r} is no name of timm's")
    cfg = config.get("pretrained_cfg", config)  # timm's first form had everything in one object
    if not isinstance(cfg, dict):
        raise ModelError(f'{path}: "pretrained_cfg" is no object')
    num_classes = config.get("num_classes", cfg.get("num_classes"))
    if num_classes is not None and not (_is_count(num_classes) and num_classes <= _MAX_CLASSES):
        raise ModelError(f'{path}: "num_classes" is no number of classes: {str(num_classes)[:80]}')
    fields, wrong = checked_fields(cfg)
    if wrong:
        raise ModelError(
            f'{path}: "{wrong[0]}" in "pretrained_cfg" is not as timm writes it: {str(cfg[wrong[0]])[:80]}'
        )
    return ModelConfig(architecture, num_classes, _labels(path, config, cfg, num_classes), fields, _args(path, config))


def checked_fields(cfg: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Sort the fields of a `pretrained_cfg` that decide what a model computes: those that are sound, names of others.

    Fields that are absent or None are neither.
    """
    checks: dict[str, Callable[[Any], bool]] = {
        "input_size": _is_size,
        "interpolation": lambda value: value in _INTERPOLATIONS,
        "crop_pct": lambda value: _is_number(value) and 0.05 <= value <= 4,
        "crop_mode": lambda value: value in _CROP_MODES,
        "mean": lambda value: _are_numbers(value) and all(-100 <= each <= 100 for each in value),
        "std": lambda value: _are_numbers(value) and all(1e-6 <= each <= 1e6 for each in value),
        "fixed_input_size": lambda value: isinstance(value, bool),
        "first_conv": _is_names,
        "classifier": _is_names,
        "license": lambda value: isinstance(value, str) and len(value) <= 100,
    }
    given = {name: cfg[name] for name in checks if cfg.get(name) is not None}
    wrong = [name for name, value in given.items() if not checks[name](value)]
    return {name: value for name, value in given.items() if name not in wrong}, wrong


def _labels(
    path: Path, config: dict[str, Any], cfg: dict[str, Any], num_classes: int | None
) -> tuple[Label, ...] | None:
    names = labels_in(config) or labels_in(cfg)
    if names is None:
        return None
    if num_classes is not None and len(names) != num_classes:
        raise ModelError(f"{path}: {len(names)} label names, but {num_classes} classes")
    described = config.get("label_descriptions") or cfg.get("label_descriptions")
    texts = described if isinstance(described, dict) else {}
    return tuple(_label(index, name, texts.get(name)) for index, name in enumerate(names))


def _label(index: int, name: str, description: Any) -> Label:
    """timm's own models are labelled by synsets, with words beside them."""
    if not isinstance(description, str) or not description:
        return Label(index, name, name)
    if _SYNSET.fullmatch(name):
        return Label(index, description.split(",")[0], description, name)
    return Label(index, name, description)


def _args(path: Path, config: dict[str, Any]) -> dict[str, Any]:
    """What a model is built with beside its name: plain values of a bounded size."""
    args = config.get("model_args") or {}
    if not isinstance(args, dict) or len(args) > 100:
        raise ModelError(f'{path}: "model_args" is no object of arguments')
    args = {name: value for name, value in args.items() if name != "num_classes"}  # said beside them already
    for name, value in args.items():
        values = value if isinstance(value, list) and len(value) <= 100 else [value]
        plain = all(each is None or isinstance(each, str | bool) or _is_number(each) for each in values)
        bounded = plain and all(abs(each) <= _MAX_ARG for each in values if isinstance(each, int | float))
        if not bounded or not name.isidentifier() or _REFUSED_ARGS.fullmatch(name):
            raise ModelError(f'{path}: "{name[:80]}" in "model_args" is not taken from a file')
    if args.get("in_chans", 3) != 3:
        raise ModelError(f"{path}: takes {args['in_chans']} channels; photos have 3")
    return args


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 3 and all(_is_number(each) for each in value)


def _is_size(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 3
        and all(_is_count(each) and each <= _MAX_SIDE for each in value)
        and value[0] == 3
    )


def _is_names(value: Any) -> bool:
    names = value if isinstance(value, list | tuple) else [value]
    return len(names) <= 10 and all(isinstance(each, str) and len(each) <= 200 for each in names)
