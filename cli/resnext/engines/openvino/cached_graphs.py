"""A graph as OpenVINO compiled it for one photo and this processor, kept: importing it is the faster start.

The passes over the graph, a third to a half of the time of loading a small model, are then behind it. What weighs much
is kept in another form, see `weights_in_place`.
"""

from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resnext.engines import EngineSpec
from resnext.engines.openvino.importing import NodeMaker, import_openvino
from resnext.engines.openvino.kept import kept
from resnext.errors import DamagedEntry
from resnext.store.entries import GRAPH_WEIGHTS

# Of the spread of the numbers. What bfloat16 rounds away is a hundredth of it, a wrong graph is off by about 1.
_TOLERANCE = 0.05
# What imported graphs read their weights from, and do not keep alive themselves.
_in_use: list[Any] = []


def import_or_compile(
    core: Any, spec: EngineSpec, graph: Callable[[], Any], config: dict[str, Any], in_bf16: bool
) -> Any:
    """Import what is kept of a graph for one photo; else compile `graph()`, and keep it for the next time.

    Raises:
        DamagedEntry: OpenVINO refuses a whole blob, which is now gone; the graph's own files were not checked.
        RuntimeError: OpenVINO can't compile the graph.
    """
    for whole in (True, False):
        blob = kept(spec, whole=whole)
        content = blob.read()
        if content is None:
            continue
        if not content:
            return core.compile_model(graph(), "CPU", config)
        try:
            return _imported(core, content, config if whole else _beside(spec, config))
        except RuntimeError as error:  # another build of the same version made it, say
            blob.remove()
            if whole:
                raise DamagedEntry(f"{blob.path}: OpenVINO refuses it") from error
    return _compiled_and_kept(core, spec, graph, config, in_bf16)


def _compiled_and_kept(
    core: Any, spec: EngineSpec, graph: Callable[[], Any], config: dict[str, Any], in_bf16: bool
) -> Any:
    from resnext.engines.openvino.weights_in_place import read_in_place

    begin = perf_counter()
    compiled = core.compile_model(graph(), "CPU", config | {"CACHE_MODE": "OPTIMIZE_SIZE"})
    if not kept(spec, whole=False).can_be_kept(spec.graph.with_name(GRAPH_WEIGHTS).stat().st_size):
        return compiled
    expected = _answers(compiled)
    seconds = perf_counter() - begin
    in_place = graph()
    if in_bf16 and read_in_place(in_place, NodeMaker()):
        del compiled  # two large ones at once need not fit
        with suppress(RuntimeError):
            exported = core.compile_model(in_place, "CPU", config).export_model().getbuffer()
            imported = _tried(core, exported, config, expected, seconds)
            if imported is not None:
                kept(spec, whole=True).keep(exported)
                return imported
        compiled = core.compile_model(graph(), "CPU", config | {"CACHE_MODE": "OPTIMIZE_SIZE"})
    with suppress(RuntimeError):  # not every graph can be exported, or imported again
        exported = compiled.export_model().getbuffer()
        if _tried(core, exported, _beside(spec, config), expected) is not None:
            kept(spec, whole=False).keep(exported)
            return compiled
    kept(spec, whole=False).keep(b"")
    return compiled


def _tried(
    core: Any,
    exported: memoryview,
    config: dict[str, Any],
    expected: list[NDArray[np.float32]],
    seconds: float = float("inf"),
) -> Any:
    """Import what was exported; None if it answers something else, or not in fewer seconds.

    Raises:
        RuntimeError: OpenVINO can't import it.
    """
    begin = perf_counter()
    imported = _imported(core, exported, config)
    answers = _answers(imported)
    return imported if perf_counter() - begin < seconds and _agree(answers, expected) else None


def _beside(spec: EngineSpec, config: dict[str, Any]) -> dict[str, Any]:
    """What has to be known to import a graph whose weights are in a file of their own."""
    return config | {"CACHE_MODE": "OPTIMIZE_SIZE", "WEIGHTS_PATH": str(spec.graph.with_name(GRAPH_WEIGHTS))}


def _imported(core: Any, content: memoryview, config: dict[str, Any]) -> Any:
    tensor = import_openvino().Tensor(np.frombuffer(content, np.uint8), shared_memory=True)
    _in_use.append(tensor)
    return core.import_model(tensor, "CPU", config)


def _answers(compiled: Any) -> list[NDArray[np.float32]]:
    """What a compiled graph makes of seeded noise."""
    pixels = np.random.default_rng(0).standard_normal(list(compiled.inputs[0].shape), np.float32)
    return [np.array(values) for values in compiled(pixels).values()]


def _agree(found: list[NDArray[np.float32]], expected: list[NDArray[np.float32]]) -> bool:
    return all(
        bool(np.abs(one - other).max() <= _TOLERANCE * max(float(other.std()), 1e-6))
        for one, other in zip(found, expected, strict=True)
    )
