"""The job of `features`: makes checked vectors and maps of the engine's arrays, and writes them to files."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnext.engines import CLASSIFIER, Graph
from resnext.errors import FailureCode, InputError
from resnext.outputs.done import DoneInputs
from resnext.outputs.run_note import Settings
from resnext.outputs.vectors.feature_file import FeatureFile, FeatureLayout
from resnext.outputs.vectors.feature_stream import FeatureStream
from resnext.records import DType, Features, Kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from resnext.pipeline.loop import Row
    from resnext.pipeline.run import RunRequest
    from resnext.records import Answer, Source
    from resnext.shelf.shelf import OpenedModel

VECTORS = ("pooled", "logits")


@dataclass(frozen=True, slots=True)
class FeaturesRequest:
    """All that one run of `features` was asked for. `normalize` brings vectors to unit length (L2)."""

    run: "RunRequest"
    kind: Kind
    dtype: DType
    normalize: bool
    target: FeatureFile | FeatureStream


def computed_for(kind: Kind, out_indices: tuple[int, ...]) -> tuple[Graph, tuple[str, ...]]:
    """What an engine must compute for a kind, and which of its outputs are saved."""
    if kind in VECTORS:
        return CLASSIFIER, (kind,)
    graph = Graph("multiscale", out_indices) if kind == "multiscale" else Graph("unpooled")
    return graph, graph.outputs


class Extraction:
    """The Job of `features`."""

    verb = "saved"
    abstained_words = ""
    watched = False

    def __init__(self, request: FeaturesRequest, model: "OpenedModel") -> None:
        self._request, self._model = request, model
        self.resumable = request.target.layout.path if isinstance(request.target, FeatureFile) else None

    def __getstate__(self) -> dict[str, Any]:
        """All but the model: on another machine `part` brings it."""
        _ = self.settings
        return {name: value for name, value in vars(self).items() if name != "_model"}

    @property
    def ending(self) -> str:
        return self._layout.path.suffix

    def part(self, model: "OpenedModel", path: Path, *, resume: bool) -> "Extraction":
        job = copy(self)
        target = FeatureFile(replace(self._layout, path=path), resume=resume)
        vars(job).update(_model=model, _request=replace(self._request, target=target))
        return job

    @property
    def _layout(self) -> FeatureLayout:
        return self._request.target.layout

    def abstained(self, record: "Answer") -> bool:
        return False

    def prepare(self) -> DoneInputs:
        return self._request.target.prepare(self.settings)

    def answer(self) -> "Callable[[Source, Row], Features]":
        normalize, dtype = self._request.normalize, self._request.dtype

        def saved(source: "Source", row: "Row") -> Features:
            return Features(source, {name: checked(array, normalize, dtype) for name, array in row.items()})

        return saved

    def output(self) -> FeatureFile | FeatureStream:
        return self._request.target

    @cached_property
    def settings(self) -> Settings:
        """The settings that decide the content of the rows: a run that resumes them must have the same."""
        request, model = self._request, self._model
        levels = ",".join(map(str, request.run.model.graph.out_indices))
        return Settings(
            "features",
            {
                "--model": model.name,
                "weights": f"sha256:{model.weights_digest[:32]}",
                "--kind": request.kind,
                "--out-indices": levels or None,
                "--dtype": request.dtype,
                "--normalize": request.normalize,
                "--engine": request.run.model.engine,
                # As it was asked for: --exact decides it.
                "--precision": "auto" if request.run.exact else request.run.model.precision,
                "--exact": request.run.exact,
                **request.run.model.adjustments.settings(),
                "--batch-size": request.run.model.batch_size,
                "--frames": request.run.frames or "all",
                "--shard": str(request.run.sources.shard or "") or None,
            },
        )


def checked(array: "NDArray[np.float32]", normalize: bool, dtype: DType) -> "NDArray[np.floating[Any]]":
    """One photo's array as it is saved, of `dtype`; with `normalize` of unit length, computed in float64.

    Raises:
        InputError: a number in it is not finite, or is none in `dtype`; it is zero and has no direction.
    """
    import numpy as np

    if not np.isfinite(array).all():
        raise InputError(FailureCode.NON_FINITE, "the model's answer is not a finite number")
    if normalize:
        length = np.linalg.norm(array.astype(np.float64))
        if length == 0:
            raise InputError(FailureCode.NON_FINITE, "all features are zero: there is no unit length for them")
        array = (array / length).astype(np.float32)
    with np.errstate(over="ignore"):
        saved = array.astype(dtype, copy=False)
    if not np.isfinite(saved).all():
        raise InputError(FailureCode.NON_FINITE, f"a feature is too large for {dtype}")
    return saved
