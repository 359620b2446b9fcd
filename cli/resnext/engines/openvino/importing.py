"""openvino without what a graph can be loaded, changed and run without."""

import importlib
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resnext.errors import ModelError
from resnext.threads import in_thread

_CONVERTER = "openvino.tools.ovc"
_importing = threading.Lock()


def import_openvino() -> ModuleType:
    """Import openvino without its telemetry, which would report the very import, its converter and its operator sets.

    The first two imports are guarded by `except ImportError` in openvino itself, and the sets are functions to write
    graphs with that nothing else in it needs; leaving all out saves 85 ms of every start. Each can be imported
    afterwards.

    Raises:
        ModelError: it is not installed, or can't be loaded.
    """
    with _importing:
        if "openvino" in sys.modules:
            return sys.modules["openvino"]
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # so Python blocks an import
        try:
            try:
                return _import_without({_CONVERTER: None, **{name: ModuleType(name) for name in _operator_sets()}})
            except (ImportError, AttributeError):  # a release that does need one of them; or it is missing
                for name in [name for name in sys.modules if name.split(".")[0] == "openvino"]:
                    if "._pyopenvino" not in name:  # compiled code is loaded once
                        del sys.modules[name]
                return _import_without({_CONVERTER: None})
        except ImportError as error:
            raise ModelError(f"openvino can't be imported here ({error}); use --engine torch") from error


def new_core() -> Any:
    """An OpenVINO core, its plugin for the processor loaded, which is done in a thread of its own.

    The plugin gives the thread that loads it a stack for signal handlers that holds two of them. Python runs its own
    handlers there, nested when signals come together: a third one in the main thread crashes the process.

    Raises:
        ModelError: openvino is not installed, or can't be loaded.
    """
    core = import_openvino().Core()
    loading = in_thread(lambda: core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"), name="plugin")
    loading.exception()  # waits; what fails here fails again where the core is used
    return core


class NodeMaker:
    """Makes the nodes of a graph. The operator sets that it stands for take longer to import than a graph to load."""

    def __init__(self) -> None:
        self._openvino = import_openvino()
        self._factory = importlib.import_module("openvino.utils.node_factory").NodeFactory("opset13")

    def __call__(self, operator: str, *inputs: Any, **attributes: Any) -> Any:
        """A node of an operator with its inputs, nodes or arrays, and the attributes that its specification names."""
        constant = self._openvino.op.Constant
        nodes = [constant(np.asarray(each)) if isinstance(each, np.ndarray | np.generic) else each for each in inputs]
        return self._factory.create(operator, nodes, attributes)

    def bfloat16(self, values: NDArray[np.float32]) -> Any:
        """A constant of finite numbers, each rounded to the nearest bfloat16, to the even one of two."""
        bits = np.ascontiguousarray(values).view(np.uint32)
        rounded = ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)
        openvino = self._openvino
        tensor = openvino.Tensor(rounded, openvino.Shape(values.shape), openvino.Type.bf16)
        return openvino.op.Constant(tensor, shared_memory=False)  # the tensor's memory is numpy's

    def parameter(self, shape: list[int], dtype: type[np.generic]) -> Any:
        """An input of the graph; -1 stands for a length that is not fixed."""
        return self._openvino.op.Parameter(self._openvino.Type(dtype), self._openvino.PartialShape(shape))


def _operator_sets() -> list[str]:
    spec = find_spec("openvino")
    if spec is None or spec.origin is None:
        return []
    return [f"openvino.{folder.name}" for folder in Path(spec.origin).parent.glob("opset*")]


def _import_without(placeholders: dict[str, ModuleType | None]) -> ModuleType:
    """Import openvino with these in place of modules of its own; None makes Python refuse the import of one."""
    replaced = {name: each for name, each in placeholders.items() if name not in sys.modules}
    sys.modules.update(replaced)  # type: ignore[arg-type]
    try:
        openvino = importlib.import_module("openvino")
    finally:
        for name in replaced:
            del sys.modules[name]
    for name in replaced:
        vars(openvino).pop(name.removeprefix("openvino."), None)
    return openvino
