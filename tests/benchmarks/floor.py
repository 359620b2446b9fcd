"""The floor under a one-photo run: import numpy, PIL and openvino, load the graph, one inference. Nothing else.

Usage: python floor.py GRAPH.xml PHOTO
"""

import sys

import numpy as np
import openvino
from PIL import Image


def main(graph: str, photo: str) -> None:
    core = openvino.Core()
    model = core.read_model(graph)
    model.reshape([1, 3, 224, 224])
    compiled = core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    image = Image.open(photo).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)
    pixels = np.asarray(image, dtype=np.float32).transpose(2, 0, 1)[None] / 255
    print(int(compiled(pixels)[0].argmax()))


if __name__ == "__main__":
    main(*sys.argv[1:])
