"""(value / 255 - mean) / std: from the bytes of a crop to the numbers that a model takes, in numpy or in the graph."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from resnext.engines.openvino.importing import NodeMaker
from resnext.records import PreprocessingConfig


class Normalization:
    """A model's own, in float32 and in torchvision's order of steps: bit-identical to ToTensor and Normalize."""

    def __init__(self, config: PreprocessingConfig) -> None:
        self._crop = config.input_size[1:]
        self._mean, self._std = (np.array(numbers, np.float32) for numbers in (config.mean, config.std))
        scaled = np.arange(256, dtype=np.float32)[:, None] / np.float32(255)
        self._tables = np.ascontiguousarray(((scaled - self._mean) / self._std).T)

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 (B, H, W, 3) -> float32 (B, 3, H, W), each channel through its table of 256 numbers."""
        pixels = np.empty((len(crops), 3, *crops.shape[1:3]), np.float32)
        for channel, table in enumerate(self._tables):
            np.take(table, crops[..., channel], out=pixels[:, channel], mode="clip")
        return pixels

    def put_before(self, model: Any, make: NodeMaker) -> None:
        """Make an OpenVINO model take uint8 (B, H, W, 3).

        The processor's plugin turns the two divisions into one multiplication: within 5e-7 of the tables, and with
        ImageNet's mean and std the same once rounded to bfloat16.
        """
        pixels = model.get_parameters()[0]
        crops = make.parameter([-1, *self._crop, 3], np.uint8)
        scaled = make("Divide", make("Convert", crops, destination_type="f32"), np.float32(255))
        normalized = make("Divide", make("Subtract", scaled, self._mean), self._std)
        planes = make("Transpose", normalized, np.array([0, 3, 1, 2]))
        for reader in pixels.output(0).get_target_inputs():
            reader.replace_source_output(planes.output(0))
        model.remove_parameter(pixels)
        model.add_parameters([crops])
        model.validate_nodes_and_infer_types()
