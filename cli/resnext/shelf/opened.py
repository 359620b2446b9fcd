"""A compiled model and what is asked of it -> the model as it is handed out, and what its engine is built from."""

from collections.abc import Callable

from resnext.engines import Engine, EngineSpec, Tuning
from resnext.records import PreprocessingConfig
from resnext.shelf.request import ModelRequest, OpenedModel, own_transform, what_is_left
from resnext.store.digests import digest_of
from resnext.store.entries import CompiledModel


def opened(name: str, compiled: CompiledModel, request: ModelRequest, load: Callable[[Tuning], Engine]) -> OpenedModel:
    """Give a compiled model as runs need it."""
    preprocessing = adjusted(compiled.preprocessing, request)
    provenance = compiled.provenance
    return OpenedModel(
        name=name,
        weights_digest=identity(provenance.weights_digest, provenance.settings),
        preprocessing=preprocessing,
        labels=compiled.labels,
        num_classes=compiled.num_classes,
        num_features=compiled.num_features,
        load=load,
        transform=own_transform(preprocessing),
        compiled=compiled,
    )


def identity(weights_digest: str, settings: str) -> str:
    """Give what identifies a model: the weights of a published one; of an own one also classes and preprocessing."""
    return digest_of([weights_digest, settings]) if settings else weights_digest


def adjusted(preprocessing: PreprocessingConfig, request: ModelRequest) -> PreprocessingConfig:
    """Give the model's preprocessing with what was asked for in place of it."""
    changes = request.adjustments.after_compiling
    return preprocessing._replace(**changes) if changes else preprocessing


def spec_of(model: CompiledModel, request: ModelRequest, tuning: Tuning) -> EngineSpec:
    """Give what the engine of a compiled model is built from."""
    changes = request.adjustments.after_compiling
    return EngineSpec(
        model.graph,
        request.outputs,
        request.precision,
        tuning,
        request.batch_size,
        what_is_left(adjusted(model.preprocessing, request)),
        # What is cached beside the graph computes the preprocessing too.
        digest_of([model.digest, changes]) if changes else model.digest,
        request.threads,
    )
