"""A graph that reads its weights where they lie computes what it did."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from resnext.engines.openvino import weights_in_place
from resnext.engines.openvino.importing import NodeMaker, import_openvino
from resnext.engines.openvino.weights_in_place import read_in_place
from support.residual import Residual

EXACT = {"INFERENCE_PRECISION_HINT": "f32"}


@pytest.fixture(autouse=True)
def _small_models_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_in_place, "LEAST_BYTES", 1)


def answers(model: Any) -> list[NDArray[np.float32]]:
    compiled = import_openvino().Core().compile_model(model, "CPU", EXACT)
    photo = np.random.default_rng(1).normal(size=(1, 3, 16, 16)).astype(np.float32)
    return [np.array(values) for values in compiled(photo).values()]


def kinds(model: Any) -> list[str]:
    return [node.get_type_name() for node in model.get_ordered_ops()]


def test_a_residual_network_computes_the_same() -> None:
    model = Residual().model
    before = answers(model)
    assert read_in_place(model, NodeMaker())
    # Two products a block and the classifier; what has a stride, or a kernel of 7 or 3, stays a convolution.
    assert kinds(model).count("MatMul") == 5 and kinds(model).count("GroupConvolution") == 2
    assert kinds(model).count("Convolution") == 2
    for one, other in zip(answers(model), before, strict=True):
        assert np.abs(one - other).max() < 0.03 * other.std()
    assert [output.get_any_name() for output in model.outputs] == ["logits", "pooled"]
    types = {output.get_element_type().to_string() for output in (*model.inputs, *model.outputs)}
    assert types == {"f32"}


def test_weights_are_stored_as_bfloat16() -> None:
    model = Residual().model
    before = sum(node.data.nbytes for node in model.get_ops() if node.get_type_name() == "Constant")
    read_in_place(model, NodeMaker())
    weights = [node for node in model.get_ops() if node.get_type_name() == "Constant"]
    assert sum(node.get_byte_size() for node in weights) < 0.52 * before


def test_what_weighs_little_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_in_place, "LEAST_BYTES", 64 << 20)
    model = Residual().model
    before = kinds(model)
    assert not read_in_place(model, NodeMaker())
    assert kinds(model) == before


def test_what_is_no_plain_residual_network_is_left_alone() -> None:
    model = Residual("Sigmoid").model
    before = kinds(model)
    assert not read_in_place(model, NodeMaker())
    assert kinds(model) == before


def test_bfloat16_rounds_as_torch_does() -> None:
    """Random bits, the halves between two numbers, the ends of the range; nothing that is not finite."""
    rng = np.random.default_rng(2)
    bits = rng.integers(0, 1 << 32, 100_000, np.uint32)
    halves = (rng.integers(0, 1 << 16, 10_000, np.uint32) << 16) | 0x8000
    values = np.concatenate([bits, halves, np.array([0, 1, 0x80000000, 0x7F7F0000], np.uint32)]).view(np.float32)
    values = values[np.isfinite(values) & (np.abs(values) < 3e38)]
    constant = NodeMaker().bfloat16(values)
    expected = torch.from_numpy(values).bfloat16().view(torch.int16).numpy()
    # OpenVINO shows numpy, which has no bfloat16, the same bits under another name.
    assert np.array_equal(constant.data.view(np.int16), expected)
