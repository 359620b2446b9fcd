"""A small residual network as an OpenVINO graph, made without timm."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from resnext.engines.openvino.importing import import_openvino

CHANNELS = 256


class Residual:
    """A small residual network: a stem, a block with a shortcut of its own, a plain block, a classifier.

    Its numbers are such that bfloat16 holds its weights and biases exactly: then only what is computed can differ.
    """

    def __init__(self, activation: str = "Relu") -> None:
        from openvino import opset13 as operations

        self._op, self._rng, self._activation = operations, np.random.default_rng(0), activation
        pixels = operations.parameter([1, 3, 16, 16], np.float32, name="pixels")
        stem = operations.max_pool(
            self._convolution(pixels, CHANNELS, 3, stride=2, pad=3, size=7), [2, 2], [1, 1], [1, 1], [1, 1], [3, 3]
        )
        maps = self._block(stem.output(0), stride=2)
        maps = self._block(maps, stride=1)
        pooled = operations.reduce_mean(maps, np.array([2, 3]), keep_dims=False)
        logits = operations.matmul(pooled, self._numbers(10, 2 * CHANNELS), False, True)
        for node, name in ((logits, "logits"), (pooled, "pooled")):
            node.output(0).get_tensor().set_names({name})
        self.model = import_openvino().Model([logits, pooled], [pixels])

    def _numbers(self, *shape: int) -> NDArray[np.float32]:
        fan_in = max(1, int(np.prod(shape[1:])))
        values = torch.from_numpy(self._rng.normal(size=shape).astype(np.float32)) * (2 / fan_in) ** 0.5
        return values.bfloat16().float().numpy()

    def _convolution(
        self, maps: Any, outputs: int, inputs: int, stride: int = 1, pad: int = 0, size: int = 1, active: bool = True
    ) -> Any:
        kernel = self._op.constant(self._numbers(outputs, inputs, size, size))
        node = self._op.convolution(maps, kernel, [stride] * 2, [pad] * 2, [pad] * 2, [1, 1])
        node = self._op.add(node, self._numbers(1, outputs, 1, 1))
        return self._active(node) if active else node

    def _grouped(self, maps: Any, stride: int) -> Any:
        kernel = self._op.constant(self._numbers(8, CHANNELS // 8, CHANNELS // 8, 3, 3))
        node = self._op.group_convolution(maps, kernel, [stride] * 2, [1, 1], [1, 1], [1, 1])
        return self._active(self._op.add(node, self._numbers(1, CHANNELS, 1, 1)))

    def _active(self, node: Any) -> Any:
        return self._op.relu(node) if self._activation == "Relu" else self._op.sigmoid(node)

    def _block(self, maps: Any, stride: int) -> Any:
        inputs = CHANNELS if stride == 2 else 2 * CHANNELS
        wide = self._grouped(self._convolution(maps, CHANNELS, inputs), stride)
        wide = self._convolution(wide, 2 * CHANNELS, CHANNELS, active=False)
        shortcut = self._convolution(maps, 2 * CHANNELS, inputs, stride, active=False) if stride == 2 else maps
        return self._active(self._op.add(wide, shortcut))

    def save(self, folder: Path) -> Path:
        """Write it as an entry of the store has it; gives the path of graph.xml."""
        import_openvino().save_model(self.model, folder / "graph.xml", compress_to_fp16=False)
        return folder / "graph.xml"
