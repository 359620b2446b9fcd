"""What a training needs to go on after a kill: tensors and numbers in one safetensors file, put in place whole.

No pickle, and no state of a generator of chance: all chance is a function of the seed, the epoch and the step.
timm's CheckpointSaver is not used: it writes pickles, which would have to be trusted, and neither the place within an
epoch nor the best score, which its resume forgets.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from resnext.errors import ModelError, OutputError, UsageError, first_line

STATE = "state.safetensors"
_KEY = "resnext"  # of the JSON among the file's metadata
_PARTS = ("model", "average", "optimizer")
_PLAIN = (bool, int, float, str, type(None))

Tensors = dict[str, torch.Tensor]


@dataclass(slots=True)
class Standing:
    """How far a training is. `epoch` counts whole epochs, `step` the steps of the next one that are done.

    `validated` is the last epoch that was validated, 0 what it begins with. `losses` is the sum of the losses of the
    epoch that is not validated yet; `history` has a row for each that is. `best` is the epoch whose validation was
    best, `best_file` where its tensors are. `said` is what must be the same when it goes on, `machine` what must be for
    the very same bytes.
    """

    epoch: int = 0
    step: int = 0
    validated: int = -1
    losses: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: int = -1
    best_file: str = ""
    said: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)


def save_state(
    folder: Path, standing: Standing, model: torch.nn.Module, average: torch.nn.Module | None, optimizer: Any
) -> None:
    """Write the state, in place of an earlier one, whole or not at all.

    Raises:
        OutputError: it can't be written; the earlier one stays.
    """
    optimizer_tensors, numbers = _of_optimizer(optimizer)
    parts = {"model": dict(model.state_dict()), "optimizer": optimizer_tensors}
    if average is not None:
        parts["average"] = dict(average.state_dict())
    tensors = {f"{part}/{name}": each for part, named in parts.items() for name, each in named.items()}
    _write(folder / STATE, tensors, {"standing": asdict(standing), "optimizer": numbers})


def read_standing(folder: Path) -> Standing | None:
    """How far an earlier run came; None where there is none.

    Raises:
        ModelError: there is a file that is no state.
    """
    if not (folder / STATE).exists():
        return None
    try:
        return Standing(**_metadata(folder / STATE)["standing"])
    except (TypeError, KeyError) as error:
        raise _damaged(folder / STATE) from error


def load_state(folder: Path, model: torch.nn.Module, average: torch.nn.Module | None, optimizer: Any) -> None:
    """Put an earlier run's numbers into the places that this run has for them.

    Raises:
        ModelError: it is no state, or one of another network.
    """
    file = folder / STATE
    numbers = _metadata(file).get("optimizer")
    read = _read(file)
    parts: dict[str, Tensors] = {part: {} for part in _PARTS}
    for name, tensor in read.items():
        part, _, inner = name.partition("/")
        parts.setdefault(part, {})[inner] = tensor
    try:
        model.load_state_dict(parts["model"])
        if average is not None:
            average.load_state_dict(parts["average"])
        _into_optimizer(optimizer, parts["optimizer"], numbers or {})
    except (RuntimeError, KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(file) from error


def save_tensors(file: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write tensors, whole or not at all.

    Raises:
        OutputError: they can't be written.
    """
    _write(file, tensors, {})


def load_tensors(file: Path) -> Tensors:
    """Read tensors that `save_tensors` wrote.

    Raises:
        ModelError: they can't be read.
    """
    return _read(file)


def check_same(earlier: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    """Refuse to go on with what began otherwise.

    Raises:
        UsageError: something differs; its names are told.
    """
    now = json.loads(json.dumps(now))
    differing = sorted(name for name in {*earlier, *now} if earlier.get(name) != now.get(name))
    if differing:
        raise UsageError(
            f"--resume: the training in {folder} began with another {', '.join(differing[:5])};"
            " give the same as then, or begin anew without --resume"
        )


def _of_optimizer(optimizer: Any) -> tuple[Tensors, dict[str, Any]]:
    """The state of an optimizer, as tensors and numbers by `index of the parameter/name`.

    Raises:
        UsageError: it keeps something else, which no file of tensors holds.
    """
    tensors: Tensors = {}
    numbers: dict[str, Any] = {}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if torch.is_tensor(value):
                tensors[f"{index}/{name}"] = value
            elif isinstance(value, _PLAIN):
                numbers[f"{index}/{name}"] = value
            else:
                raise UsageError(
                    f"opt: {type(optimizer).__name__} keeps a {type(value).__name__} ({name}), with which a training"
                    " could not be resumed; choose another"
                )
    return tensors, numbers


def _into_optimizer(optimizer: Any, tensors: Tensors, numbers: Mapping[str, Any]) -> None:
    """Load the state, each tensor laid out in memory as its parameter is: that decides how it is computed with."""
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        index, name = key.split("/")
        like = parameters[int(index)]
        if tensor.shape == like.shape:
            tensor = torch.empty_like(like, dtype=tensor.dtype).copy_(tensor)
        state.setdefault(int(index), {})[name] = tensor
    for key, number in numbers.items():
        index, name = key.split("/")
        state.setdefault(int(index), {})[name] = number
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _write(file: Path, tensors: Mapping[str, torch.Tensor], said: Mapping[str, Any]) -> None:
    temporary = file.with_name(f".new-{file.name}")
    flat = {name: each.detach().cpu().contiguous() for name, each in tensors.items()}
    try:
        save_file(flat, temporary, {_KEY: json.dumps(said)})
        temporary.replace(file)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(f"{file}: can't write the state: {first_line(error)}; the last good one stays") from error


def _metadata(file: Path) -> dict[str, Any]:
    try:
        with safe_open(file, "pt") as opened:
            said = json.loads((opened.metadata() or {})[_KEY])
    except (OSError, SafetensorError, ValueError, KeyError, RecursionError) as error:
        raise _damaged(file) from error
    if not isinstance(said, dict):
        raise _damaged(file)
    return said


def _read(file: Path) -> Tensors:
    try:
        with safe_open(file, "pt") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}
    except (OSError, SafetensorError) as error:
        raise _damaged(file) from error


def _damaged(file: Path) -> ModelError:
    return ModelError(f"{file}: not the state of this training, or damaged; begin anew without --resume")
