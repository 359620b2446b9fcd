"""What a checkpoint holds, told by names and shapes alone; of a safetensors file the header suffices, without torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resnext.errors import ModelError
from resnext.models.weights import WeightsFile

Shapes = Mapping[str, tuple[int, ...]]

# Where training scripts and Hugging Face's model cards put the names of the classes, in the order of trust.
_LABEL_KEYS = ("label_names", "labels", "classes", "class_names", "id2label", "idx_to_class", "class_to_idx")
_ARCHITECTURE_KEYS = ("architecture", "arch", "model_name", "model")
_MAX_LABELS = 1_000_000
_MAX_REASON = 200  # characters; the library quotes tensor names of any length
# Blocks in each of the four stages -> depth, for bottleneck blocks of three convolutions (He et al. 2015, table 1).
_BOTTLENECK_DEPTHS: dict[tuple[int, ...], int] = {(3, 4, 6, 3): 50, (3, 4, 23, 3): 101, (3, 8, 36, 3): 152}


@dataclass(frozen=True, slots=True)
class Holdings:
    """The contents of a checkpoint, without its numbers.

    `shapes` is of the state dict, as timm cleans its names; `dtypes` are safetensors' names ("F32", "BF16"), each
    once. `metadata` is everything else that is plain text or a number.
    """

    shapes: dict[str, tuple[int, ...]]
    dtypes: tuple[str, ...]
    metadata: dict[str, str | int | float]
    labels: tuple[str, ...] | None

    @property
    def num_parameters(self) -> int:
        """Numbers in all tensors, running statistics included."""
        return sum(_product(shape) for shape in self.shapes.values())


def read_header(weights: WeightsFile) -> Holdings:
    """Read the header of a safetensors file.

    Raises:
        ModelError: it is damaged.
    """
    from safetensors import safe_open

    try:
        with safe_open(weights.path, framework="np") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}
            shapes = {name: tuple(each.get_shape()) for name, each in slices.items()}
            dtypes = {str(each.get_dtype()) for each in slices.values()}
            metadata = dict(file.metadata() or {})
    except Exception as error:  # the library's own error, OSError, and whatever a hostile header leads to
        reason = " ".join(str(error).split())[:_MAX_REASON] or type(error).__name__
        raise ModelError(f"{weights.path}: not a readable safetensors file: {reason}") from error
    return holdings(shapes, dtypes, {name: _from_json(value) for name, value in metadata.items()})


def holdings(shapes: Shapes, dtypes: set[str], metadata: Mapping[str, Any]) -> Holdings:
    """Sort what was read: names of classes apart from other plain values; whatever else there is, is left out."""
    labels = next((found for key in _LABEL_KEYS if (found := _labels(metadata.get(key))) is not None), None)
    plain = {
        str(name): value
        for name, value in metadata.items()
        if name not in _LABEL_KEYS and isinstance(value, str | int | float)
    }
    return Holdings({_clean(name): shape for name, shape in shapes.items()}, tuple(sorted(dtypes)), plain, labels)


def num_classes_of(shapes: Shapes) -> int | None:
    """The rows of the classifier, under any of timm's usual names for it; None if none is there."""
    for name in ("fc.weight", "classifier.weight", "head.weight", "head.fc.weight", "last_linear.weight"):
        if name in shapes and len(shapes[name]) in (2, 4):
            return shapes[name][0]
    return None


def stated_architecture(metadata: Mapping[str, Any]) -> str | None:
    """The name that a training script wrote into the checkpoint, timm's train.py under "arch"."""
    return next((value for key in _ARCHITECTURE_KEYS if isinstance(value := metadata.get(key), str)), None)


def resnet_of(shapes: Shapes) -> str | None:
    """Name the ResNet or ResNeXt of bottleneck blocks whose tensors have these shapes, as timm does but without a tag.

    The 3 x 3 convolutions of a ResNeXt's first stage have `cardinality` groups of `width` channels each. None where it
    is another network, or one of the ResNets with another stem or attention.
    """
    conv = shapes.get("layer1.0.conv2.weight")
    stem = shapes.get("conv1.weight")
    if conv is None or len(conv) != 4 or stem is None or tuple(stem) != (64, 3, 7, 7) or "fc.weight" not in shapes:
        return None
    if "layer1.0.conv3.weight" not in shapes or "layer1.0.se.fc1.weight" in shapes:
        return None
    blocks = tuple(sum(f"layer{stage}.{block}.conv2.weight" in shapes for block in range(64)) for stage in range(1, 5))
    depth = _BOTTLENECK_DEPTHS.get(blocks)
    if depth is None:
        return None
    channels, width = conv[0], conv[1]  # width: input channels of one group
    if channels == width == 64:
        return f"resnet{depth}"
    return f"resnext{depth}_{channels // width}x{width}d" if channels % width == 0 and channels > width else None


def ssl_resnext_of(shapes: Shapes) -> str | None:
    """Name the SSL ResNeXt whose tensors have these shapes, as `ssl_resnext<depth>_32x<width>d`; None if none has."""
    architecture = resnet_of(shapes)
    known = ("resnext50_32x4d", "resnext101_32x4d", "resnext101_32x8d", "resnext101_32x16d")
    return f"ssl_{architecture}" if architecture in known else None


def _clean(name: str) -> str:
    """timm's clean_state_dict: prefixes of distributed and compiled training say nothing about the model."""
    for prefix in ("module.", "_orig_mod."):
        name = name.removeprefix(prefix)
    return name


def _labels(value: Any) -> tuple[str, ...] | None:
    """A list of names, an object index -> name, or one name -> index; None for anything else."""
    if isinstance(value, dict) and value and len(value) <= _MAX_LABELS:
        indices = {str(index): index for index in range(len(value))}
        if {str(key) for key in value} == set(indices):
            value = [value[key] for key in sorted(value, key=lambda key: indices[str(key)])]
        elif {str(index) for index in value.values()} == set(indices):
            value = sorted(value, key=lambda name: indices[str(value[name])])
        else:
            return None
    if (
        isinstance(value, list | tuple)
        and 0 < len(value) <= _MAX_LABELS
        and all(isinstance(each, str) for each in value)
    ):
        return tuple(value)
    return None


def _from_json(value: str) -> Any:
    """safetensors' metadata is text only; whoever stores a list or a number there stores it as JSON."""
    try:
        return json.loads(value) if value[:1] in ("[", "{") else value
    except (ValueError, RecursionError):
        return value


def _product(shape: tuple[int, ...]) -> int:
    count = 1
    for length in shape:
        count *= length
    return count
