"""A timm model -> an OpenVINO graph with named outputs, compared with torch before it is used."""

import importlib
import logging
import shutil
import warnings
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import torch

from resnext.compiling.outputs import outputs_of
from resnext.compiling.timm_models import TimmModel
from resnext.engines import Graph
from resnext.engines.openvino.importing import import_openvino, new_core
from resnext.errors import ModelError
from resnext.store.entries import GRAPH, GRAPH_WEIGHTS

# Largest difference of a graph from torch, relative to the spread of the reference: fp32 rounding stays below 1e-4
# even through the 33 blocks of a ResNeXt-101; a wrong graph is off by about 1.
_TOLERANCE = 1e-3


def convert(model: TimmModel, outputs: Graph, folder: Path) -> None:
    """Write `model` as graph.xml and graph.bin into `folder`: pixels (B, 3, H, W) -> `outputs`.

    Weights stay fp32; what precision a run computes in is chosen when the graph is loaded.

    Raises:
        ModelError: the graph can't be made, or does not compute what torch does.
        OSError: it can't be written.
    """
    import_openvino()
    convert_model = importlib.import_module("openvino.tools.ovc").convert_model
    module = outputs_of(model, outputs)
    input_size = tuple(model.pretrained_cfg["input_size"])
    # Seeded noise: nothing in a network is constant on it, so that a wrong graph shows.
    pixels = torch.randn(2, *input_size, generator=torch.Generator().manual_seed(0))
    logging.getLogger("openvino").setLevel(logging.ERROR)
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tracing warns of every branch on a shape; the check below decides
            # torch's own check would trace a second time; _check compares the finished graph instead.
            traced = torch.jit.trace(module, pixels[:1], check_trace=False)  # type: ignore[no-untyped-call]
            graph = convert_model(traced, example_input=pixels[:1], input=[-1, *input_size])
            reference = module(pixels)
    except Exception as error:  # the converter raises whatever the first operator it does not know makes it raise
        raise ModelError(f"this model can't be compiled ({type(error).__name__}); use --engine torch") from error
    for output, name in zip(graph.outputs, outputs.outputs, strict=True):
        output.get_tensor().set_names({name})
    save_graph(graph, folder / GRAPH)
    if mark_depthwise(folder / GRAPH) and not _runs(folder / GRAPH, pixels):
        save_graph(graph, folder / GRAPH)  # without the marks
    _check(folder / GRAPH, pixels, reference)
    write_in_large_pieces(folder / GRAPH_WEIGHTS)


def save_graph(graph: Any, path: Path) -> None:
    """Write a graph as graph.xml and, beside it, graph.bin.

    Raises:
        OSError: it can't be written.
    """
    try:
        import_openvino().save_model(graph, path, compress_to_fp16=False)
    except RuntimeError as error:  # its one class for all: the graph is sound, so it is the disk
        raise OSError(f"OpenVINO can't write {path.name}; is the disk full?") from error


def write_in_large_pieces(path: Path) -> None:
    """Write a file again, 16 MB at a time: the system then keeps it in large pages, which map in half the time.

    OpenVINO writes a tensor at a time; of 775 MB that costs every start 60 ms.
    """
    again = path.with_name(f"{path.name}.again")
    with path.open("rb", buffering=0) as old, again.open("wb") as new:
        shutil.copyfileobj(old, new, 16 << 20)
    again.replace(path)


def _runs(graph: Path, pixels: torch.Tensor) -> bool:
    """Whether the graph runs in this processor's own precision: OpenVINO can't mix two in every model (fastvit)."""
    try:
        new_core().compile_model(graph, "CPU")({0: pixels.numpy()})
    except RuntimeError:
        return False
    return True


def _check(graph: Path, pixels: torch.Tensor, reference: tuple[torch.Tensor, ...]) -> None:
    compiled = new_core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    outputs = compiled({0: pixels.numpy()})
    for index, expected in enumerate(tensor.numpy() for tensor in reference):
        if not np.isfinite(expected).all():
            raise ModelError("the model's answers are not finite numbers; these weights can't label anything")
        difference = float(np.abs(outputs[index] - expected).max())
        if not difference <= _TOLERANCE * max(float(expected.std()), 1e-6):
            raise ModelError(f"the compiled model differs from timm's by {difference:.2g}; use --engine torch")


# The format's own attribute for it; openvino's Python has no call that sets it.
_MARK = {"name": "precise", "version": "0"}


def mark_depthwise(graph: Path) -> int:
    """Mark the depthwise convolutions of an OpenVINO graph.xml that was just written here; give how many.

    They compute in float32 whatever precision a run asks for. A depthwise convolution adds up the few products of one
    channel (9 for 3x3), so that bfloat16's rounding of each does not average out; its share of the arithmetic is small,
    and tiles do nothing for it. In float32 they raise the bundled model's top-1 agreement with timm from 98.3 to 99.3%
    of 408 photos, of which one in five is a toss-up.
    """
    tree = ElementTree.parse(graph)
    marked = 0
    for layer in tree.iterfind("./layers/layer[@type='GroupConvolution']"):
        kernel = layer.findall("./input/port")[1]
        if kernel.findtext("./dim[3]") != "1":  # (G, O, I, H, W)
            continue
        information = layer.find("rt_info")
        if information is None:
            information = ElementTree.Element("rt_info")
            layer.insert(1, information)  # behind <data>
        ElementTree.SubElement(information, "attribute", _MARK)
        marked += 1
    if marked:
        tree.write(graph, encoding="utf-8", xml_declaration=True)
    return marked
