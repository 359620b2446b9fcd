"""Checkpoints read safely: safetensors, and pickles of which nothing but tensors and plain values is loaded."""

import argparse
import collections
import datetime
import pathlib
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from resnext.errors import ModelError, first_line
from resnext.models.checkpoints import CheckpointContents, clean_names, read_header, sorted_contents
from resnext.models.weights import WeightsFile

# Where training scripts put the weights, moving averages first; one in another, for a while.
_STATE_DICT_KEYS = (
    "state_dict_ema",
    "model_ema",
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "module",
    "net",
    "network",
    "weights",
    "checkpoint",
)
_DEPTH = 4
# Plain values that training scripts keep beside the weights: arguments, paths, times, numbers of numpy. Making them
# runs nothing that a file could choose.
_PLAIN_TYPES = [
    argparse.Namespace,
    collections.defaultdict,
    collections.deque,
    datetime.datetime,
    datetime.date,
    datetime.timedelta,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    np.dtype,
    np.ndarray,
    *{type(np.dtype(code)) for code in "?bBhHiIlLqQefdU"},
]
# How numpy's arrays and numbers name their makers: of before 2.0, and since.
_NUMPY_MAKERS = [
    (maker, f"numpy.{core}.multiarray.{name}")
    for name, maker in (
        ("scalar", np._core.multiarray.scalar),  # type: ignore[attr-defined]
        ("_reconstruct", np._core.multiarray._reconstruct),  # type: ignore[attr-defined]
    )
    for core in ("core", "_core")
]
# Paths of another system can't be made here; what they say is kept.
_PATHS = [
    (pure, f"{module}.{name}")
    for pure, name in ((pathlib.PurePosixPath, "PosixPath"), (pathlib.PureWindowsPath, "WindowsPath"))
    for module in ("pathlib", "pathlib._local")
]
_SAFETENSORS_DTYPES = {
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float64: "F64",
    torch.int64: "I64",
}


def read_state_dict(weights: WeightsFile) -> dict[str, torch.Tensor]:
    """Read a checkpoint's tensors under the network's own names.

    Accepts a bare state dict and the wrappers of timm's, torchvision's, Lightning's and most other training scripts.

    Raises:
        ModelError: it holds no state dict, is damaged, or can't be read without running code from it.
    """
    return _unwrapped(weights)[0]


def read_contents(weights: WeightsFile) -> CheckpointContents:
    """Read what a checkpoint holds beside its numbers; a pickle is read as `read_state_dict` reads it.

    Raises:
        ModelError: as `read_state_dict`.
    """
    if weights.kind == "safetensors":
        return read_header(weights)
    state_dict, beside = _unwrapped(weights)
    shapes = {name: tuple(tensor.shape) for name, tensor in state_dict.items()}
    dtypes = {_SAFETENSORS_DTYPES.get(each.dtype, str(each.dtype)) for each in state_dict.values()}
    return sorted_contents(shapes, dtypes, {str(name): _plain(value) for name, value in beside.items()})


def _unwrapped(weights: WeightsFile) -> tuple[dict[str, torch.Tensor], dict[Any, Any]]:
    """A checkpoint's state dict, and what a training script put beside it."""
    loaded: Any = _load(weights)
    beside: dict[Any, Any] = {}
    for _ in range(_DEPTH):
        if not isinstance(loaded, dict):
            break
        key = next((each for each in _STATE_DICT_KEYS if isinstance(loaded.get(each), dict)), None)
        if key is None:
            break
        beside = {**beside, **{name: value for name, value in loaded.items() if name != key}}
        loaded = loaded[key]
    tensors = {name: value for name, value in _items(loaded) if isinstance(name, str) and torch.is_tensor(value)}
    if not tensors:
        raise ModelError(f"{weights.path}: holds no state dict (names with tensors)")
    if any(each.layout != torch.strided or each.is_quantized for each in tensors.values()):
        raise ModelError(f"{weights.path}: holds sparse or quantized tensors; save dense ones")
    beside = {**beside, **{name: value for name, value in _items(loaded) if name not in tensors}}
    return {clean: tensors[name] for name, clean in clean_names(tensors).items()}, beside


def _items(loaded: Any) -> list[tuple[Any, Any]]:
    return list(loaded.items()) if isinstance(loaded, dict) else []


def _plain(value: Any) -> Any:
    """What numbers of numpy and arguments say, in Python's own types."""
    if isinstance(value, np.generic):
        return value.item()
    return vars(value) if isinstance(value, argparse.Namespace) else value


def _load(weights: WeightsFile) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of unusual protocols; what it can't read it refuses
            return _load_safetensors(weights.path) if weights.kind == "safetensors" else _load_pickle(weights.path)
    except MemoryError as error:
        raise ModelError(f"{weights.path}: too large for this machine's memory") from error
    except Exception as error:  # a hostile file can make the readers raise anything
        if "Weights only load failed" in str(error):
            named = re.search(r"Unsupported global: GLOBAL ([\w.]{1,80})", str(error))
            what = f" ({named[1]})" if named else ""
            raise ModelError(
                f"{weights.path}: refused: it holds more than weights{what}, and reading that would run code;"
                " save its state_dict alone"
            ) from error
        kind = "safetensors file" if weights.kind == "safetensors" else "checkpoint"
        raise ModelError(f"{weights.path}: not a readable {kind}: {first_line(error, 2)}") from error


def _load_safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load, load_file

    try:
        str(path).encode()
    except UnicodeEncodeError:  # the library takes no path that is not UTF-8
        return load(path.read_bytes())
    return load_file(path)


def _load_pickle(path: Path) -> Any:
    # From an open file: a name that ends in .safetensors would make torch.load read it as one.
    with torch.serialization.safe_globals([*_PLAIN_TYPES, *_NUMPY_MAKERS, *_PATHS]), path.open("rb") as file:
        return torch.load(file, map_location="cpu", weights_only=True)


def check_finite(path: Path, state_dict: Mapping[str, torch.Tensor]) -> None:
    """Refuse weights from which only NaN comes: a training that diverged, or damage.

    Raises:
        ModelError: a number in them is NaN or infinite.
    """
    broken = [name for name, each in state_dict.items() if each.is_floating_point() and not each.isfinite().all()]
    if broken:
        raise ModelError(
            f"{path}: holds NaN or infinite weights in {len(broken)} of {len(state_dict)} tensors, first in"
            f" {broken[0][:80]}; take a checkpoint from before the training diverged"
        )
