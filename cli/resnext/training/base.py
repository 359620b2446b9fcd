"""The model that training starts from: what it is, and its tensors by timm's names, read without torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnext.errors import ModelError, OutputError, UsageError, first_line
from resnext.models.catalog import OWN_WEIGHTS
from resnext.models.checkpoints import read_header
from resnext.models.weights import WeightsFile, from_file
from resnext.shelf.build import Recipe, undisturbed
from resnext.shelf.request import Adjustments
from resnext.store.entries import CompiledModel
from resnext.store.training_cache import weights_file
from resnext.training.trained import BaseModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NUMPY_KNOWS = frozenset("F64 F32 F16 I64 I32 I16 I8 U8 BOOL".split())


def base_of(recipe: Recipe, compiled: CompiledModel, adjustments: Adjustments) -> BaseModel:
    """Tell what a compiled model is as the base of another, which keeps the preprocessing that was asked for.

    Raises:
        UsageError: it has more than one classifier, or none that timm names.
    """
    classifier = {**compiled.pretrained_cfg, **recipe.config.pretrained_cfg}.get("classifier")
    if not isinstance(classifier, str):
        has = "no classifier" if not classifier else "more than one classifier"
        raise UsageError(f"{recipe.asked.name.name} has {has} to put another in place of; take another base with -m")
    changes = {
        name: list(each) if isinstance(each, tuple) else each for name, each in adjustments.after_compiling.items()
    }
    cfg = {**compiled.pretrained_cfg, **recipe.config.pretrained_cfg, **changes, "license": compiled.licence}
    name = recipe.asked.name.name
    return BaseModel(name, recipe.config, recipe.weights, compiled.licence, compiled.num_features, cfg)


def tensors_of(base: BaseModel, root: Path) -> "dict[str, NDArray[Any]]":
    """The tensors of a base by timm's names.

    A published safetensors file has them as they are. Any other form is built by timm, with torch, once, and kept as
    such a file below `root`, the cache's folder.

    Raises:
        ModelError: the weights do not fit, or can't be read.
        OutputError: the cache can't be written.
    """
    weights = base.weights
    kept = weights_file(root, weights.digest)
    if not _is_as_timm_has_it(weights):
        if not kept.is_file():
            undisturbed(lambda: _keep_as_timm_has_it(base, kept))
        weights = from_file(kept)
    from safetensors.numpy import load_file

    try:
        return load_file(weights.path)
    except Exception as error:  # the library's own error, OSError, and whatever a hostile header leads to
        raise ModelError(f"{weights.path}: not a readable safetensors file: {first_line(error)}") from error


def classifier_names(base: BaseModel, tensors: "Mapping[str, NDArray[Any]]") -> tuple[str, str]:
    """The names of the classifier's weight and bias; the weight's shape fits the features.

    Raises:
        ModelError: they are not there.
    """
    name = base.pretrained_cfg["classifier"]
    weight, bias = f"{name}.weight", f"{name}.bias"
    shape = tensors[weight].shape if weight in tensors else ()
    if len(shape) not in (2, 4) or shape[1] != base.num_features or bias not in tensors:
        raise ModelError(f"{base.name}: its classifier is not one linear layer with a bias; take another base with -m")
    return weight, bias


def with_head(
    base: BaseModel,
    tensors: "Mapping[str, NDArray[Any]]",
    weight: "NDArray[np.float32]",
    bias: "NDArray[np.float32]",
) -> "dict[str, NDArray[Any]]":
    """The base's tensors with another classifier: weight (C, D), bias (C,)."""
    of_weight, of_bias = classifier_names(base, tensors)
    old = tensors[of_weight]
    shaped = weight.reshape(*weight.shape, *([1] * (old.ndim - 2)))  # some of timm's classifiers are 1x1 convolutions
    return {**tensors, of_weight: shaped.astype(old.dtype), of_bias: bias.astype(old.dtype)}


def _is_as_timm_has_it(weights: WeightsFile) -> bool:
    """Whether a file's tensors have timm's names, and types that numpy knows."""
    # A model's folder has its file under this name; a checkpoint of a training script has names of its own.
    of_folder = weights.path.name == OWN_WEIGHTS[0] or not weights.origin.startswith("file ")
    if weights.kind != "safetensors" or not of_folder:
        return False
    return _NUMPY_KNOWS.issuperset(read_header(weights).dtypes)


def _keep_as_timm_has_it(base: BaseModel, path: Path) -> None:
    from safetensors.torch import save

    from resnext.compiling import timm_models
    from resnext.disk import replace_file

    module = timm_models.build(base.config.architecture, base.weights, base.config).module
    tensors = {name: tensor.float().contiguous() if tensor.is_floating_point() else tensor.contiguous()
               for name, tensor in module.state_dict().items()}  # fmt: skip
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, [save(tensors)])
    except OSError as error:
        raise OutputError(f"{path}: can't keep the base's weights: {error.strerror}; set RESNEXT_CACHE") from error
