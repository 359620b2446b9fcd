"""What training begins with, and what comes out of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from resnext.models.model_config import ModelConfig
from resnext.models.weights import WeightsFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class BaseModel:
    """The model that training starts from.

    `config.architecture` is what timm builds, with its tag where it has one; `weights` are those of its file. `name` is
    what rows call it. `pretrained_cfg` is timm's, complete: its "classifier" names the classifier's tensors. The
    classifier takes `num_features` numbers.
    """

    name: str
    config: ModelConfig
    weights: WeightsFile
    licence: str
    num_features: int
    pretrained_cfg: Mapping[str, Any]


class HeadFit(NamedTuple):
    """A linear classifier on pooled features: logits are `features @ weight.T + bias`.

    `weight` (C, D) and `bias` (C,), float32, are divided by `temperature` already. `regularization` is the strength
    that cross-validation chose. `out_of_fold` (N, C) are the logits of each photo by a fit that did not see it, divided
    by `temperature` too; rows of photos that train always are NaN.
    """

    weight: "NDArray[np.float32]"
    bias: "NDArray[np.float32]"
    regularization: float
    out_of_fold: "NDArray[np.float32]"
    temperature: float


class Trained(NamedTuple):
    """What a method gives: the whole network by timm's names, and how good it was.

    `validation` is its accuracy on the photos that chose it, `history` a row an epoch (empty for a head).
    """

    tensors: "Tensors"
    validation: float
    history: Sequence[Mapping[str, Any]] = ()


# Called with what is done and what there is to do in all, of one step that has this name: "fit", "epoch 3".
Progress = Callable[[str, int, int], None]
