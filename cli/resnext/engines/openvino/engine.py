"""The default engine: a compiled graph on the CPU through OpenVINO."""

import errno
import os
import sys
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from resnext.engines import EngineSpec, Precision
from resnext.engines.openvino.cached_graph import CachedGraph
from resnext.engines.openvino.importing import NodeMaker, new_core
from resnext.engines.openvino.normalize import Normalization
from resnext.engines.openvino.processor import this_processor
from resnext.engines.openvino.wide_groups import widen_groups
from resnext.errors import ModelError, NoResources, first_line
from resnext.threads import can_start

if TYPE_CHECKING:
    from resnext.records import Pixels

# Tiles are AMX: only there a batch feeds the multipliers better than single photos do (by 4% from 4 to 8). Without
# them it only spills the caches (75 photos a second at 4, 89 at 1, on two cores with AVX512-BF16).
_BATCH_WITH_AMX = 8
_BATCH_WITHOUT_AMX = 1
_FEW_THREADS = "the system gives no more threads (ulimit -u, the container's limit of pids)"
# What OpenVINO starts beside one thread for each processor, and what of this program starts meanwhile.
_MORE_THREADS = 4
_WHERE = "Exception from"  # its errors begin with lines that name a place in its source
_HINTS = {"fp32": "f32", "bf16": "bf16"}


class OpenVINOEngine:
    """A compiled graph: dynamic batches tuned for the first answer, or static batches and several at once for many."""

    def __init__(self, spec: EngineSpec, cached: CachedGraph) -> None:
        core = new_core()
        bf16 = in_bf16(core, spec.precision)
        has_amx = bf16 and "amx_bf16" in this_processor().features
        many = spec.tuning == "throughput"
        self._int8 = spec.precision == "int8"
        config: dict[str, Any] = {"PERFORMANCE_HINT": spec.tuning.upper()}
        if spec.precision in _HINTS:
            config["INFERENCE_PRECISION_HINT"] = _HINTS[spec.precision]
        if spec.threads is not None:
            # Unpinned: several such engines on one machine would all be pinned to the same processors.
            config |= {"INFERENCE_NUM_THREADS": spec.threads, "ENABLE_CPU_PINNING": False}
        self._normalize = None if spec.normalizes is None else Normalization(spec.normalizes)
        best_batch_size = _BATCH_WITH_AMX if has_amx else _BATCH_WITHOUT_AMX
        self.batch_size = spec.batch_size or (best_batch_size if many else 1)
        # A fixed shape spares the first answer a second preparation of the weights: 0.2 s of 1 for a 32x16d.
        # Batches of a few photos come in any size.
        self._static = many or self.batch_size == 1

        def graph() -> Any:
            model = core.read_model(spec.graph)
            if self._normalize is not None and (bf16 or self._int8) and many:
                # A quarter of the bytes to gather, and one pass less over them. In fp32 it would not be exact.
                self._normalize.put_before(model, NodeMaker())
                self._normalize = None
            if self._static:
                model.reshape([self.batch_size, *list(model.inputs[0].partial_shape)[1:]])
            if has_amx:
                widen_groups(model, NodeMaker())
            return model

        if not can_start((spec.threads or _processors()) + _MORE_THREADS):
            raise NoResources(_FEW_THREADS)
        try:
            imported = cached.load(core, graph, config, bf16)
        except RuntimeError as error:
            if os.strerror(errno.EAGAIN) in str(error):
                raise NoResources(_FEW_THREADS) from error
            raise ModelError(
                f"the compiled model can't be run: {first_line(error, skip=_WHERE)}; where memory is limited"
                " (ulimit -v, a container), that is the likely reason"
            ) from error
        self._compiled = imported.compiled
        # Two for each stream that computes: results are taken in input order, and meanwhile none of them may run dry.
        self.depth = 2 * int(self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) if many else 1
        self.outputs = spec.outputs
        self.free = [self._compiled.create_infer_request() for _ in range(self.depth)]
        self._memory = imported.memory  # the last to go: attributes are dropped in the order in which they were set

    @property
    def precision(self) -> Literal["fp32", "bf16", "int8"]:
        if self._int8:
            return "int8"
        hint = str(self._compiled.get_property("INFERENCE_PRECISION_HINT"))
        return "bf16" if "bf" in hint else "fp32"

    def submit(self, pixels: "Pixels") -> "_Inference":
        """Start on a batch; a static graph gets one of fewer than batch_size padded."""
        count = len(pixels)
        if self._normalize is not None:
            pixels = self._normalize(cast("NDArray[np.uint8]", pixels))
        if self._static and count < self.batch_size:
            padding = np.zeros((self.batch_size - count, *pixels.shape[1:]), pixels.dtype)
            pixels = np.concatenate([pixels, padding])
        pixels = np.ascontiguousarray(pixels)
        request = self.free.pop()
        request.start_async({0: pixels}, share_inputs=True)
        return _Inference(self, request, pixels, count)


class _Inference:
    """A running request. Keeps alive what it reads in place, until the result was taken: pixels, and weights."""

    def __init__(self, engine: OpenVINOEngine, request: Any, pixels: "Pixels", count: int) -> None:
        self._engine, self._request, self._pixels, self._count = engine, request, pixels, count

    def done(self) -> bool:
        return bool(self._request.wait_for(0))

    def result(self) -> dict[str, NDArray[np.float32]]:
        try:
            self._request.wait()
        except RuntimeError as error:
            raise ModelError(f"the model failed on a batch: {first_line(error, skip=_WHERE)}") from error
        # Copies: the request's own memory is overwritten by its next batch.
        arrays = {
            name: np.array(self._request.get_tensor(name).data[: self._count], np.float32)
            for name in self._engine.outputs
        }
        self._engine.free.append(self._request)
        return arrays


def in_bf16(core: Any, precision: Precision) -> bool:
    """Whether this processor will compute in bf16: "auto" does where it can."""
    able = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "bf16" and not able:
        raise ModelError("this CPU has no bf16; use --precision auto or fp32")
    return able and precision != "fp32"


def _processors() -> int:
    """Those that this process may use; a container's share of their time changes nothing in what OpenVINO starts."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
