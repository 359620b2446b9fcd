"""Convolutions that weigh more than the photo, as products that read their weights where they lie.

OpenVINO brings the weights of a convolution into its kernel's own order before the first answer: of a 32x16d 388 MB in
0.25 s, and for one photo each number is then used once. On the left of a matrix product they are used as they are
stored, mapped from the file: the first answer comes in two thirds of the time, from half the memory. Where photos are
many the convolutions are faster.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from resnext.engines.openvino.importing import NodeMaker

# Below it the order costs less than making a graph of another kind is worth.
LEAST_BYTES = 64 << 20
_BODY = ("Convolution", "GroupConvolution", "MaxPool", "Relu", "Add")


def read_in_place(model: Any, make: NodeMaker) -> bool:
    """Change an OpenVINO model of one photo, float32 and of fixed shape, to be computed in bfloat16 in this way.

    Gives whether it did: a model is left alone that has more to its maps than a plain residual network, or weighs
    little. Weights are rounded as OpenVINO would round them; the biases of the convolutions are too, which it does not.
    """
    body = [node for node in model.get_ordered_ops() if _makes_maps(node)]
    heavy = {node.get_friendly_name() for node in body if _is_heavy(node)}
    weight = sum(2 * int(np.prod(_kernel(node).shape)) for node in body if node.get_friendly_name() in heavy)
    if weight < LEAST_BYTES or any(node.get_type_name() not in _BODY for node in body):
        return False
    _Rewriting(make, heavy).rewrite(body)
    model.validate_nodes_and_infer_types()
    return True


class _Rewriting:
    """The maps' second life: `_maps` by the output that they replace, (1, C, H, W); `_rows` the same as (1, C, H * W).

    Rows stay rows from product to product, through what is done to each number.
    """

    def __init__(self, make: NodeMaker, heavy: set[str]) -> None:
        self._make, self._heavy = make, heavy
        self._maps: dict[str, Any] = {}
        self._rows: dict[str, Any] = {}

    def rewrite(self, body: list[Any]) -> None:
        inside = {node.get_friendly_name() for node in body}
        readers = [
            (node.get_friendly_name(), reader)
            for node in body
            for reader in node.output(0).get_target_inputs()
            if reader.get_node().get_friendly_name() not in inside
        ]
        for node in body:
            self._replace(node)
        for name, reader in readers:
            reader.replace_source_output(self._make("Convert", self._maps[name], destination_type="f32").output(0))

    def _replace(self, node: Any) -> None:
        make, kind, name = self._make, node.get_type_name(), node.get_friendly_name()
        inputs = [node.input_value(index) for index in range(node.get_input_size())]
        in_rows = any(_name(each) in self._rows for each in inputs)
        if name in self._heavy:
            kernel = inputs[1].get_node().data
            weights = make.bfloat16(kernel.reshape(1, *kernel.shape[:2]))
            if in_rows:
                rows = make("MatMul", weights, self._rows[_name(inputs[0])], transpose_a=False, transpose_b=False)
            else:  # a convolution left its maps with the channels last: the product reads them so
                last = make("Transpose", self._map(inputs[0]), np.array([0, 2, 3, 1]))
                photo = self._reshaped(last, (1, -1, kernel.shape[1]))
                rows = make("MatMul", weights, photo, transpose_a=False, transpose_b=True)
        elif kind in ("Relu", "Add") and in_rows:
            rows = make(kind, *[self._row(each) for each in inputs])
        else:
            for index, each in enumerate(inputs):
                node.input(index).replace_source_output(self._map(each))
            node.validate_and_infer_types()  # now it is bfloat16
            self._maps[name] = node.output(0)
            return
        self._rows[name] = rows.output(0)
        self._maps[name] = self._reshaped(rows, tuple(node.output(0).get_shape()))

    def _map(self, output: Any) -> Any:
        """An input of the body as (1, C, H, W) in bfloat16."""
        name = _name(output)
        if name not in self._maps:
            node = output.get_node()
            if node.get_type_name() == "Constant":
                self._maps[name] = self._make.bfloat16(node.data).output(0)
            else:
                self._maps[name] = self._make("Convert", output, destination_type="bf16").output(0)
        return self._maps[name]

    def _row(self, output: Any) -> Any:
        name = _name(output)
        if name not in self._rows:
            _, channels, height, width = output.get_shape()
            node = output.get_node()
            if node.get_type_name() == "Constant":
                self._rows[name] = self._make.bfloat16(node.data.reshape(1, channels, -1)).output(0)
            else:
                self._rows[name] = self._reshaped(self._map(output), (1, channels, height * width))
        return self._rows[name]

    def _reshaped(self, values: Any, shape: tuple[int, ...]) -> Any:
        return self._make("Reshape", values, np.array(shape), special_zero=False).output(0)


def _makes_maps(node: Any) -> bool:
    """Whether a node computes what has channels, height and width."""
    if node.get_type_name() in ("Constant", "Parameter", "ReduceMean", "Result"):
        return False
    return any(len(output.get_shape()) == 4 for output in node.outputs())


def _is_heavy(node: Any) -> bool:
    """Whether a node is a product with more weights than numbers in and out."""
    if node.get_type_name() != "Convolution" or node.input_value(1).get_node().get_type_name() != "Constant":
        return False
    attributes, (outputs, inputs, *kernel) = node.get_attributes(), _kernel(node).shape
    plain = all(attributes[name] in ([0, 0], [1, 1]) for name in ("pads_begin", "pads_end", "strides"))
    _, _, height, width = node.output(0).get_shape()
    same_size = [height, width] == list(node.input_value(0).get_shape())[2:]
    return kernel == [1, 1] and plain and same_size and outputs * inputs > (outputs + inputs) * height * width


def _kernel(node: Any) -> NDArray[np.float32]:
    return node.input_value(1).get_node().data  # type: ignore[no-any-return]


def _name(output: Any) -> str:
    return str(output.get_node().get_friendly_name())
