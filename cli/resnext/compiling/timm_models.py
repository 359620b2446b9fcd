"""The only room that imports timm: builds its models, reads checkpoints safely, lends its transform."""

import argparse
import importlib
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from resnext.errors import ModelError
from resnext.models.checkpoints import Holdings, holdings, read_header
from resnext.models.weights import WeightsFile
from resnext.records import PreprocessingConfig


def import_timm() -> ModuleType:
    """Import timm, also beside a torchvision that was built for another torch.

    pip happily puts PyPI's torchvision (built for CUDA) beside a CPU build of torch. Its compiled operators are then
    missing and it fails while it registers shapes for them, although timm needs only its transforms: that registration
    is left out.
    """
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
        ModelError: timm knows no such model, with the nearest names.
    """
    return _known_cfg(timm_name).get("hf_hub_id") or None


def licence(timm_name: str) -> str:
    """Give the licence of the weights as timm states it."""
    return _known_cfg(timm_name).get("license") or "not stated"


@dataclass(frozen=True, slots=True)
class TimmFacts:
    """What timm says of a model without its weights. `params` counts its parameters."""

    pretrained_cfg: dict[str, Any]
    class_name: str
    params: int
    num_features: int


def describe(timm_name: str) -> TimmFacts:
    """Tell a model's configuration and size; its module is made without memory for the weights.

    Raises:
        ModelError: timm knows no such model, or no weights for it.
    """
    cfg = _known_cfg(timm_name)
    with torch.device("meta"):
        module = import_timm().create_model(timm_name, pretrained=False)
    features = int(getattr(module, "head_hidden_size", 0) or module.num_features)
    return TimmFacts(cfg, type(module).__name__, sum(each.numel() for each in module.parameters()), features)


def search(pattern: str) -> list[tuple[str, dict[str, Any]]]:
    """Pretrained models whose names match a pattern with * and ?, each with its `pretrained_cfg`; timm's order."""
    timm = import_timm()
    return [(name, dict(timm.models.get_pretrained_cfg(name).to_dict())) for name in timm.list_pretrained(pattern)]


def near_names(name: str) -> list[str]:
    """Up to three names of models that are like `name`, of the shelf and of timm."""
    import difflib

    from resnext.models.catalog import known_names

    timm = import_timm()
    return difflib.get_close_matches(name, [*known_names(), *timm.list_models(), *timm.list_pretrained()], 3, 0.5)


def unlike(timm_name: str, shapes: Mapping[str, tuple[int, ...]], num_classes: int | None) -> tuple[int, int]:
    """How many of a model's tensors are missing from `shapes` or have another shape there, and how many it has.

    timm converts some older checkpoints when it loads them; those are unlike and fit nevertheless.

    Raises:
        ModelError: timm knows no such model, or no weights for it.
    """
    _known_cfg(timm_name)
    options = {} if num_classes is None else {"num_classes": num_classes}
    with torch.device("meta"):
        expected = import_timm().create_model(timm_name, pretrained=False, **options).state_dict()
    return sum(shapes.get(name) != tuple(tensor.shape) for name, tensor in expected.items()), len(expected)


def build(timm_name: str, weights: WeightsFile) -> TimmModel:
    """Build a timm classifier and load a checkpoint into it through timm's own path.

    Raises:
        ModelError: the checkpoint does not fit the model, holds NaN, or can't be read without running code from it.
    """
    timm = import_timm()
    state_dict = read_state_dict(weights)
    _check_finite(weights.path, state_dict)
    if weights.origin.startswith("package "):
        state_dict = _renamed_in_order(timm, timm_name, state_dict)
    overlay: dict[str, Any] = {"state_dict": state_dict}
    num_classes = _num_classes(_known_cfg(timm_name), state_dict)
    if num_classes is not None:
        overlay["num_classes"] = num_classes  # otherwise timm would drop the classifier of a fine-tuned checkpoint
        overlay["label_offset"] = 0
    try:
        module = timm.create_model(timm_name, pretrained=True, pretrained_cfg_overlay=overlay, exportable=True)
    except Exception as error:  # timm's filters of older checkpoints raise anything on foreign tensors
        raise ModelError(
            f"{weights.path}: these weights do not fit {timm_name}: {_first_line(error)};"
            " 'resnext info --weights FILE' tells what they are"
        ) from error
    cfg = {key: value for key, value in module.pretrained_cfg.items() if key != "state_dict"}
    if not getattr(module, "num_classes", 0):
        raise ModelError(f"{timm_name} has no classifier; use a model that was trained to classify")
    features = int(getattr(module, "head_hidden_size", 0) or module.num_features)
    return TimmModel(module.eval(), cfg, int(module.num_classes), features, str(timm.__version__))


