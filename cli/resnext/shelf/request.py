"""What is asked of the shelf, and what it hands out."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from resnext.engines import CLASSIFIER, Engine, EngineName, Graph, Precision, Tuning
from resnext.models.catalog import AUTO
from resnext.records import Label, PreprocessingConfig

if TYPE_CHECKING:
    from resnext.images.preprocess import Transform
    from resnext.store.entries import CompiledModel


class Adjustments(NamedTuple):
    """What is asked for in place of a model's own preprocessing, in timm's terms; None leaves the model's own."""

    input_size: tuple[int, int, int] | None = None
    crop_pct: float | None = None
    interpolation: str | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None

    @property
    def size_text(self) -> str:
        """The input size for a key; empty for the model's own."""
        return "x".join(map(str, self.input_size)) if self.input_size is not None else ""

    @property
    def after_compiling(self) -> dict[str, Any]:
        """All but the input size, which a compiled graph is made for."""
        return {name: value for name, value in self._asdict().items() if name != "input_size" and value is not None}

    def settings(self) -> dict[str, str | float | None]:
        """Each by its option, for the note beside a result."""
        return {
            f"--{name.replace('_', '-')}": ",".join(map(str, value)) if isinstance(value, tuple) else value
            for name, value in self._asdict().items()
        }


class ModelRequest(NamedTuple):
    """Which model to run and how. `device` other than "cpu" needs the torch engine.

    `outputs` names what is wanted of what `graph` computes. `tuning` None leaves it to the number of photos; with one
    that is named a photo's numbers do not depend on it. `threads` None computes on all processors.
    """

    model: str = AUTO
    weights: Path | None = None
    engine: EngineName = "openvino"
    device: str = "cpu"
    precision: Precision = "auto"
    batch_size: int | None = None
    offline: bool = False
    graph: Graph = CLASSIFIER
    outputs: tuple[str, ...] = ("logits",)
    tuning: Tuning | None = None
    adjustments: Adjustments = Adjustments()
    threads: int | None = None


class OpenedModel(NamedTuple):
    """A model that is ready. `load(tuning)` gives its engine, tuned like that unless the request states another tuning.

    `weights_digest` tells its weights and, if it has any, its own settings from all others. `transform` is timm's own,
    where the model's is not a resize and centre crop. `compiled`: what the store has of it, unless torch computes.
    """

    name: str
    weights_digest: str
    preprocessing: PreprocessingConfig
    labels: Callable[[], tuple[Label, ...]]
    num_classes: int
    num_features: int
    load: Callable[[Tuning], Engine]
    transform: "Transform | None" = None
    compiled: "CompiledModel | None" = None


def what_is_left(preprocessing: PreprocessingConfig) -> PreprocessingConfig | None:
    """Give what the engine does of the preprocessing: it normalizes, unless a model gets timm's own transform."""
    from resnext.images.preprocess import is_supported

    return preprocessing if is_supported(preprocessing) else None


def own_transform(preprocessing: PreprocessingConfig) -> "Transform | None":
    """Give timm's transform, which imports torch, for the few models whose own is not a resize and centre crop."""
    from resnext.images.preprocess import is_supported

    if is_supported(preprocessing):
        return None
    from resnext.compiling.timm_models import timm_transform

    return timm_transform(preprocessing)
