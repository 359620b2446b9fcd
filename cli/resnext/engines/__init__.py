"""What turns pixels into logits and features. An engine knows tensors; paths, labels and formats are others' work."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from resnext.engines.openvino.cached_graph import CachedGraph
    from resnext.records import Pixels, PreprocessingConfig

Precision = Literal["auto", "fp32", "bf16", "int8"]
# The first answer soon, or many photos a second.
Tuning = Literal["latency", "throughput"]
EngineName = Literal["openvino", "torch"]


class Graph(NamedTuple):
    """What is computed of a photo, in timm's terms.

    "classifier": `logits` (B, num_classes) and, from the same pass, `pooled` (B, D), what the classifier sees.
    "unpooled": the last feature map, (B, C, H, W), or (B, tokens, D) of a transformer. "multiscale": the maps of
    `features_only=True` at `out_indices`, as `level1`, `level2`, …
    """

    kind: Literal["classifier", "unpooled", "multiscale"] = "classifier"
    out_indices: tuple[int, ...] = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the arrays, in the graph's order."""
        if self.kind == "classifier":
            return ("logits", "pooled")
        return tuple(f"level{index}" for index in self.out_indices) if self.kind == "multiscale" else (self.kind,)

    def __str__(self) -> str:
        return "-".join([self.kind, *map(str, self.out_indices)])


CLASSIFIER = Graph()


class Ticket(Protocol):
    """A batch that was handed to an engine."""

    def done(self) -> bool:
        """Whether `result` would return at once."""

    def result(self) -> "dict[str, NDArray[np.float32]]":
        """Wait for the batch and give the outputs that were asked for, a row a photo, by name; once."""


class Engine(Protocol):
    """Runs batches; several may be under way at once. Not for use from more than one thread."""

    batch_size: int  # the batch that it runs best; smaller ones are taken too
    depth: int  # how many tickets may be open at once

    @property
    def precision(self) -> Literal["fp32", "bf16", "int8"]:
        """What it computes in on this machine."""

    def submit(self, pixels: "Pixels") -> Ticket:
        """Start on a batch: crops, uint8 (B, H, W, 3), or normalized float32 (B, 3, H, W); 1 <= B <= batch_size.

        An engine that was built to normalize takes crops, any other takes float32. The array must not be changed
        before the ticket's result was taken.
        """


class EngineSpec(NamedTuple):
    """What an engine is built from: small and picklable.

    With `precision` int8 the graph is one that was quantized; what it leaves in higher precision is computed as with
    auto. `batch_size` None leaves the choice to the engine. `outputs` names what is wanted of what the graph computes.
    `normalizes`: the engine is given crops, and makes of them what this model takes. `graph_digest` tells this graph
    from every other; without it nothing that an engine made of it is cached beside it. `threads` None takes all
    processors.
    """

    graph: Path
    outputs: tuple[str, ...] = ("logits",)
    precision: Precision = "auto"
    tuning: Tuning = "latency"
    batch_size: int | None = None
    normalizes: "PreprocessingConfig | None" = None
    graph_digest: str | None = None
    threads: int | None = None


def load_engine(spec: EngineSpec, cached: "CachedGraph | None" = None) -> Engine:
    """Load the compiled graph of `spec`; imports no torch. `cached` is the spec's own, if it was looked at already."""
    from resnext.engines.openvino.cached_graph import CachedGraph
    from resnext.engines.openvino.engine import OpenVINOEngine

    return OpenVINOEngine(spec, cached or CachedGraph(spec))
