"""Depthwise convolutions stay in float32; a graph that can't run so is left as it was."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnext.compiling import convert
from resnext.compiling.convert import mark_depthwise
from resnext.engines import Graph
from resnext.engines.openvino.importing import import_openvino


def graph_with(folder: Path, groups: int, channels: int) -> Path:
    openvino = import_openvino()
    from openvino import opset13 as operations

    pixels = operations.parameter([-1, groups * channels, 8, 8], np.float32)
    weights = np.random.default_rng(0).normal(size=(groups, channels, channels, 3, 3)).astype(np.float32)
    node = operations.group_convolution(pixels, operations.constant(weights), [1, 1], [1, 1], [1, 1], [1, 1])
    path = folder / "graph.xml"
    openvino.save_model(openvino.Model([operations.relu(node)], [pixels]), path, compress_to_fp16=False)
    return path


def marks_in(graph: Path) -> int:
    return len(ElementTree.parse(graph).findall(".//rt_info/attribute[@name='precise']"))


def test_depthwise_convolutions_are_marked_and_nothing_else(tmp_path: Path) -> None:
    grouped, depthwise = tmp_path / "grouped", tmp_path / "depthwise"
    for folder in (grouped, depthwise):
        folder.mkdir()
    assert mark_depthwise(graph_with(grouped, 8, 4)) == 0
    graph = graph_with(depthwise, 16, 1)
    assert mark_depthwise(graph) == 1
    assert marks_in(graph) == 1
    node = next(
        node
        for node in import_openvino().Core().read_model(graph).get_ordered_ops()
        if node.get_type_name() == "GroupConvolution"
    )
    assert node.get_rt_info(), "openvino does not know the mark any more"


def test_a_marked_convolution_computes_in_float32_on_any_processor(tmp_path: Path) -> None:
    core = import_openvino().Core()
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has no bfloat16")
    graph = graph_with(tmp_path, 16, 1)
    photo = np.random.default_rng(1).normal(size=(1, 16, 8, 8)).astype(np.float32)

    def answer(precision: str) -> Any:
        return core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": precision})(photo)[0]

    exact, rounded = answer("f32"), answer("bf16")
    mark_depthwise(graph)
    marked = answer("bf16")
    assert np.abs(marked - exact).max() < np.abs(rounded - exact).max() / 2


def test_a_graph_that_fails_with_marks_is_kept_without(tmp_path: Path, timm: Any, monkeypatch: Any) -> None:
    from resnext.compiling.timm_models import TimmModel

    module = timm.create_model("test_efficientnet", pretrained=False, num_classes=3).eval()
    model = TimmModel(module, dict(module.pretrained_cfg), 3, module.num_features, timm.__version__)
    convert.convert(model, Graph(), tmp_path)
    assert marks_in(tmp_path / "graph.xml") > 0
    monkeypatch.setattr(convert, "_runs", lambda *_: False)
    convert.convert(model, Graph(), tmp_path)
    assert marks_in(tmp_path / "graph.xml") == 0
