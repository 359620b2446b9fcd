"""Where a graph is kept as it was compiled for one photo and this processor; found without importing an engine."""

from resnext.engines import EngineSpec
from resnext.engines.openvino.processor import processor_features
from resnext.store.blobs import Blob
from resnext.store.entries import GRAPH_WEIGHTS

# Raise it when compiled graphs are made in another way: those that were kept are then not found.
_MADE_BY = 1
# Compiling, trying and keeping takes seconds from here on.
_LARGE_BYTES = 128 << 20


def kept(spec: EngineSpec, *, whole: bool) -> Blob:
    """The blob of a graph. A whole one holds the weights too; beside the other kind the graph's own file is needed."""
    kind = "whole" if whole else "graph"
    features = " ".join(processor_features())
    # The digest of an entry covers the version of OpenVINO that it was made for.
    return Blob(spec.graph.parent, f"{_MADE_BY} {kind} {spec.precision} {spec.graph_digest} {features}")


def takes_seconds_once(spec: EngineSpec) -> bool:
    """Whether loading this graph will take so long as it never does again, because nothing is kept of it yet."""
    if spec.many or spec.batch_size not in (None, 1):
        return False
    blobs = [kept(spec, whole=whole) for whole in (True, False)]
    if any(blob.path.exists() for blob in blobs):
        return False
    size = spec.graph.with_name(GRAPH_WEIGHTS).stat().st_size
    return size >= _LARGE_BYTES and blobs[0].can_be_kept(size)
