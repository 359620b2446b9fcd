"""Merged groups compute what the narrow ones did."""

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d

from resnext.engines.openvino.importing import NodeMaker, import_openvino
from resnext.engines.openvino.wide_groups import TILE_CHANNELS, merge_groups, widen_groups


def kernel_of(groups: int, channels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(groups, channels, channels, 3, 3)).astype(np.float32)


@pytest.mark.parametrize(("groups", "channels"), [(32, 4), (32, 8), (32, 16), (8, 4), (16, 2)])
@pytest.mark.parametrize("stride", [1, 2])
def test_merged_groups_give_the_same_sums(groups: int, channels: int, stride: int) -> None:
    kernel = kernel_of(groups, channels)
    merged = merge_groups(kernel)
    assert merged is not None
    assert merged.shape[1:3] == (TILE_CHANNELS, TILE_CHANNELS)
    photos = torch.randn(2, groups * channels, 9, 7, generator=torch.Generator().manual_seed(1))
    narrow, wide = (
        conv2d(photos, torch.from_numpy(k.reshape(-1, *k.shape[2:])), stride=stride, padding=1, groups=len(k))
        for k in (kernel, merged)
    )
    assert (narrow - wide).abs().max() < 1e-4


@pytest.mark.parametrize(
    "shape", [(32, 1, 1, 3, 3), (32, 32, 32, 3, 3), (32, 2, 1, 3, 3), (4, 12, 12, 3, 3), (6, 4, 4, 3, 3)]
)
def test_what_gains_nothing_is_left_alone(shape: tuple[int, ...]) -> None:
    """Depthwise, wide already, uneven, no divisor of a tile, groups that do not fill tiles."""
    assert merge_groups(np.zeros(shape, np.float32)) is None


@pytest.mark.parametrize("groups", [8, 16])
def test_a_graph_computes_the_same_after_widening(groups: int) -> None:
    """Into one plain convolution (8 groups of 4), and into groups of 32 (16 of 4)."""
    openvino = import_openvino()
    from openvino import opset13 as operations

    pixels = operations.parameter([1, groups * 4, 6, 6], np.float32)
    kernel = operations.constant(kernel_of(groups, 4))
    node = operations.group_convolution(pixels, kernel, [2, 2], [1, 1], [1, 1], [1, 1])
    model = openvino.Model([operations.relu(node)], [pixels])
    core, photo = openvino.Core(), np.random.default_rng(2).normal(size=(1, groups * 4, 6, 6)).astype(np.float32)
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    before = core.compile_model(model, "CPU", exact)(photo)[0]
    assert widen_groups(model, NodeMaker()) == 1
    assert np.abs(core.compile_model(model, "CPU", exact)(photo)[0] - before).max() < 1e-4
