"""The int8 graph of a compiled model: made once with the user's own photos and stored beside the model.

It is an entry of the store of its own, with all that an entry promises; its report says how it was measured.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from resnext.engines import Engine, EngineSpec, Precision, load_engine
from resnext.engines.openvino.processor import int8_graph, this_processor
from resnext.errors import ModelError
from resnext.shelf.request import what_is_left
from resnext.store.digests import digest_of, digest_of_bytes
from resnext.store.entries import GRAPH, GRAPH_WEIGHTS, CompiledModel, Provenance
from resnext.store.store import Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from resnext.compiling.quantize import Layer, Quantizer
    from resnext.console.terminal import Notices
    from resnext.records import Pixels

# Raise it when int8 graphs are made in another way: those that were kept stay in use until one asks for them again.
_MADE_BY = 1
# With more than this share of the multiply-adds in higher precision nothing is gained that is worth another answer.
_MOST_LEFT_OUT = 0.75

Load = Callable[[Precision], Engine]


class Verdict(NamedTuple):
    """What the validation photos say of an int8 graph. `text` is for people; `figures` is kept.

    `excess`: how many times the disagreement that is allowed they found; up to 1 is good. `reached` is the highest
    --agreement that would have been content.
    """

    excess: float
    reached: float
    text: str
    figures: dict[str, Any]


class Judge(Protocol):
    """Measures int8 graphs on validation photos. `load` gives an engine of the graph in a precision."""

    def verdict(self, load: Load) -> Verdict:
        """Measure how far int8 agrees with fp32."""

    def speed(self, load: Load) -> dict[str, float | None]:
        """Photos a second in each precision that this processor has."""


class Quantization:
    """One int8 graph: of `base`, calibrated on `crops`, to satisfy a judge whose demands are `demands`."""

    def __init__(self, base: CompiledModel, crops: "Pixels", demands: dict[str, Any], store: Store) -> None:
        from resnext.compiling.quantize import nncf_version

        self.base, self._crops, self._store = base, crops, store
        self._nncf = nncf_version()
        made_from = {
            "made_by": _MADE_BY,
            "graph": base.digest,
            "photos": digest_of_bytes(crops.tobytes()),
            "nncf": self._nncf,
            "demands": demands,
        }
        self.provenance: Provenance = base.provenance._replace(graph=int8_graph(), settings=digest_of(made_from))

    def make(self, judge: Judge, notices: "Notices", *, again: bool = False) -> CompiledModel:
        """Quantize until the judge is content, leaving out more and more of the worst layers; keep what contents it.

        With `again` it takes the place of the one that was kept.

        Raises:
            ModelError: it can't be contented, with what is possible; nothing was kept.
            OutputError: the store can't be written.
        """
        from resnext.compiling.quantize import Quantizer

        quantizer = Quantizer(self.base.graph, self._crops, _preparation(self.base))
        choice = LayerChoice(quantizer, notices)
        verdicts: list[Verdict] = []
        left_out: list[Layer] | None = []
        while left_out is not None:
            graph = quantizer.quantized([layer.name for layer in left_out])
            with self._store.new_folder() as folder:
                quantizer.write(graph, folder)
                del graph
                load = self._loader(folder / GRAPH)
                verdict = judge.verdict(load)
                if verdict.excess <= 1:
                    report = self._report(verdict, judge.speed(load), left_out, choice.share(left_out), folder)
                    return self._put(folder, report, again)
            verdicts.append(verdict)
            notices.info(f"int8 with {len(left_out)} layers left in higher precision: {verdict.text}")
            left_out = choice.next(left_out, verdict.excess)
        best = min(verdicts, key=lambda verdict: verdict.excess)
        raise ModelError(
            f"int8 does not agree as wanted on these photos; at best {best.text}; nothing was kept;"
            f" --agreement {math.floor(1000 * best.reached) / 1000:g} would keep it"
        )

    def _loader(self, graph: Path) -> Load:
        base = self.base

        def load(precision: Precision) -> Engine:
            path = graph if precision == "int8" else base.graph
            normalizes = what_is_left(base.preprocessing)
            return load_engine(EngineSpec(path, ("logits", "pooled"), precision, "throughput", None, normalizes))

        return load

    def _report(
        self,
        verdict: Verdict,
        speed: dict[str, float | None],
        left_out: "list[Layer]",
        share: float,
        folder: Path,
    ) -> dict[str, Any]:
        processor = this_processor()
        return {
            **verdict.figures,
            "calibration_photos": len(self._crops),
            "left_out": [layer.name for layer in left_out],
            "left_out_share": round(share, 4),
            "photos_per_second": speed,
            "size_bytes": {"fp32": _size(self.base.folder), "int8": _size(folder)},
            "processor": processor.name,
            "int8_instructions": processor.has_int8,
            "nncf": self._nncf,
        }

    def _put(self, folder: Path, report: dict[str, Any], again: bool) -> CompiledModel:
        draft = self.base._replace(folder=folder, provenance=self.provenance, quantization=report, digest="")
        if again:
            self._store.discard(self.provenance)
        return self._store.put(folder, draft, self.base.labels())


class LayerChoice:
    """Chooses which layers to leave out: as many of the worst as the verdict asks for."""

    def __init__(self, quantizer: "Quantizer", notices: "Notices") -> None:
        self._quantizer, self._notices = quantizer, notices
        self._layers: list[Layer] = []  # the worst first

    def next(self, tried: "list[Layer]", excess: float) -> "list[Layer] | None":
        """Give more layers than were `tried`, with which the photos disagreed `excess` times too much; None: no more.

        Labels change in proportion to the error of the logits, which is the root of the loss.
        """
        if not self._layers:
            self._notices.info("measuring which layers lose most")
            self._layers = self._quantizer.ranking()
        goal = min(0.5, excess**-2) * sum(layer.loss for layer in self._layers[len(tried) :])
        count = len(tried)
        for more in range(len(tried) + 1, len(self._layers)):
            if self.share(self._layers[:more]) > _MOST_LEFT_OUT:
                break
            count = more
            if sum(layer.loss for layer in self._layers[more:]) <= goal:
                break
        return self._layers[:count] if count > len(tried) else None

    def share(self, left_out: "list[Layer]") -> float:
        """The share of all multiply-adds in some layers."""
        return sum(layer.macs for layer in left_out) / max(1, sum(layer.macs for layer in self._layers))


def _preparation(base: CompiledModel) -> "Callable[[Pixels], NDArray[np.float32]]":
    """What makes of one photo's pixels what the graph takes, (1, 3, H, W)."""
    from resnext.engines.openvino.normalize import Normalization

    config = what_is_left(base.preprocessing)
    normalize = None if config is None else Normalization(config)

    def prepare(photo: "Pixels") -> "NDArray[np.float32]":
        return photo[None] if normalize is None else normalize(photo[None])  # type: ignore[return-value,arg-type]

    return prepare


def _size(folder: Path) -> int:
    return sum((folder / name).stat().st_size for name in (GRAPH, GRAPH_WEIGHTS))
