"""A graph as OpenVINO compiled it for one photo and this processor, cached: importing it is the faster start.

The passes over the graph, a third to a half of the time of loading a small model, are then behind it. Of a graph that
weighs much its weights are cached too, in a form that is read in place, see `weights_in_place`.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from resnext.engines import EngineSpec
from resnext.engines.openvino.processor import this_processor
from resnext.errors import DamagedEntry
from resnext.store.cache_file import CacheFile
from resnext.store.entries import GRAPH_WEIGHTS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Raise it when compiled graphs are made in another way: those that were cached are then not found.
_MADE_BY = 2
# Compiling, checking and writing takes seconds from here on.
LARGE_BYTES = 128 << 20
# Of the spread of the numbers. What bfloat16 rounds away is a hundredth of it, a wrong graph is off by about 1.
_TOLERANCE = 0.05
_SMALL = {"CACHE_MODE": "OPTIMIZE_SIZE"}  # exports no weights


class Imported(NamedTuple):
    """A compiled graph and the memory that it reads its weights from, which must live as long."""

    compiled: Any
    memory: Any = None


class CachedGraph:
    """What is cached of the graph of `spec`. One file holds the graph with its weights, or one holds it without them.

    Each is read and checked once, when it is first asked for.
    """

    def __init__(self, spec: EngineSpec) -> None:
        self._spec = spec
        processor = this_processor()
        of_this = f"{spec.precision} {spec.graph_digest} {' '.join(processor.features) or processor.name}"
        # The digest of an entry covers the version of OpenVINO that it was made for.
        self._with_weights = CacheFile(spec.graph.parent, f"{_MADE_BY} with weights {of_this}")
        self._without = CacheFile(spec.graph.parent, f"{_MADE_BY} without weights {of_this}")

    @property
    def serves(self) -> bool:
        """Whether graphs of this kind are cached: for one photo, and with a digest that tells them apart."""
        spec = self._spec
        return spec.tuning == "latency" and spec.batch_size in (None, 1) and spec.graph_digest is not None

    @cached_property
    def whole(self) -> memoryview | None:
        """The graph with its weights: it needs no other file."""
        return self._with_weights.read() if self.serves else None

    @property
    def takes_seconds_once(self) -> bool:
        """Whether loading takes so long now as it never will again, because nothing is cached yet."""
        if not self.serves or self._with_weights.path.exists() or self._without.path.exists():
            return False
        size = self._weights_bytes()
        return size >= LARGE_BYTES and self._with_weights.has_room_for(size)

    def load(self, core: Any, graph: Callable[[], Any], config: dict[str, Any], in_bf16: bool) -> Imported:
        """Import what is cached; else compile `graph()`, and cache it for the next time.

        Raises:
            DamagedEntry: OpenVINO refuses a graph with weights, which is now gone; the other files were not checked.
            RuntimeError: OpenVINO can't compile the graph.
        """
        if not self.serves:
            return Imported(core.compile_model(graph(), "CPU", config))
        if self.whole is not None:
            try:
                return _imported(core, self.whole, config)
            except RuntimeError as error:  # another build of the same version made it, say
                self._with_weights.remove()
                raise DamagedEntry(f"{self._with_weights.path}: OpenVINO refuses it") from error
        content = self._without.read()
        if content is not None and not len(content):  # this graph can't be cached
            return Imported(core.compile_model(graph(), "CPU", config))
        if content is not None:
            with suppress(RuntimeError):
                return _imported(core, content, config | self._beside())
        return self._made(core, graph, config, in_bf16)

    def _made(self, core: Any, graph: Callable[[], Any], config: dict[str, Any], in_bf16: bool) -> Imported:
        from resnext.engines.openvino.importing import NodeMaker
        from resnext.engines.openvino.weights_in_place import read_in_place

        compiled = core.compile_model(graph(), "CPU", config | _SMALL)
        if not self._without.has_room_for(self._weights_bytes()):
            return Imported(compiled)
        expected = _answers(compiled)
        in_place = graph()
        if in_bf16 and read_in_place(in_place, NodeMaker()):
            del compiled  # two large ones at once need not fit
            with suppress(RuntimeError):
                exported = core.compile_model(in_place, "CPU", config).export_model().getbuffer()
                imported = _imported(core, exported, config)
                if _agree(_answers(imported.compiled), expected):
                    self._with_weights.write(exported)
                    return imported
            compiled = core.compile_model(graph(), "CPU", config | _SMALL)
        content: bytes | memoryview = b""
        with suppress(RuntimeError):  # not every graph can be exported, or imported again
            exported = compiled.export_model().getbuffer()
            if _agree(_answers(_imported(core, exported, config | self._beside()).compiled), expected):
                content = exported
        self._without.write(content)
        return Imported(compiled)

    def _beside(self) -> dict[str, Any]:
        """What OpenVINO must know to import a graph whose weights are in the entry's own file."""
        return _SMALL | {"WEIGHTS_PATH": str(self._spec.graph.with_name(GRAPH_WEIGHTS))}

    def _weights_bytes(self) -> int:
        return self._spec.graph.with_name(GRAPH_WEIGHTS).stat().st_size


def _imported(core: Any, content: memoryview, config: dict[str, Any]) -> Imported:
    import numpy as np

    from resnext.engines.openvino.importing import import_openvino

    tensor = import_openvino().Tensor(np.frombuffer(content, np.uint8), shared_memory=True)
    return Imported(core.import_model(tensor, "CPU", config), tensor)


def _answers(compiled: Any) -> "list[NDArray[np.float32]]":
    """What a compiled graph makes of seeded noise."""
    import numpy as np

    pixels = np.random.default_rng(0).standard_normal(list(compiled.inputs[0].shape), np.float32)
    return [np.array(values) for values in compiled(pixels).values()]


def _agree(found: "list[NDArray[np.float32]]", expected: "list[NDArray[np.float32]]") -> bool:
    return all(
        bool(abs(one - other).max() <= _TOLERANCE * max(float(other.std()), 1e-6))
        for one, other in zip(found, expected, strict=True)
    )
