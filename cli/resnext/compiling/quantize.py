"""A stored graph -> the same in int8, by NNCF; and which of its layers lose most by it, by measurement.

NNCF (extra `int8`) is imported here alone.
"""

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resnext.compiling.convert import save_graph, write_in_large_pieces
from resnext.engines.openvino.importing import NodeMaker, import_openvino, new_core
from resnext.engines.openvino.processor import this_processor
from resnext.errors import UsageError
from resnext.store.entries import GRAPH, GRAPH_WEIGHTS

if TYPE_CHECKING:
    from resnext.records import Pixels

_LAYERS = ("Convolution", "GroupConvolution", "MatMul")
_LEVELS = 127  # of int8 on either side of zero
# Photos that a layer's loss is measured on: the loss of a thousand classes on each of them is one mean.
_RANKING_PHOTOS = 12


class Layer(NamedTuple):
    """A layer with weights. `macs`: multiply-adds a photo. `loss`: how much of the logits' spread int8 alters."""

    name: str
    macs: int
    loss: float


def nncf_version() -> str:
    """The version of NNCF.

    Raises:
        UsageError: it is not installed.
    """
    return str(_nncf().__version__)


class Quantizer:
    """Makes int8 graphs of one stored graph, calibrated on `photos`; `prepare` makes of one float32 (1, 3, H, W).

    A processor without int8 products (VNNI, AMX) adds two of them in 16 bits, where the sum may be cut off: for it
    weights are rounded to 7 bits.
    """

    def __init__(self, graph: Path, photos: "Pixels", prepare: "Callable[[Pixels], NDArray[np.float32]]") -> None:
        self._graph, self._photos, self._prepare = graph, photos, prepare
        self._core = new_core()
        self._shape = self._core.read_model(graph).inputs[0].partial_shape

    def quantized(self, left_out: Sequence[str]) -> Any:
        """Quantize all layers but those that are `left_out`, which takes minutes; `write` writes what it gives."""
        nncf = _nncf()
        parameters = nncf.quantization.advanced_parameters
        fix = parameters.OverflowFix.FIRST_LAYER if this_processor().has_int8 else parameters.OverflowFix.ENABLE
        with _quiet():
            return nncf.quantize(
                self._model(),
                nncf.Dataset(self._photos, self._prepare),
                subset_size=len(self._photos),
                preset=nncf.QuantizationPreset.MIXED,
                fast_bias_correction=False,  # 0.4% more labels agree
                ignored_scope=nncf.IgnoredScope(names=list(left_out)) if left_out else None,
                advanced_parameters=parameters.AdvancedQuantizationParameters(overflow_fix=fix),
            )

    def write(self, model: Any, folder: Path) -> None:
        """Write what `quantized` gave as graph.xml and graph.bin.

        Raises:
            OSError: it can't be written.
        """
        model.reshape(self._shape)
        save_graph(model, folder / GRAPH)
        write_in_large_pieces(folder / GRAPH_WEIGHTS)

    def ranking(self) -> list[Layer]:
        """Measure what int8 costs in each layer, the others being exact; the worst comes first.

        What all photos share of a layer's error is left out: NNCF corrects it.
        """
        photos = [self._prepare(photo) for photo in self._photos[:_RANKING_PHOTOS]]
        make = NodeMaker()
        exact = self._model()
        layers = [node for node in exact.get_ordered_ops() if _has_weights(node)]
        ranges = self._ranges(photos, make)
        reference = self._logits(exact, photos)
        spread = float((reference - reference.mean(1, keepdims=True)).var())
        ranked = []
        for layer in layers:
            name = layer.get_friendly_name()
            changed = self._model()
            _round(next(node for node in changed.get_ordered_ops() if node.get_friendly_name() == name), ranges, make)
            error = self._logits(changed, photos) - reference
            loss = float((error - error.mean(0)).var()) / max(spread, 1e-12)
            ranked.append(Layer(name, _macs(layer), loss))
        return sorted(ranked, key=lambda layer: -layer.loss)

    def _model(self) -> Any:
        """The stored graph for one photo."""
        model = self._core.read_model(self._graph)
        model.reshape([1, *list(self._shape)[1:]])
        return model

    def _ranges(self, photos: Sequence[NDArray[np.float32]], make: NodeMaker) -> dict[str, tuple[np.float32, ...]]:
        """The least and the largest number that each layer gets of the photos, by its name."""
        model = self._model()
        layers = [node for node in model.get_ordered_ops() if _has_weights(node)]
        extremes = []
        for layer in layers:
            numbers = make("Reshape", layer.input_value(0), np.array([-1]), special_zero=False)
            extremes += [make(kind, numbers, np.array([0]), keep_dims=False) for kind in ("ReduceMin", "ReduceMax")]
        model = import_openvino().Model([each.output(0) for each in extremes], model.get_parameters())
        found = np.stack([np.array(outputs) for outputs in self._computed(model, photos)])
        low, high = found[:, ::2].min(0), found[:, 1::2].max(0)
        return {layer.get_friendly_name(): (low[index], high[index]) for index, layer in enumerate(layers)}

    def _logits(self, model: Any, photos: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        return np.concatenate([outputs[0] for outputs in self._computed(model, photos)])

    def _computed(self, model: Any, photos: Sequence[NDArray[np.float32]]) -> Iterator[list[NDArray[np.float32]]]:
        config = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        request = self._core.compile_model(model, "CPU", config).create_infer_request()
        for photo in photos:
            yield [np.array(values) for values in request.infer({0: photo}).values()]


def _has_weights(node: Any) -> bool:
    if node.get_type_name() not in _LAYERS:
        return False
    return bool(node.input_value(1).get_node().get_type_name() == "Constant")


def _round(layer: Any, ranges: dict[str, tuple[np.float32, ...]], make: NodeMaker) -> None:
    """Round a layer's weights to int8, channel by channel, and what it gets to 256 levels."""
    weights = layer.input_value(1).get_node().data
    channels = int(np.prod(weights.shape[: 2 if layer.get_type_name() == "GroupConvolution" else 1]))
    rows = weights.reshape(channels, -1)
    step = np.maximum(np.abs(rows).max(1, keepdims=True) / _LEVELS, np.float32(1e-30))
    rounded = (np.round(rows / step) * step).astype(np.float32).reshape(weights.shape)
    low, high = ranges[layer.get_friendly_name()]
    bounds = [np.float32(low), np.float32(max(high, low + 1e-6))] * 2
    layer.input(0).replace_source_output(make("FakeQuantize", layer.input_value(0), *bounds, levels=256).output(0))
    layer.input(1).replace_source_output(import_openvino().op.Constant(rounded).output(0))


def _macs(layer: Any) -> int:
    shape = layer.output(0).get_shape()
    places = int(np.prod(shape[2:])) if layer.get_type_name() != "MatMul" else 1
    return int(np.prod(layer.input_value(1).get_shape())) * places


def _nncf() -> ModuleType:
    import_openvino()  # without its telemetry, which NNCF would use too
    try:
        with _quiet():
            import nncf
            import nncf.quantization.advanced_parameters
    except ImportError as error:
        raise UsageError("quantize needs NNCF; pip install 'resnext[int8]' adds it") from error
    nncf.set_log_level(logging.ERROR)
    return nncf  # type: ignore[no-any-return]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what NNCF prints and warns of from the terminal, and from stdout, which is for data."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
