"""Which nodes of a graph compute in float32 whatever precision a run asks for.

A depthwise convolution adds up the few products of one channel (9 for 3x3), so that bfloat16's rounding of each does
not average out; its share of the arithmetic is small, and tiles do nothing for it. In float32 they raise the bundled
model's top-1 agreement with timm from 98.3 to 99.3% of 408 photos, of which one in five is a toss-up.
"""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

# The format's own attribute for it; openvino's Python has no call that sets it.
_MARK = {"name": "precise", "version": "0"}


def mark_depthwise(graph: Path) -> int:
    """Mark the depthwise convolutions of an OpenVINO graph.xml that was just written here; give how many."""
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
