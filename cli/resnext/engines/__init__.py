"""What turns pixels into logits and embeddings. An engine knows tensors; paths, labels and formats are others' work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Precision = Literal["auto", "fp32", "bf16"]
EngineName = Literal["openvino", "torch"]


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a model says of a batch: `logits` float32 (B, num_classes); `embeddings` float32 (B, D), pooled."""

    logits: NDArray[np.float32]
    embeddings: NDArray[np.float32]


class Ticket(Protocol):
    """A batch that was handed to an engine."""

    def done(self) -> bool:
        """Whether `result` would return at once."""

    def result(self) -> Outputs:
        """Wait for the batch and give its outputs; once."""


class Engine(Protocol):
    """Runs batches; several may be under way at once. Not for use from more than one thread."""

    batch_size: int  # the batch that it runs best; smaller ones are taken too
    depth: int  # how many tickets may be open at once

    def submit(self, pixels: NDArray[np.float32]) -> Ticket:
        """Start on float32 pixels of shape (B, 3, H, W), 1 <= B <= batch_size, normalised.

        The array must not be changed before the ticket's result was taken.
        """


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What an engine is built from: small and picklable. `many` tunes for throughput, else for the first answer.

    `batch_size` None leaves the choice to the engine.
    """

    graph: Path
    precision: Precision = "auto"
    many: bool = False
    batch_size: int | None = None


def load_engine(spec: EngineSpec) -> Engine:
    """Load the compiled graph of `spec`; imports no torch."""
    from resnext.engines.openvino_engine import OpenVINOEngine

    return OpenVINOEngine(spec)