def read_state_dict(weights: WeightsFile) -> dict[str, torch.Tensor]:
    """Read a checkpoint's tensors; pickles are read with weights_only, so that nothing in them is run.

    Accepts a bare state dict and the wrappers of timm's and torchvision's training scripts.

    Raises:
        ModelError: it holds no state dict, is damaged, or can't be read without running code from it.
    """
    return _unwrapped(weights)[0]


def read_holdings(weights: WeightsFile) -> Holdings:
    """Read what a checkpoint holds beside its numbers; a pickle is read as `read_state_dict` reads it.

    Raises:
        ModelError: as `read_state_dict`.
    """
    if weights.kind == "safetensors":
        return read_header(weights)
    state_dict, metadata = _unwrapped(weights)
    shapes = {name: tuple(tensor.shape) for name, tensor in state_dict.items()}
    return holdings(
        shapes, {_SAFETENSORS_DTYPES.get(each.dtype, str(each.dtype)) for each in state_dict.values()}, metadata
    )


_SAFETENSORS_DTYPES = {
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float64: "F64",
    torch.int64: "I64",
}


def _unwrapped(weights: WeightsFile) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """A checkpoint's state dict, and what a training script put beside it."""
    loaded, beside = _load(weights), {}
    for key in ("state_dict_ema", "model_ema", "state_dict", "model"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded, beside = loaded[key], {name: value for name, value in loaded.items() if name != key}
            break
    if not isinstance(loaded, dict) or not loaded or not all(torch.is_tensor(value) for value in loaded.values()):
        raise ModelError(f"{weights.path}: holds no state dict (names with tensors)")
    return dict(import_timm().models.clean_state_dict(loaded)), beside


def _load(weights: WeightsFile) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of unusual protocols; what it can't read it refuses
            return _load_safetensors(weights.path) if weights.kind == "safetensors" else _load_pickle(weights.path)
    except MemoryError as error:
        raise ModelError(f"{weights.path}: too large for this machine's memory") from error
    except Exception as error:  # a hostile file can make the readers raise anything
        if "Weights only load failed" in str(error):
            raise ModelError(
                f"{weights.path}: refused: reading this checkpoint would run code from it; save its state_dict alone"
            ) from error
        kind = "safetensors file" if weights.kind == "safetensors" else "checkpoint"
        raise ModelError(f"{weights.path}: not a readable {kind}: {_first_line(error)}") from error


def _load_safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load, load_file

    try:
        str(path).encode()
    except UnicodeEncodeError:  # the library takes no path that is not UTF-8
        return load(path.read_bytes())
    return load_file(path)


def _load_pickle(path: Path) -> Any:
    # timm's train.py stores its arguments: an argparse.Namespace, which only holds plain values.
    # From an open file: a name that ends in .safetensors would make torch.load read it as one.
    with torch.serialization.safe_globals([argparse.Namespace]), path.open("rb") as file:
        return torch.load(file, map_location="cpu", weights_only=True)


def _check_finite(path: Path, state_dict: Mapping[str, torch.Tensor]) -> None:
    """Refuse weights from which only NaN comes: a training that diverged, or damage."""
    broken = [name for name, each in state_dict.items() if each.is_floating_point() and not each.isfinite().all()]
    if broken:
        raise ModelError(
            f"{path}: holds NaN or infinite weights in {len(broken)} of {len(state_dict)} tensors, first in"
            f" {broken[0][:80]}; take a checkpoint from before the training diverged"
        )


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


def _known_cfg(timm_name: str) -> dict[str, Any]:
    timm = import_timm()
    if not timm.is_model(timm_name):
        near = ", ".join(near_names(timm_name))
        advice = f"did you mean {near}?" if near else "'resnext info' lists the models"
        raise ModelError(f"no model is called {timm_name!r}; {advice}")
    cfg = timm.models.get_pretrained_cfg(timm_name)
    if cfg is None:
        raise ModelError(f"timm has no pretrained weights for {timm_name}; give a checkpoint with --weights FILE")
    return dict(cfg.to_dict())


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


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:200] if lines else type(error).__name__
