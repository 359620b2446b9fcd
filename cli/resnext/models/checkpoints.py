"""What a checkpoint holds, known by names and shapes alone; a safetensors file needs no torch."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resnext.disk import read_regular
from resnext.errors import ModelError, first_line
from resnext.models.weights import WeightsFile

Shapes = Mapping[str, tuple[int, ...]]

# Where training scripts and Hugging Face's model cards put the names of the classes, in the order of trust.
_LABEL_KEYS = ("label_names", "labels", "classes", "class_names", "id2label", "idx_to_class", "class_to_idx")
_ARCHITECTURE_KEYS = ("architecture", "arch", "model_name", "model")
_MAX_LABELS = 1_000_000
_MAX_ARGS_BYTES = 1 << 16
# What trainers wrap a network in puts its own name before those of the tensors: DDP, torch.compile, Lightning.
_WRAPPERS = frozenset({"module", "_orig_mod", "model", "net", "network", "backbone"})
# Blocks in each of the four stages -> depth, for bottleneck blocks of three convolutions (He et al. 2015, table 1).
_BOTTLENECK_DEPTHS: dict[tuple[int, ...], int] = {(3, 4, 6, 3): 50, (3, 4, 23, 3): 101, (3, 8, 36, 3): 152}


@dataclass(frozen=True, slots=True)
class CheckpointContents:
    """The contents of a checkpoint, without its numbers.

    `shapes` is of the state dict, with the network's own names; `dtypes` are safetensors' names ("F32", "BF16"), each
    once. `metadata` is everything else that is plain text or a number. `stated_cfg` has what a training script noted
    of timm's `pretrained_cfg`, unchecked.
    """

    shapes: dict[str, tuple[int, ...]]
    dtypes: tuple[str, ...]
    metadata: dict[str, str | int | float]
    labels: tuple[str, ...] | None
    stated_cfg: Mapping[str, Any] = field(default_factory=dict)

    @property
    def num_parameters(self) -> int:
        """Numbers in all tensors, running statistics included."""
        return sum(_product(shape) for shape in self.shapes.values())


def read_header(weights: WeightsFile) -> CheckpointContents:
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
        raise ModelError(f"{weights.path}: not a readable safetensors file: {first_line(error)}") from error
    return sorted_contents(shapes, dtypes, {name: _from_json(value) for name, value in metadata.items()})


def sorted_contents(shapes: Shapes, dtypes: set[str], metadata: Mapping[str, Any]) -> CheckpointContents:
    """Sort what was read: names of classes apart from other plain values; whatever else there is, is left out."""
    plain = {
        str(name): value
        for name, value in metadata.items()
        if name not in _LABEL_KEYS and isinstance(value, str | int | float)
    }
    names = clean_names(shapes)
    clean = {names[name]: shape for name, shape in shapes.items() if name in names}
    return CheckpointContents(clean, tuple(sorted(dtypes)), plain, labels_in(metadata), _stated_cfg(metadata))


def clean_names(names: Iterable[str]) -> dict[str, str]:
    """Give the network's own name of each of its tensors, by the name in the checkpoint.

    Names of wrappers before them are taken off, one after another; what lies outside of the wrapper that holds most
    tensors (a loss's weights, a moving average's copy) is no part of the network.
    """
    clean = {name: name for name in names}
    while True:
        counts = Counter(name.partition(".")[0] for name in clean.values() if "." in name)
        wrapper, count = max(counts.items(), key=lambda item: item[1], default=("", 0))
        if wrapper not in _WRAPPERS or 2 * count < len(clean):
            return clean
        clean = {name: own.removeprefix(f"{wrapper}.") for name, own in clean.items() if own.startswith(f"{wrapper}.")}


def labels_in(metadata: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Find the names of the classes under one of the usual keys."""
    return next((found for key in _LABEL_KEYS if (found := _labels(metadata.get(key))) is not None), None)


def args_beside(path: Path) -> dict[str, Any]:
    """Read the arguments that timm's train.py writes beside its checkpoints, args.yaml; {} if there are none."""
    try:
        content = read_regular(path.with_name("args.yaml"), _MAX_ARGS_BYTES)
    except OSError:
        return {}
    import yaml

    try:
        args = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return args if isinstance(args, dict) else {}


def _stated_cfg(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """timm's fields as a checkpoint states them; train.py has them among its arguments, where it was given them."""
    cfg, args = metadata.get("pretrained_cfg"), metadata.get("args")
    if isinstance(cfg, Mapping):
        return {str(name): value for name, value in cfg.items()}
    return stated_by_args(args) if isinstance(args, Mapping) else {}


def stated_by_args(args: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields of a `pretrained_cfg` that the arguments of timm's train.py set."""
    names = ("input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std")
    stated = {name: args[name] for name in names if args.get(name)}
    size = args.get("img_size")
    return stated if "input_size" in stated or not size else stated | {"input_size": [3, size, size]}


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
